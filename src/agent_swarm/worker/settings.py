"""What a worker can be told, and where it is read from.

defaults < `[worker]` of `~/.agent-swarm/workers/config.toml` < environment < flags; later wins. The names of the
variables are those of the deployment guide that people already have; our own ones start with AGENT_SWARM_.
"""

import contextlib
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from agent_swarm import config
from agent_swarm.config import SettingError, setting
from agent_swarm.domain.ids import normalize_id
from agent_swarm.harness.base import PermissionMode
from agent_swarm.protocol import limits
from agent_swarm.sandbox.allowlist import AllowList
from agent_swarm.sandbox.base import NetworkMode
from agent_swarm.templates.document import Template

AUTO = "auto"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def _agent_id(text: str) -> str:
    found = normalize_id(text)
    if found is None:
        raise ValueError(text)
    return found


def _agent_role(text: str) -> Literal["lead", "worker"]:
    match text.lower():
        case "lead":
            return "lead"
        case "worker":
            return "worker"
        case _:
            raise ValueError(text)


def _offers(text: str) -> Literal["accept", "ask"]:
    match text.lower():
        case "accept":
            return "accept"
        case "ask":
            return "ask"
        case _:
            raise ValueError(text)


def _server_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(text)
    _ = parts.port  # raises ValueError where it is no number
    return text.rstrip("/")


def _milliseconds(text: str) -> timedelta:
    return _span(timedelta(milliseconds=float(text)))


def _seconds(text: str) -> timedelta:
    return _span(timedelta(seconds=float(text)))


def _span(span: timedelta) -> timedelta:
    if span < timedelta():
        raise ValueError(span)
    return span


