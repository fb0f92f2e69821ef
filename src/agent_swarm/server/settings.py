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
from urllib.parse import urlsplit

from agent_swarm import config
from agent_swarm.bus.nats.settings import KEEP_BYTES, KEEP_HOURS, NatsSettings, parse_url, settings_from
from agent_swarm.config import SettingError, setting
from agent_swarm.domain.caps import Cap, Caps
from agent_swarm.server.cors import parse_origins
from agent_swarm.server.killing.flags import parse_object_url
from agent_swarm.server.peers import Network, parse_networks
from agent_swarm.server.rates import DEFAULTS, Rates, parse_rates
from agent_swarm.store.address import DatabaseAddress, DatabaseAddressError, PostgresAddress, SqliteAddress, parse
from agent_swarm.vault.finding import KeySources

SYNCHRONOUS = ("full", "normal")
MOST_TASKS = 1_000_000
MAX_MINUTES = 525_600.0  # a year
LOG_LEVELS = ("debug", "info", "warning", "error")


def _above_zero(number: Any) -> Any:
    def parse(text: str) -> Any:
        value = number(text)
        if not value > 0:
            raise ValueError(text)
        return value

    return parse


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes <= MAX_MINUTES:  # also what is not a number
        raise ValueError(text)
    return minutes


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= MOST_TASKS:
        raise ValueError(text)
    return number


def _one_of(choices: tuple[str, ...]) -> Any:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(text)
        return text.lower()

    return parse


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(text)
    return text


def _database_url(text: str) -> str:
    try:
        parse(text)
    except DatabaseAddressError as exc:
        raise ValueError from exc
    return text


