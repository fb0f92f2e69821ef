"""Harness `noop`: does nothing and succeeds at once, without a process. For measuring everything around an agent."""

from agent_swarm.harness.base import AgentEvent, Emit, EventKind, Grants, Outcome, Turn
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.sandbox.base import Sandbox


class NoopHarness:
    """Meets `harness.base.Harness`."""

    name = "noop"
    grants = Grants()

    def available(self) -> str | None:
        """Nothing is needed."""
        return None

    async def open(self, sandbox: Sandbox, turn: Turn) -> "NoopSession":
        """Nothing is started in the sandbox."""
        return NoopSession()


class NoopSession:
    """Meets `harness.base.Session`."""

    handle: str | None = None

    async def run(self, emit: Emit) -> Outcome:
        """Begin, end, succeed with an empty result."""
        await emit(AgentEvent(EventKind.STARTED))
        await emit(AgentEvent(EventKind.ENDED, {"exit": "no process"}))
        return Outcome(ok=True)

    async def send(self, text: str, *, interrupt: bool = False, message_id: str = "") -> None:
        """There is nobody to read it."""
        raise NotDelivered("harness 'noop' runs no agent that could be told something")

    async def interrupt(self) -> None:
        """There is nothing to stop."""

    async def close(self) -> None:
        """There is nothing to free."""
