"""Ends of a run that are the same for every agent CLI."""

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import Outcome


def unreachable_servers(names: tuple[str, ...]) -> Outcome:
    """The agent would work without tools that its task needs, and would not say so."""
    listed = ", ".join(names)
    return Outcome(
        ok=False,
        failure=FailureClass.INFRASTRUCTURE,
        failure_code="mcpUnavailable",
        message=f"the agent could not use MCP server {listed}: it refused the connection or its token",
    )


def stalled(seconds: float) -> Outcome:
    """Nothing was heard of the agent for too long."""
    return Outcome(
        ok=False,
        failure=FailureClass.INFRASTRUCTURE,
        failure_code="stalled",
        message=f"the agent said nothing for {seconds:g} s and was ended (AGENT_SWARM_STALL_TIMEOUT)",
    )
