"""The settings of the server, `[server]` in config.toml.

Order: defaults < `<data-dir>/config.toml` < stored configuration < environment < command-line flags; later wins. The
data directory itself cannot come from the file it holds, nor what is needed to open the database from what is in it.
"""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from agent_swarm import config
from agent_swarm.config import SettingError, setting
from agent_swarm.server.setting_groups.accounts import AccountSettings
from agent_swarm.server.setting_groups.agents import AgentSettings
from agent_swarm.server.setting_groups.audit import AuditSettings
from agent_swarm.server.setting_groups.embedding import EmbeddingSettings
from agent_swarm.server.setting_groups.keys import KeySettings
from agent_swarm.server.setting_groups.killing import KillSettings
from agent_swarm.server.setting_groups.nats import NatsOptions
from agent_swarm.server.setting_groups.people import PeopleSettings
from agent_swarm.server.setting_groups.radar import RadarSettings
from agent_swarm.server.setting_groups.texts import database_url_text, minutes, one_of
from agent_swarm.server.setting_groups.webhooks import WebhookSettings
from agent_swarm.server.setting_groups.workflows import WorkflowSettings
from agent_swarm.store.address import DatabaseAddress, PostgresAddress, SqliteAddress, parse

SYNCHRONOUS = ("full", "normal")
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, kw_only=True)
class ServerSettings(
    NatsOptions,
    AuditSettings,
    KillSettings,
    PeopleSettings,
    AgentSettings,
    EmbeddingSettings,
    KeySettings,
    WebhookSettings,
    WorkflowSettings,
    AccountSettings,
    RadarSettings,
):
    """How the server runs. Read from defaults, config.toml, stored configuration, environment, flags; later wins."""

    host: str = setting("127.0.0.1", env="HOST", help="the address to listen on", expected="an address")
    port: int = setting(
        3013, env="PORT", help="the port to listen on; 0 lets the system choose", parse=config.port, expected="a port"
    )
    data_dir: Path = field(
        default_factory=lambda: config.home() / "server",
        metadata=setting(
            None, env="DATA_DIR", help="where everything is kept", parse=config.path, expected="a path"
        ).metadata,
    )
    database_url: str = setting(
        "",
        env="AGENT_SWARM_DATABASE_URL",
        help="the database, by default an SQLite file in the data directory; servers may share one of PostgreSQL",
        parse=database_url_text,
        expected="postgresql://user@host/database or sqlite:path",
        secret=True,
    )
    transcripts_dir: Path | None = setting(
        None,
        env="AGENT_SWARM_TRANSCRIPTS_DIR",
        help="where transcripts are kept, by default <data-dir>/transcripts; servers on one database share it",
        parse=config.path,
        expected="a path",
    )
    api_key: str = setting(
        "",
        env=("API_KEY", "AGENT_SWARM_API_KEY"),
        help="the operators' key; without it one is made in <data-dir>/api-key, for this machine only",
        secret=True,
    )
    synchronous: str = setting(
        "full",
        env="AGENT_SWARM_SYNCHRONOUS",
        help="full survives a power cut, normal survives a crash of the process",
        parse=one_of(SYNCHRONOUS),
        expected=" or ".join(SYNCHRONOUS),
    )
    no_agent_minutes: float = setting(
        5.0,
        env="AGENT_SWARM_NO_AGENT_MINUTES",
        help="how long claimable tasks may wait without an agent online that could take them, before an event says so",
        parse=minutes,
        expected="a number of minutes, 0 or more",
        stored=True,
    )
    log_level: str = setting(
        "info",
        env="AGENT_SWARM_LOG_LEVEL",
        help="the least important messages to write",
        parse=one_of(LOG_LEVELS),
        expected=f"one of {', '.join(LOG_LEVELS)}",
    )

    decided: frozenset[str] = frozenset()  # the fields that the environment or flags set

    @property
    def database(self) -> DatabaseAddress:
        """The address of the store."""
        return parse(self.database_url) if self.database_url else SqliteAddress(self.data_dir / "agent-swarm-db.sqlite")

    @property
    def is_shared(self) -> bool:
        """Other servers may work on the same database."""
        return isinstance(self.database, PostgresAddress)

    @property
    def postgres_url(self) -> str:
        """The URL of the PostgreSQL database; empty where it is none."""
        return self.database.url if isinstance(self.database, PostgresAddress) else ""

    @property
    def transcripts(self) -> Path:
        """Where the transcripts of attempts are."""
        return self.transcripts_dir or self.data_dir / "transcripts"

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach the server."""
        return is_loopback(self.host)


def load_settings(
    *, environ: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> ServerSettings:
    """The settings of this start; raises SettingError naming the one that cannot be used."""
    early = config.load(ServerSettings, section="server", environ=environ, flags=flags)
    toml = early.data_dir / "config.toml"
    if config.load(ServerSettings, section="server", toml=toml, environ={}).data_dir != ServerSettings().data_dir:
        raise SettingError(
            f"{toml}: data_dir cannot be set in the file it leads to", hint="set DATA_DIR or use --data-dir"
        )
    loaded = config.load(ServerSettings, section="server", toml=toml, environ=environ, flags=flags)
    _ = loaded.nats, loaded.embedding  # what several settings say together, looked at now
    decided = config.given(ServerSettings, environ=os.environ if environ is None else environ, flags=flags or {})
    return replace(loaded, decided=decided)


def storable() -> dict[str, tuple[str, config.Setting]]:
    """The settings that may come from the stored configuration, by variable, each with its field."""
    known = config.settings_of(ServerSettings).items()
    return {variable: (name, source) for name, source in known if source.stored for variable in source.env}


def stored_settings() -> dict[str, Callable[[str], str]]:
    """What is wrong with a text, by the variable of the setting that could have it."""
    return {variable: partial(config.problem_with, source) for variable, (_, source) in storable().items()}


def with_stored(settings: ServerSettings, stored: Mapping[str, str]) -> ServerSettings:
    """The settings with those that are stored, by variable; the environment and flags win over them."""
    found = {
        name: source.parse(stored[variable])
        for variable, (name, source) in storable().items()
        if variable in stored and name not in settings.decided and not config.problem_with(source, stored[variable])
    }
    return replace(settings, **found)


def is_loopback(host: str) -> bool:
    """Whether listening on `host` keeps other machines out; a name other than localhost may resolve to anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
