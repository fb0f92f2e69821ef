"""Harness `claude`: Claude Code, as one kept process per conversation that is fed and read as JSON lines.

`harness` starts it (`launch` says with what), `conversation` talks to it, `stream` says what a line of it means,
`usage` what it has cost since the last time, `outcomes` how its work ended, `host` how people come by it. The middle
three are pure; what is common to agents that are kept is in `harness.kept`.
"""

from agent_swarm.harness.claude.harness import ClaudeHarness

__all__ = ["ClaudeHarness"]
