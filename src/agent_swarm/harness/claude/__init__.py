"""Harness `claude`: Claude Code, as one kept process per conversation that is fed and read as JSON lines.

`harness` starts it (`launch` says with what), `conversation` talks to it, `stream` says what a line of it means,
`usage` what it has cost since the last time, `outcomes` how its work ended. The last three are pure.
"""

from agent_swarm.harness.claude.harness import ClaudeHarness
from agent_swarm.harness.claude.session import ClaudeSession

__all__ = ["ClaudeHarness", "ClaudeSession"]
