"""What pi is started with: arguments, environment, files. Pure but for the files.

Nothing of a task is in the arguments: prompts go in over standard input, the system prompt lies in a file. pi writes in
its own folder, so that is one of the agent's; what it must take from us stands in an extension, which it only reads.
"""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from agent_swarm.harness.base import PermissionMode, Turn
from agent_swarm.harness.kept.home import Home, write_text

_PROVIDERS = {  # of pi: the variables with the key and, where it can be another place, the address
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "openrouter": ("OPENROUTER_API_KEY", "OPENROUTER_BASE_URL"),
    "google": ("GEMINI_API_KEY", ""),
}
KEY_OF = {name: key for name, (key, _) in _PROVIDERS.items()}
KEYS = tuple(KEY_OF.values())
VARIABLES = (
    *KEYS,
    *(url for _, url in _PROVIDERS.values() if url),
    *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS"),
)

_OF_CLAUDE = ("ANTHROPIC_", "CLAUDE_CODE_")  # subscriptions of Claude are for Claude Code alone
_QUIET = {"PI_OFFLINE": "1", "PI_SKIP_VERSION_CHECK": "1", "PI_TELEMETRY": "0"}
_READING = ("read", "grep", "find", "ls")
_TOOLS = {  # pi has no sandbox and asks nobody: what an agent may not do, it has no tool for
    PermissionMode.EDITS: (*_READING, "edit", "write"),
    PermissionMode.ALLOWED: _READING,
    PermissionMode.PLAN: _READING,
}


class PiHome(Home):
    """The files of a conversation with pi."""

    @property
    def extension(self) -> Path:
        """What pi is to load, with the tokens of MCP servers."""
        return self.path / "extension.mjs"

    @property
    def system_prompt(self) -> Path:
        """What is added to pi's own."""
        return self.path / "system.md"

    @property
    def sessions(self) -> Path:
        """Where pi keeps its conversations."""
        return self.config / "sessions"

    def prepare_for(self, turn: Turn) -> None:
        """Make the folders and write what the CLI reads."""
        self.prepare()
        write_text(self.extension, extension(turn))
        write_text(self.system_prompt, turn.system_prompt or "")


def home_of(turn: Turn) -> PiHome:
    """In the state folder of the run."""
    return PiHome.of(turn, "pi")


def extension(turn: Turn) -> str:
    """The source of the extension: a server's tools are there from the first call on."""
    servers = {name: {**server, "exposure": "direct"} for name, server in turn.mcp_servers.items()}
    given = {"mcpServers": servers, "providers": {name: _provider(name, turn.env) for name in _PROVIDERS}}
    source = resources.files(__package__).joinpath("extension.mjs").read_text(encoding="utf-8")
    return source.replace("GIVEN;", f"{json.dumps(given)};")


def arguments(command: tuple[str, ...], turn: Turn, home: PiHome, *, session: str, resume: bool) -> tuple[str, ...]:
    """The command line: how to talk, which conversation, and what is allowed. Nothing of a repository is trusted."""
    given = [*command, "--mode", "rpc", "--session-dir", str(home.sessions)]
    given += ["--session" if resume else "--session-id", session]
    given += ["--no-approve", "--no-skills", "--no-prompt-templates", "--no-themes"]
    given += ["--no-extensions", "--extension", "builtin:mcp", "--extension", str(home.extension)]
    if turn.model:
        given += ["--model", turn.model]
    if turn.system_prompt:
        given += ["--append-system-prompt", str(home.system_prompt)]
    permissions = turn.permissions
    tools = None if permissions.by_sandbox else _TOOLS.get(permissions.mode)
    if tools is not None:
        given += ["--tools", ",".join(tools)]
    return tuple(given)


def environment(turn: Turn, home: PiHome) -> dict[str, str]:
    """The turn's own without what is Claude's, kept quiet."""
    own = {name: value for name, value in turn.env.items() if not name.startswith(_OF_CLAUDE)}
    return {**_QUIET, **own, "PI_CODING_AGENT_DIR": str(home.config)}


def held_back(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Credentials of Claude that are set beside pi's; pi could use them, and is not given them."""
    is_pi = any(environ.get(key, "").strip() for key in KEYS)
    names = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
    return tuple(name for name in names if environ.get(name, "").strip()) if is_pi else ()


def _provider(name: str, env: Mapping[str, str]) -> dict[str, Any]:
    key, url = _PROVIDERS[name]
    address = env.get(url, "").strip() if url else ""
    return {"key": key, **({"baseUrl": address} if address else {})}
