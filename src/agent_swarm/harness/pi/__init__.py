"""Harness `pi`: the coding agent pi, as one kept process per conversation that is spoken to in its RPC mode.

`harness` starts it, `launch` says with what, `extension.mjs` is what pi itself is given, `dialogue` is the protocol:
who says what when. `reading` says what an event means, `outcomes` how its work ended, `host` how people come by it. All
but the first are pure; what is common to agents that are kept is in `harness.kept`.
"""

from agent_swarm.harness.pi.harness import PiHarness

__all__ = ["PiHarness"]
