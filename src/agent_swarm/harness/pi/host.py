"""pi as people know it."""

from collections.abc import Mapping
from pathlib import Path

from agent_swarm.harness.kept.program import AgentCli


def _own_login(environ: Mapping[str, str]) -> Path:
    home = environ.get("PI_CODING_AGENT_DIR", "").strip() or "~/.pi/agent"
    return Path(home).expanduser() / "auth.json"


CLI = AgentCli(
    title="pi",
    program="pi",
    how_to_install="npm install -g @earendil-works/pi-coding-agent (and node, where Node.js is older than 22.19)",
    how_to_log_in="set OPENAI_API_KEY, OPENROUTER_API_KEY or GEMINI_API_KEY",
    oldest=(1, 6, 0),
    credentials=("OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY"),
    own_login=_own_login,
)
