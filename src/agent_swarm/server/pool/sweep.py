"""The safety net of dispatch: every few seconds, look for ready tasks that nobody was sent for."""

from agent_swarm.protocol.limits import SWEEP_SECONDS
from agent_swarm.server.service import Service
from agent_swarm.services.dispatch import Dispatcher


class DispatchSweep(Service):
    """Runs `Dispatcher.sweep` every 5 s, so that a lost wake-up costs no more."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__("dispatch-sweep")
        self._dispatcher = dispatcher

    async def run_once(self) -> float:
        """One sweep; answers the seconds until the next."""
        await self._dispatcher.sweep()
        return SWEEP_SECONDS
