"""The settings of the server, `[server]` in config.toml.

Order: defaults < `<data-dir>/config.toml` < environment < command-line flags; later wins. The data directory itself
cannot come from the file it holds.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_swarm import config
from agent_swarm.config import SettingError, setting

SYNCHRONOUS = ("full", "normal")
MAX_MINUTES = 525_600.0  # a year
LOG_LEVELS = ("debug", "info", "warning", "error")


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes <= MAX_MINUTES:  # also what is not a number
        raise ValueError(text)
    return minutes


def _one_of(choices: tuple[str, ...]) -> Any:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(text)
        return text.lower()

    return parse


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How the server runs. Read from defaults, then config.toml, then the environment, then flags; later wins."""

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
        parse=_one_of(SYNCHRONOUS),
        expected=" or ".join(SYNCHRONOUS),
    )
    no_agent_minutes: float = setting(
        5.0,
        env="AGENT_SWARM_NO_AGENT_MINUTES",
        help="how long claimable tasks may wait without an agent online that could take them, before an event says so",
        parse=_minutes,
        expected="a number of minutes, 0 or more",
    )
    log_level: str = setting(
        "info",
        env="AGENT_SWARM_LOG_LEVEL",
        help="the least important messages to write",
        parse=_one_of(LOG_LEVELS),
        expected=f"one of {', '.join(LOG_LEVELS)}",
    )

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "agent-swarm-db.sqlite"

    @property
    def transcripts_dir(self) -> Path:
        """Where the transcripts of attempts are."""
        return self.data_dir / "transcripts"

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
    return config.load(ServerSettings, section="server", toml=toml, environ=environ, flags=flags)


def is_loopback(host: str) -> bool:
    """Whether listening on `host` keeps other machines out; a name other than localhost may resolve to anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
