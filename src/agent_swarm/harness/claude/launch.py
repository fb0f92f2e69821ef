"""What Claude Code is started with: arguments, environment, files. Pure but for the files.

Nothing of a task is in the arguments: prompt, messages and system prompt go in over standard input. What the CLI keeps
of a conversation lies in the state folder of the run, and goes with it.
"""

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_swarm.harness.base import PermissionMode, Turn

VARIABLES = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_CUSTOM_HEADERS",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_MAX_RETRIES",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
)
SECRETS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS", "CLAUDE_CODE_OAUTH_TOKEN")

# Nothing is sent anywhere but to the model, nothing is updated, and MCP tools are there from the first call on.
# The queue tries again later, and elsewhere: a few retries bridge a hiccup, ten would hold a slot for minutes.
_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "4",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_BUG_COMMAND": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "ENABLE_TOOL_SEARCH": "false",
}
_MODES = {
    PermissionMode.EDITS: "acceptEdits",
    PermissionMode.ALLOWED: "dontAsk",
    PermissionMode.PLAN: "plan",
    PermissionMode.ALL: "bypassPermissions",
}


@dataclass(frozen=True, slots=True)
class Home:
    """Where the files of a conversation are: `path` is ours, and only read by the agent, `config` is the CLI's."""

    path: Path
    config: Path

    @property
    def mcp_config(self) -> Path:
        """The MCP servers, with their tokens."""
        return self.path / "mcp.json"

    @property
    def meter(self) -> Path:
        """What the conversation has cost so far, `usage.Meter`."""
        return self.path / "usage.json"

    def prepare(self, turn: Turn) -> None:
        """Make the folders and write what the CLI reads; for nobody else's eyes."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config.mkdir(mode=0o700, parents=True, exist_ok=True)
        servers = {name: {"alwaysLoad": True, **server} for name, server in turn.mcp_servers.items()}
        _write(self.mcp_config, {"mcpServers": servers})

    def saved_meter(self) -> Any:
        """The JSON of the meter; None where there is none that can be read."""
        try:
            return json.loads(self.meter.read_bytes())
        except (OSError, ValueError):
            return None

    def save_meter(self, totals: Mapping[str, Any]) -> None:
        """Keep it with the conversation."""
        _write(self.meter, totals)


def home_of(turn: Turn) -> Home:
    """In the state folder of the run; what the CLI keeps of its conversations, in the part that it may write."""
    return Home(turn.state_dir / "claude", turn.agent_dir / "claude")


def arguments(program: str, turn: Turn, home: Home, *, session: str, resume: bool) -> tuple[str, ...]:
    """The command line: how to talk, which conversation, and what is allowed."""
    given = [program, "--print", "--verbose", "--input-format", "stream-json", "--output-format", "stream-json"]
    given += ["--include-partial-messages", "--include-hook-events", "--replay-user-messages"]
    given += ["--resume" if resume else "--session-id", session]
    given += ["--mcp-config", str(home.mcp_config), "--strict-mcp-config"]
    given += _option("--model", turn.model)
    permissions, bounds = turn.permissions, turn.bounds
    given += ["--permission-mode", _MODES[permissions.mode]]
    given += _option("--settings", permissions.settings)
    given += _option("--max-turns", bounds.turns)
    given += _option("--max-budget-usd", bounds.cost_usd)
    given += _list("--allowedTools", (*permissions.allowed_tools, *(f"mcp__{name}" for name in turn.mcp_servers)))
    given += _list("--disallowedTools", permissions.denied_tools)
    return tuple(given)


def environment(turn: Turn, home: Home) -> dict[str, str]:
    """The turn's own, kept quiet. Root may allow everything only where the CLI is told that it is in a sandbox."""
    env = {**_QUIET, **turn.env, "CLAUDE_CONFIG_DIR": str(home.config)}
    if tokens := [token.strip() for token in env.get("CLAUDE_CODE_OAUTH_TOKEN", "").split(",") if token.strip()]:
        # Several accounts share the work; another attempt of a task is another account's turn.
        env["CLAUDE_CODE_OAUTH_TOKEN"] = tokens[(zlib.crc32(turn.task_id.encode()) + turn.attempt) % len(tokens)]
    if turn.permissions.mode is PermissionMode.ALL and os.geteuid() == 0:
        env["IS_SANDBOX"] = "1"
    return env


def opening(turn: Turn, *, resume: bool) -> str:
    """The first message: the task, or a word to go on where the conversation knows it; then answers and messages."""
    begins = (GO_ON,) if resume else (turn.context, turn.prompt)
    return "\n\n".join(part for part in (*begins, turn.answers, turn.messages) if part)


GO_ON = (
    "The run was paused and goes on now, in the same folder. Whatever was running when it was paused has ended. "
    "Look at what is done, and go on with the task."
)


def _option(name: str, value: object) -> list[str]:
    return [] if value is None else [name, str(value)]


def _list(name: str, values: tuple[str, ...]) -> list[str]:
    """Separated by commas in one argument; several would swallow the option after them."""
    return [name, ",".join(values)] if values else []


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all, readable by its owner alone."""
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    draft.replace(path)
