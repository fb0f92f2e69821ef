"""Harnesses by the Agent Client Protocol: one client for every agent CLI that speaks it.

`agents` is the table of them: how each is started, and what it is given. `harness` starts one, `dialogue` is the
protocol: who says what when. `reading` says what an update means, `outcomes` how a turn ended, `servers` asks MCP
servers what the agents do not tell. What is common to agents that are kept is in `harness.kept`.
"""

from agent_swarm.harness.acp.harness import AcpHarness

__all__ = ["AcpHarness"]