def _checked_by(parse: Any) -> Any:
    """The text, where `parse` takes it."""

    def checked(text: str) -> str:
        parse(text)
        return text

    return checked


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
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
        parse=_database_url,
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
        parse=_one_of(SYNCHRONOUS),
        expected=" or ".join(SYNCHRONOUS),
    )
    no_agent_minutes: float = setting(
        5.0,
        env="AGENT_SWARM_NO_AGENT_MINUTES",
        help="how long claimable tasks may wait without an agent online that could take them, before an event says so",
        parse=_minutes,
        expected="a number of minutes, 0 or more",
        stored=True,
    )
    encryption_key: str = setting(
        "",
        env="SECRETS_ENCRYPTION_KEY",
        help="the key that stored secrets are encrypted with; make one with: openssl rand -base64 32",
        expected="32 bytes as base64, or as 64 hexadecimal digits",
        secret=True,
    )
    encryption_key_file: Path | None = setting(
        None,
        env="SECRETS_ENCRYPTION_KEY_FILE",
        help="a file with that key; without either it is in <data-dir>/.encryption-key, made where none is needed yet",
        parse=config.path,
        expected="a path",
    )
    previous_encryption_key: str = setting(
        "",
        env="SECRETS_ENCRYPTION_KEY_PREVIOUS",
        help="the encryption key before, for the start at which it changes",
        expected="32 bytes as base64, or as 64 hexadecimal digits",
        secret=True,
    )
    previous_encryption_key_file: Path | None = setting(
        None,
        env="SECRETS_ENCRYPTION_KEY_PREVIOUS_FILE",
        help="a file with the encryption key before",
        parse=config.path,
        expected="a path",
    )
    max_depth: int = setting(
        Caps().depth,
        env=Cap.DEPTH.setting,
        help="how many levels below a root task agents may file tasks",
        parse=_count,
        expected="a whole number",
    )
    max_children: int = setting(
        Caps().children,
        env=Cap.CHILDREN.setting,
        help="how many tasks agents may file directly below one task",
        parse=_count,
        expected="a whole number",
    )
    max_tasks_per_root: int = setting(
        Caps().tasks_per_root,
        env=Cap.TASKS_PER_ROOT.setting,
        help="how many tasks agents may file below one root task, however deep",
        parse=_count,
        expected="a whole number",
    )
    max_open_per_agent: int = setting(
        Caps().open_per_agent,
        env=Cap.OPEN_PER_AGENT.setting,
        help="how many tasks one agent may have filed that have not ended",
        parse=_count,
        expected="a whole number",
    )
    worker_permissions: str = setting(
        "",
        env="AGENT_SWARM_WORKER_PERMISSIONS",
        help="permission profile of workers' attempts where neither task nor agent names one; "
        "default: workspace-write, as far as their workers can enforce it",
        expected="the name of a permission profile",
    )
    lead_permissions: str = setting(
        "",
        env="AGENT_SWARM_LEAD_PERMISSIONS",
        help="the same for leads' attempts",
        expected="the name of a permission profile",
    )
    profiles_file: Path | None = setting(
        None,
        env="AGENT_SWARM_PROFILES",
        help="a TOML file of further permission profiles",
        parse=config.path,
        expected="a path",
    )
    rate_limits: str = setting(
        "",
        env="AGENT_SWARM_RATE_LIMITS",
        help="how often one user or token may call, in place of the defaults, such as read=100/s,login=10/m:5; or off",
        parse=_checked_by(parse_rates),
        expected="class=number/s|m|h[:burst] with commas between, of login, read, write, stream, operator; or off",
    )
    trusted_proxies: str = setting(
        "",
        env="AGENT_SWARM_TRUSTED_PROXIES",
        help="networks of proxies whose X-Forwarded-For says where a request comes from",
        parse=_checked_by(parse_networks),
        expected="networks such as 10.0.0.0/8, with commas between",
    )
    cors_origins: str = setting(
        "",
        env="CORS_ORIGINS",
        help="origins whose pages may call the API from a browser; none by default, * for any",
        parse=_checked_by(parse_origins),
        expected="origins such as https://swarm.example.com, with commas between, or *",
    )
    log_level: str = setting(
        "info",
        env="AGENT_SWARM_LOG_LEVEL",
        help="the least important messages to write",
        parse=_one_of(LOG_LEVELS),
        expected=f"one of {', '.join(LOG_LEVELS)}",
    )

    kill_file: Path | None = setting(
        None,
        env="AGENT_SWARM_KILL_FILE",
        help="a file that stops everything while it exists, by default <data-dir>/KILL; its content is the reason",
        parse=config.path,
        expected="a path",
    )
    kill_object: str = setting(
        "",
        env="AGENT_SWARM_KILL_OBJECT",
        help="an object that stops everything while it exists: a URL that answers a GET, or file:///path",
        parse=parse_object_url,
        expected="https://host/path, http://host/path or file:///path, without user and password",
        secret=True,
    )
    kill_object_authorization: str = setting(
        "",
        env="AGENT_SWARM_KILL_OBJECT_AUTHORIZATION",
        help="the Authorization header to get that object with, such as Bearer …",
        secret=True,
    )
    kill_object_seconds: float = setting(
        10.0,
        env="AGENT_SWARM_KILL_OBJECT_SECONDS",
        help="how often that object is looked at",
        parse=_above_zero(float),
        expected="a number of seconds",
    )
    audit_dir: Path | None = setting(
        None,
        env="AGENT_SWARM_AUDIT_DIR",
        help="where signed checkpoints of the history and its archives are kept, by default <data-dir>/audit; best on "
        "another disk than the database",
        parse=config.path,
        expected="a path",
    )
    audit_key_file: Path | None = setting(
        None,
        env="AGENT_SWARM_AUDIT_KEY_FILE",
        help="a file with the Ed25519 key that signs checkpoints; without it one is made in <data-dir>/audit-key; "
        "servers on one database need the same one",
        parse=config.path,
        expected="a path",
    )
    audit_checkpoint_events: int = setting(
        10_000,
        env="AGENT_SWARM_AUDIT_CHECKPOINT_EVENTS",
        help="after how many events a checkpoint is signed",
        parse=_above_zero(int),
        expected="a number of events",
    )
    audit_checkpoint_minutes: float = setting(
        5.0,
        env="AGENT_SWARM_AUDIT_CHECKPOINT_MINUTES",
        help="after how many minutes with events a checkpoint is signed",
        parse=_above_zero(_minutes),
        expected="a number of minutes",
    )
    audit_url: str = setting(
        "",
        env="AGENT_SWARM_AUDIT_URL",
        help="where to send each checkpoint besides: it is POSTed, or PUT where the address has {number} in it",
        parse=_http_url,
        expected="http://… or https://…",
        secret=True,
    )
    audit_url_token: str = setting(
        "",
        env="AGENT_SWARM_AUDIT_URL_TOKEN",
        help="the bearer token that is shown there",
        secret=True,
    )

    nats_url: str = setting(
        "",
        env="AGENT_SWARM_NATS_URL",
        help="NATS between servers of one database: nats://[user:password@]host[:port], several with commas between",
        parse=parse_url,
        expected="nats://host:port or tls://host:port, several with commas between",
        secret=True,
    )
    nats_creds: Path | None = setting(
        None,
        env="AGENT_SWARM_NATS_CREDS",
        help="a file with the credentials for NATS, instead of those in its URL",
        parse=config.path,
        expected="a path",
    )
    nats_keep_hours: float = setting(
        KEEP_HOURS,
        env="AGENT_SWARM_NATS_KEEP_HOURS",
        help="how long NATS keeps transcript lines for servers that are away",
        parse=_above_zero(float),
        expected="a number of hours",
    )
    nats_keep_bytes: int = setting(
        KEEP_BYTES,
        env="AGENT_SWARM_NATS_KEEP_BYTES",
        help="how much of them it keeps at most; every replica needs that much storage",
        parse=_above_zero(int),
        expected="a number of bytes",
    )
    decided: frozenset[str] = frozenset()  # the fields that the environment or flags set

    @property
    def caps(self) -> Caps:
        """How much agents may file."""
        return Caps(
            depth=self.max_depth,
            children=self.max_children,
            tasks_per_root=self.max_tasks_per_root,
            open_per_agent=self.max_open_per_agent,
        )

    @property
    def rates(self) -> Rates:
        """How often one subject may call."""
        return parse_rates(self.rate_limits) if self.rate_limits else DEFAULTS

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The proxies that are believed."""
        return parse_networks(self.trusted_proxies)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins whose pages may call."""
        return parse_origins(self.cors_origins)

    @property
    def nats(self) -> NatsSettings | None:
        """How to reach NATS; None where servers do not use it. Raises SettingError where the URL is none."""
        if not self.nats_url:
            return None
        try:
            return settings_from(
                self.nats_url,
                credentials=self.nats_creds,
                keep_hours=self.nats_keep_hours,
                keep_bytes=self.nats_keep_bytes,
            )
        except ValueError:
            raise SettingError(
                "the URL of NATS cannot be used: expected nats://host:port or tls://host:port",
                hint="correct --nats or AGENT_SWARM_NATS_URL",
            ) from None

    @property
    def nats_dir(self) -> Path:
        """What this server remembers of what it read from NATS and has to send there."""
        return self.data_dir / "nats"

    @property
    def key_sources(self) -> KeySources:
        """What was said about encryption keys."""
        return KeySources(
            data_dir=self.data_dir,
            key=self.encryption_key,
            key_file=self.encryption_key_file,
            previous=self.previous_encryption_key,
            previous_file=self.previous_encryption_key_file,
        )

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
    def kill_flag(self) -> Path:
        """The file that stops everything while it exists."""
        return (self.kill_file or self.data_dir / "KILL").absolute()

    @property
    def audit(self) -> Path:
        """Where checkpoints and archives are."""
        return self.audit_dir or self.data_dir / "audit"

    @property
    def audit_key(self) -> Path:
        """The file of the key that signs checkpoints."""
        return self.audit_key_file or self.data_dir / "audit-key"

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
    _ = loaded.nats  # a flag is not parsed, so look at it now
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
