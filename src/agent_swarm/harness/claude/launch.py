"""What Claude Code is started with: arguments, environment, files. Pure but for the files.

Nothing of a task is in the arguments: prompt, messages and system prompt go in over standard input. What the CLI keeps
of a conversation lies in the state folder of the run, and goes with it.
"""

import os
from pathlib import Path

from agent_swarm.harness.base import PermissionMode, Turn
from agent_swarm.harness.kept.effort import model_and_effort
from agent_swarm.harness.kept.home import Home, write

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
# A gateway's, then what is paid for anyway, then what is paid by use.
CREDENTIALS = ("ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY")
SECRETS = (*CREDENTIALS, "ANTHROPIC_CUSTOM_HEADERS")
EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})

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


class ClaudeHome(Home):
    """The files of a conversation with Claude Code."""

    @property
    def mcp_config(self) -> Path:
        """The MCP servers, with their tokens."""
        return self.path / "mcp.json"

    def prepare_for(self, turn: Turn) -> None:
        """Make the folders and write what the CLI reads."""
        self.prepare()
        servers = {name: {"alwaysLoad": True, **server} for name, server in turn.mcp_servers.items()}
        write(self.mcp_config, {"mcpServers": servers})


def home_of(turn: Turn) -> ClaudeHome:
    """In the state folder of the run."""
    return ClaudeHome.of(turn, "claude")


def arguments(program: str, turn: Turn, home: ClaudeHome, *, session: str, resume: bool) -> tuple[str, ...]:
    """The command line: how to talk, which conversation, and what is allowed."""
    given = [program, "--print", "--verbose", "--input-format", "stream-json", "--output-format", "stream-json"]
    given += ["--include-partial-messages", "--include-hook-events", "--replay-user-messages"]
    given += ["--resume" if resume else "--session-id", session]
    given += ["--mcp-config", str(home.mcp_config), "--strict-mcp-config"]
    model, effort = model_and_effort(turn.model, EFFORTS)
    given += _option("--model", model or None)
    given += _option("--effort", effort or None)
    permissions, bounds = turn.permissions, turn.bounds
    given += ["--permission-mode", _MODES[permissions.mode]]
    given += _option("--settings", permissions.settings)
    given += _option("--max-turns", bounds.turns)
    given += _option("--max-budget-usd", bounds.cost_usd)
    given += _list("--allowedTools", (*permissions.allowed_tools, *(f"mcp__{name}" for name in turn.mcp_servers)))
    given += _list("--disallowedTools", permissions.denied_tools)
    return tuple(given)


def environment(turn: Turn, home: ClaudeHome) -> dict[str, str]:
    """The turn's own, kept quiet. Root may allow everything only where the CLI is told that it is in a sandbox."""
    env = {**_QUIET, **turn.env, "CLAUDE_CONFIG_DIR": str(home.config)}
    if turn.permissions.mode is PermissionMode.ALL and os.geteuid() == 0:
        env["IS_SANDBOX"] = "1"
    return env


def _option(name: str, value: object) -> list[str]:
    return [] if value is None else [name, str(value)]


def _list(name: str, values: tuple[str, ...]) -> list[str]:
    """Separated by commas in one argument; several would swallow the option after them."""
    return [name, ",".join(values)] if values else []
