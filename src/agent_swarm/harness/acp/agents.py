"""The table of agents: how each is started, what it is given, and what it is told of the worker's settings.

A further one is an entry here, its line in `harness.registry` and its name in `services.harnesses`. Keys get to an
agent by its environment, settings by one of its own variables or by files in a home that is the run's.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_swarm.harness.acp.manner import Manner
from agent_swarm.harness.base import PermissionMode, Turn
from agent_swarm.harness.kept.home import Home, write_for_agent, write_text
from agent_swarm.harness.kept.program import AgentCli

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS")
RETRIES = 4  # bridge a hiccup; then the queue tries again, later and elsewhere
_FOLDERS = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")


@dataclass(frozen=True, slots=True, kw_only=True)
class AcpAgent:
    """An agent CLI that speaks the protocol.

    `settings` are variables of its environment, made for a turn; the number is how often a failing model is to be
    asked again, where the CLI lets that be said.
    """

    manner: Manner
    cli: AgentCli
    arguments: Callable[[Turn], tuple[str, ...]]
    settings: Callable[[Turn, Home, int], Mapping[str, str]]
    keys: tuple[str, ...]
    variables: tuple[str, ...]  # beside the keys
    credentials: tuple[str, ...] = ()  # the keys that may hold several, of which a run gets one
    providers: Mapping[str, str] = field(default_factory=dict)  # the key that a model of a provider needs
    has_libraries: bool = False  # whether packages of Node lie beside it that it needs
    before_resume: Callable[[Home], None] = lambda home: None  # while no process of it runs
    itself: Callable[[str], str] = lambda program: program  # what really runs, where that only starts it
    unpacked: Callable[[Mapping[str, str]], tuple[Path, ...]] = lambda environ: ()  # what it keeps of itself on a host


def _allows_all(turn: Turn) -> bool:
    return turn.permissions.by_sandbox or turn.permissions.mode is PermissionMode.ALL


def _login(*parts: str) -> Callable[[Mapping[str, str]], Path]:
    return lambda environ: Path(environ.get("HOME", "~")).expanduser().joinpath(*parts)


def _opencode_settings(turn: Turn, home: Home, _retries: int) -> dict[str, str]:
    """All by one variable. It asks for leave where not everything is allowed; we answer."""
    providers = {
        "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
        "openrouter": ("OPENROUTER_API_KEY", "OPENROUTER_BASE_URL"),
    }
    given: dict[str, Any] = {}
    for name, (key, url) in providers.items():
        address = turn.env.get(url, "").strip()
        given[name] = {"options": {"apiKey": f"{{env:{key}}}", **({"baseURL": address} if address else {})}}
    config: dict[str, Any] = {
        "autoupdate": False,
        "share": "disabled",
        "permission": {"*": "allow" if _allows_all(turn) else "ask"},
        "provider": {name: one for name, one in given.items() if turn.env.get(providers[name][0], "").strip()},
    }
    if turn.model:
        config |= {"model": turn.model, "small_model": turn.model}
    if turn.system_prompt:
        write_text(prompt := home.path / "system.md", turn.system_prompt)
        config["instructions"] = [str(prompt)]
    folders = {name: str(home.config / name.removeprefix("XDG_").lower()) for name in _FOLDERS}
    quiet = ("AUTOUPDATE", "DEFAULT_PLUGINS", "LSP_DOWNLOAD", "MODELS_FETCH", "PROJECT_CONFIG")
    switches = {f"OPENCODE_DISABLE_{name}": "1" for name in quiet}
    return {**folders, **switches, "OPENCODE_CONFIG_CONTENT": json.dumps(config)}


def _gemini_settings(turn: Turn, home: Home, retries: int) -> dict[str, str]:
    """A settings file for the whole system, which outranks those of people and repositories.

    It is taken only where root alone could have written it; the same settings stand in the home of the run, too.
    """
    settings = {
        "general": {"disableAutoUpdate": True, "enableAutoUpdate": False, "maxAttempts": 1 + retries},
        "privacy": {"usageStatisticsEnabled": False},
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "telemetry": {"enabled": False},
    }
    write_text(path := home.path / "settings.json", json.dumps(settings))
    write_for_agent(home.config, ".gemini", "settings.json", json.dumps(settings))
    return {
        "GEMINI_CLI_HOME": str(home.config),
        "GEMINI_CLI_NO_RELAUNCH": "true",  # it would start itself again, and the first of the two heeds no signal
        "GEMINI_CLI_SYSTEM_SETTINGS_PATH": str(path),
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }


def _keep_gemini_conversations(home: Home) -> None:
    """Under names that it gives to none: it begins one before it loads one, and names both by id and minute.

    Within a minute the new one would take the place of the one that is to be loaded.
    """
    for path in home.config.glob(".gemini/tmp/*/chats/session-*.jsonl"):
        is_inside = path.resolve().is_relative_to(home.config.resolve())  # the agent may have put links there
        if is_inside and not path.name.startswith("session-kept-"):
            path.rename(path.with_name(path.name.replace("session-", "session-kept-", 1)))


def _gemini_arguments(turn: Turn) -> tuple[str, ...]:
    mode = ("--approval-mode", "yolo") if _allows_all(turn) else ()
    return ("--acp", *mode, *(("--model", turn.model) if turn.model else ()))


def _copilot_settings(turn: Turn, home: Home, _retries: int) -> dict[str, str]:
    """With a model of one's own it asks nobody but that, unless it is told to. A task's model is that itself."""
    has_own_model = bool(turn.env.get("COPILOT_PROVIDER_BASE_URL", "").strip())
    own = {"COPILOT_OFFLINE": turn.env.get("COPILOT_OFFLINE") or "true"} if has_own_model else {}
    names = {"COPILOT_PROVIDER_MODEL_ID": "", "COPILOT_PROVIDER_WIRE_MODEL": ""} if turn.model else {}
    return {
        **own,
        **names,
        "COPILOT_AUTO_UPDATE": "false",
        "COPILOT_HOME": str(home.config),
        "COPILOT_PKG_CACHE_HOME": str(_copilot_cache(os.environ)),
    }


def _copilot_arguments(turn: Turn) -> tuple[str, ...]:
    """What it may not do it is told by rules: a call that is refused when it asks would end its turn."""
    if _allows_all(turn):
        leave = ["--allow-all"]
    else:
        may_edit = turn.permissions.mode is PermissionMode.EDITS
        leave = ["--allow-tool=write" if may_edit else "--deny-tool=write", "--deny-tool=shell", "--deny-tool=url"]
        leave += [f"--allow-tool={server}" for server in turn.mcp_servers]
    return ("--acp", "--disable-client-telemetry", *leave, *(("--model", turn.model) if turn.model else ()))


def _copilot_itself(program: str) -> str:
    """npm puts a script on the PATH that starts the program, and passes no signal on to it."""
    real = Path(program).resolve()
    if real.suffix != ".js":
        return program
    places = (
        *real.parent.glob("node_modules/@github/copilot-*/copilot"),
        *real.parent.parent.glob("copilot-*/copilot"),
    )
    return next((str(one) for one in places if os.access(one, os.X_OK)), program)


def _copilot_cache(environ: Mapping[str, str]) -> Path:
    """Where it has unpacked itself, 235 MB, since somebody asked for its version."""
    if told := environ.get("COPILOT_PKG_CACHE_HOME") or environ.get("COPILOT_CACHE_HOME"):
        return Path(told)
    caches = environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path(environ.get("HOME", "~")).expanduser() / ".cache") / "copilot"


_COPILOT_NOTICES = re.compile(
    r"Info: (?:.*Retrying\.\.\.|Operation cancelled by user)\Z"
    r"|Warning: (?:No token count |\d+ tool call\(s\) had no )"
)
_COPILOT_MODEL = ("BASE_URL", "TYPE", "WIRE_API", "TRANSPORT", "AZURE_API_VERSION", "MODEL_ID", "WIRE_MODEL")
_COPILOT_BOUNDS = ("MAX_PROMPT_TOKENS", "MAX_OUTPUT_TOKENS")

OPENCODE = AcpAgent(
    manner=Manner(
        name="opencode",
        title="opencode",
        remedy="set OPENAI_API_KEY or OPENROUTER_API_KEY for the worker",
        takes_system_prompt=True,
    ),
    cli=AgentCli(
        title="opencode",
        program="opencode",
        how_to_install="npm install -g opencode-ai",
        how_to_log_in="set OPENAI_API_KEY or OPENROUTER_API_KEY",
        oldest=(1, 18, 0),
        credentials=("OPENAI_API_KEY", "OPENROUTER_API_KEY"),
        own_login=_login(".local", "share", "opencode", "auth.json"),
    ),
    arguments=lambda turn: ("acp",),
    settings=_opencode_settings,
    keys=("OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    variables=("OPENAI_BASE_URL", "OPENROUTER_BASE_URL", *_PROXIES),
    credentials=("OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    providers={"openai": "OPENAI_API_KEY", "openrouter": "OPENROUTER_API_KEY"},
)
GEMINI = AcpAgent(
    manner=Manner(
        name="gemini",
        title="Gemini CLI",
        remedy="set GEMINI_API_KEY for the worker",
        does_leave=False,
        tells_history_late=True,
        names_in_ids=True,
    ),
    cli=AgentCli(
        title="Gemini CLI",
        program="gemini",
        how_to_install="npm install -g @google/gemini-cli",
        how_to_log_in="set GEMINI_API_KEY",
        oldest=(0, 61, 0),
        credentials=("GEMINI_API_KEY",),
        own_login=_login(".gemini", "oauth_creds.json"),
    ),
    arguments=_gemini_arguments,
    settings=_gemini_settings,
    keys=("GEMINI_API_KEY",),
    variables=("GOOGLE_GEMINI_BASE_URL", *_PROXIES),
    credentials=("GEMINI_API_KEY",),
    has_libraries=True,
    before_resume=_keep_gemini_conversations,
)
COPILOT = AcpAgent(
    manner=Manner(
        name="copilot",
        title="Copilot CLI",
        remedy="set COPILOT_GITHUB_TOKEN, or COPILOT_PROVIDER_BASE_URL and COPILOT_PROVIDER_API_KEY, for the worker",
        names_by_kind=True,
        calls_at_once=True,
        sums_usage=True,
        leaves_when_refused=True,
        fails_in_words=True,
        notices=_COPILOT_NOTICES,
    ),
    cli=AgentCli(
        title="Copilot CLI",
        program="copilot",
        how_to_install="npm install -g @github/copilot",
        how_to_log_in="set COPILOT_GITHUB_TOKEN, or COPILOT_PROVIDER_BASE_URL for a model of your own",
        oldest=(1, 0, 102),
        credentials=("COPILOT_PROVIDER_BASE_URL", "COPILOT_GITHUB_TOKEN"),
        own_login=_login(".copilot", "config.json"),
    ),
    arguments=_copilot_arguments,
    settings=_copilot_settings,
    keys=(
        "COPILOT_GITHUB_TOKEN",
        "COPILOT_PROVIDER_API_KEY",
        "COPILOT_PROVIDER_BEARER_TOKEN",
        "COPILOT_PROVIDER_HEADERS",
    ),
    variables=(
        *("COPILOT_MODEL", "COPILOT_OFFLINE"),
        *(f"COPILOT_PROVIDER_{name}" for name in (*_COPILOT_MODEL, *_COPILOT_BOUNDS)),
        *_PROXIES,
    ),
    credentials=("COPILOT_PROVIDER_BEARER_TOKEN", "COPILOT_PROVIDER_API_KEY"),
    itself=_copilot_itself,
    unpacked=lambda environ: (_copilot_cache(environ) / "pkg",),
)