def _slots(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:  # protocol.pool.RegisterRequest.slots
        raise ValueError(text)
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _amount(text: str) -> float:
    amount = float(text)
    if not 0 <= amount < float("inf"):
        raise ValueError(text)
    return amount


def _tools(text: str) -> tuple[str, ...]:
    """Split at commas outside of parentheses: `Bash(a, b),Read` names two tools."""
    return tuple(part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip())


def _labels(text: str) -> tuple[str, ...]:
    labels = config.comma_separated(text)
    if len(labels) > limits.LABELS or any(len(label) > limits.LABEL_CHARS for label in labels):
        raise ValueError(text)
    return labels


def _network(text: str) -> NetworkMode:
    return NetworkMode(text.lower())


def _allowed_hosts(text: str) -> tuple[str, ...]:
    entries = config.comma_separated(text)
    AllowList.of(entries)  # raises ValueError
    return entries


def _paths(text: str) -> tuple[Path, ...]:
    paths = tuple(map(config.path, config.comma_separated(text)))
    if not all(path.is_absolute() for path in paths):
        raise ValueError(text)
    return paths


_LABELS = f"up to {limits.LABELS} labels separated by commas, {limits.LABEL_CHARS} characters each"


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """All settings of one worker process."""

    api_key: str = setting(
        "", env=("AGENT_SWARM_API_KEY", "API_KEY"), secret=True, help="the key of the server; shown to no agent"
    )
    server_url: str = setting(
        "http://127.0.0.1:3013",
        env=("AGENT_SWARM_URL", "MCP_BASE_URL"),
        parse=_server_url,
        expected="a URL such as http://127.0.0.1:3013",
        help="where the server listens",
    )
    agent_id: str = setting(
        "",
        env="AGENT_ID",
        parse=_agent_id,
        expected="a UUID",
        help="the agent's stable identity, made with uuidgen; without it one is made and remembered per name",
    )
    agent_name: str = setting("", env="AGENT_NAME", help="shown to people; default: role and host name")
    agent_role: Literal["lead", "worker"] = setting(
        "worker",
        env="AGENT_ROLE",
        parse=_agent_role,
        expected="lead or worker",
        help="leads take only what is addressed to them",
    )
    role: str = setting("", env="AGENT_SWARM_ROLE", help="what this agent is, in a word, such as frontend")
    description: str = setting("", env="AGENT_SWARM_DESCRIPTION", help="what this agent is good for, in a sentence")
    template_id: str = setting(
        "", env="TEMPLATE_ID", help="what it starts from the first time: official/coder, a folder, or a git URL#folder"
    )
    templates_dir: Path | None = setting(
        None,
        env="AGENT_SWARM_TEMPLATES",
        parse=config.path,
        expected="a path",
        help="folder of one's own templates; default ~/.agent-swarm/templates",
    )
    swarm: str = setting("", env="AGENT_SWARM_SWARM", help="the swarm it joins, where it is in none: its name or id")
    harness: str = setting("shell", env="HARNESS_PROVIDER", help="agent CLI for tasks that name none")
    model: str = setting(
        "", env="AGENT_SWARM_MODEL", help="model of that agent CLI for tasks that name none, such as gpt-5.5:high"
    )
    harness_fallback: tuple[str, ...] = setting(
        (),
        env="AGENT_SWARM_HARNESS_FALLBACK",
        parse=_labels,
        expected="names of harnesses separated by commas",
        help="agent CLIs that go on with tasks that name none, where every credential of the first is refused",
    )
    sandbox: str = setting(
        AUTO,
        env="AGENT_SWARM_SANDBOX",
        help="where runs live: bubblewrap, process, or auto, which is the first of these that works on the host",
    )
    network: NetworkMode = setting(
        NetworkMode.ON,
        env="AGENT_SWARM_NETWORK",
        parse=_network,
        expected="on, off or allow",
        help="network of runs: the host's, none, or only what AGENT_SWARM_NETWORK_ALLOW lists",
    )
    network_allow: tuple[str, ...] = setting(
        (),
        env="AGENT_SWARM_NETWORK_ALLOW",
        parse=_allowed_hosts,
        expected="host, host:port, *.domain or *.domain:port, separated by commas",
        help="what runs may reach with AGENT_SWARM_NETWORK=allow, besides the server; without a port 443 and 80",
    )
    readable: tuple[Path, ...] = setting(
        (),
        env="AGENT_SWARM_READABLE",
        parse=_paths,
        expected="absolute paths separated by commas",
        help="what runs may read besides what they are shown, such as where an agent CLI keeps its parts",
    )
    writable: tuple[Path, ...] = setting(
        (),
        env="AGENT_SWARM_WRITABLE",
        parse=_paths,
        expected="absolute paths separated by commas",
        help="what runs may write besides their own folders, such as a cache",
    )
    system_prompt: str = setting("", env="SYSTEM_PROMPT", help="told to every agent before its task")
    permission_mode: PermissionMode | None = setting(
        None,
        env="AGENT_SWARM_PERMISSION_MODE",
        parse=PermissionMode,
        expected="edits, allowed, plan or all",
        help="what agents may do unasked; default: all in a sandbox that isolates files, else edits",
    )
    yolo: bool = setting(
        False, env="YOLO", parse=config.boolean, expected="true or false", help="agents may do everything, wherever"
    )
    allowed_tools: tuple[str, ...] = setting(
        (),
        env="AGENT_SWARM_ALLOWED_TOOLS",
        parse=_tools,
        expected="names of tools separated by commas, such as Bash(git *),WebFetch",
        help="tools that agents may use unasked",
    )
    denied_tools: tuple[str, ...] = setting(
        (),
        env="AGENT_SWARM_DENIED_TOOLS",
        parse=_tools,
        expected="names of tools separated by commas",
        help="tools that agents may not use",
    )
    claude_settings: Path | None = setting(
        None,
        env="AGENT_SWARM_CLAUDE_SETTINGS",
        parse=config.path,
        expected="a path",
        help="settings file for Claude Code, with hooks and finer permission rules",
    )
    mcp_config: Path | None = setting(
        None,
        env="AGENT_SWARM_MCP_CONFIG",
        parse=config.path,
        expected="a path",
        help="JSON file of MCP servers that agents get, in the form of .mcp.json",
    )
    max_turns: int = setting(
        0,
        env="AGENT_SWARM_MAX_TURNS",
        parse=_count,
        expected="a whole number",
        help="model calls in one attempt; 0 means no bound",
    )
    max_cost_usd: float = setting(
        0.0,
        env="AGENT_SWARM_MAX_COST_USD",
        parse=_amount,
        expected="an amount in US dollars",
        help="what one attempt may cost, as its agent CLI counts; 0 means no bound",
    )
    stall_timeout: timedelta = setting(
        timedelta(minutes=15),
        env="AGENT_SWARM_STALL_TIMEOUT",
        parse=_seconds,
        expected="a number of seconds",
        help="an agent that says nothing for so long is ended and its task tried again",
    )
    slots: int = setting(
        1,
        env="MAX_CONCURRENT_TASKS",
        parse=_slots,
        expected="a number from 1 to 1000",
        help="how many tasks run at the same time",
    )
    offers: Literal["accept", "ask"] = setting(
        "accept",
        env="AGENT_SWARM_OFFERS",
        parse=_offers,
        expected="accept or ask",
        help="whether it takes tasks that it is offered, or its session or a person is asked",
    )
    skills: tuple[str, ...] = setting(
        (),
        env="AGENT_SWARM_SKILLS",
        parse=_labels,
        expected=_LABELS,
        help="what the agent is good at; ranks, never excludes",
    )
    tags: tuple[str, ...] = setting(
        (), env="AGENT_SWARM_TAGS", parse=_labels, expected=_LABELS, help="decide which tasks may land here"
    )
    capabilities: tuple[str, ...] = setting(
        (),
        env="AGENT_SWARM_CAPABILITIES",
        parse=_labels,
        expected=_LABELS,
        help="advertised besides those found by trying",
    )
    github_email: str = setting("", env="GITHUB_EMAIL", help="e-mail address of commits")
    github_name: str = setting("", env="GITHUB_NAME", help="name on commits")
    github_token: str = setting(
        "", env="GITHUB_TOKEN", secret=True, help="for fetching and pushing; the agent does not get it"
    )
    pass_env: tuple[str, ...] = setting(
        (),
        env="AGENT_SWARM_PASS_ENV",
        parse=config.comma_separated,
        expected="names separated by commas",
        help="variables that agents get besides their own; API_KEY is never among them",
    )
    record: bool = setting(
        False,
        env="AGENT_SWARM_RECORD",
        parse=config.boolean,
        expected="true or false",
        help="keep what agents and models say to each other on this host, to be replayed",
    )
    shutdown_timeout: timedelta = setting(
        timedelta(seconds=30),
        env="SHUTDOWN_TIMEOUT",
        parse=_milliseconds,
        expected="a number of milliseconds",
        help="how long runs may go on after SIGTERM before they are paused",
    )
    max_offline: timedelta = setting(
        timedelta(seconds=3600),
        env="AGENT_SWARM_MAX_OFFLINE",
        parse=_seconds,
        expected="a number of seconds",
        help="how long runs go on without a word from the server",
    )
    connect_timeout: timedelta = setting(
        timedelta(),
        env="AGENT_SWARM_CONNECT_TIMEOUT",
        parse=_seconds,
        expected="a number of seconds",
        help="give up at start when the server cannot be reached for so long; 0 means never",
    )
    host: str = setting("127.0.0.1", env="HOST", help="address of the worker's own /health")
    port: int = setting(
        0,
        env="PORT",
        parse=config.port,
        expected="a port number",
        help="port of the worker's own /health; 0 means none",
    )
    workers_dir: Path | None = setting(
        None,
        env="AGENT_SWARM_WORKER_DIR",
        parse=config.path,
        expected="a path",
        help="each agent has a folder of its own in it; default ~/.agent-swarm/workers",
    )
    shared_dir: Path | None = setting(
        None,
        env="AGENT_SWARM_SHARED_DIR",
        parse=config.path,
        expected="a path",
        help="folder that all agents read; default ~/.agent-swarm/shared",
    )
    personal_dir: Path | None = setting(
        None,
        env="AGENT_SWARM_PERSONAL_DIR",
        parse=config.path,
        expected="a path",
        help="folder of this agent alone; default: personal, in its own folder",
    )

    template: Template | None = None  # found by `first_boot`

    @property
    def name(self) -> str:
        """The agent's name; role and host name where none is given."""
        return (self.agent_name or f"{self.agent_role}-{platform.node() or 'host'}")[: limits.TITLE_CHARS]

    @property
    def directory(self) -> Path:
        """Where the folders of this host's agents are."""
        return self.workers_dir or config.home() / "workers"

    @property
    def templates(self) -> Path:
        """Where one's own templates are."""
        return self.templates_dir or config.home() / "templates"


def load_settings(
    *, environ: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None, toml: Path | None = None
) -> WorkerSettings:
    """The settings of this process; a server on the same host has its key in a file. Raises SettingError."""
    environ = os.environ if environ is None else environ
    settings = config.load(
        WorkerSettings,
        section="worker",
        toml=toml or config.home() / "workers" / "config.toml",
        environ=environ,
        flags=flags,
    )
    return settings if settings.api_key else replace(settings, api_key=_key_of_local_server(settings, environ))


def _key_of_local_server(settings: WorkerSettings, environ: Mapping[str, str]) -> str:
    if urlsplit(settings.server_url).hostname in LOOPBACK:
        data_dir = config.path(environ.get("DATA_DIR", "").strip() or str(config.home() / "server"))
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return (data_dir / "api-key").read_text(encoding="utf-8").strip()
    raise SettingError(
        f"API_KEY is not set: the worker cannot register at {settings.server_url}",
        hint="set API_KEY to the key that the server was started with",
    )
