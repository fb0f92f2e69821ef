"""Harness `codex`: OpenAI's Codex, as one kept process per conversation that is spoken to in its app-server protocol.

`harness` starts it, `launch` says with what, `dialogue` is the protocol: who says what when. `reading` says what a
notification means, with `items` for what an agent does; `usage` says what it has used since the last time, `outcomes`
how its work ended, `host` how people come by it. All but the first are pure; what is common to agents that are kept is
in `harness.kept`.
"""

from agent_swarm.harness.codex.harness import CodexHarness

__all__ = ["CodexHarness"]
