"""Claude Code as people know it: how it is installed, and how its agents get credentials."""

from collections.abc import Mapping
from pathlib import Path

from agent_swarm.harness.kept.program import AgentCli


def _own_login(environ: Mapping[str, str]) -> Path:
    home = environ.get("CLAUDE_CONFIG_DIR", "").strip() or "~/.claude"
    return Path(home).expanduser() / ".credentials.json"


CLI = AgentCli(
    title="Claude Code",
    program="claude",
    how_to_install="npm install -g @anthropic-ai/claude-code",
    how_to_log_in="claude setup-token gives a token for CLAUDE_CODE_OAUTH_TOKEN; or set ANTHROPIC_API_KEY",
    oldest=(2, 1, 0),
    credentials=(
        *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
        *("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"),
    ),
    own_login=_own_login,
)
