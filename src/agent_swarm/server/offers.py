"""Accepts what is offered to agents that take what they have a slot for.

Who is offered what is in the database, and how an agent answers is what its worker said when it registered: any server
may accept, a restart forgets nothing, and of two that do one repeats the other.
"""

from contextlib import suppress

from agent_swarm.domain.errors import Busy, NotOnOffer, ShuttingDown
from agent_swarm.protocol.limits import SWEEP_SECONDS
from agent_swarm.server.service import ListeningService
from agent_swarm.services.offers import acceptable
from agent_swarm.store.base import Committed, Store
from agent_swarm.store.events import of_agent
from agent_swarm.store.operations import AnswerOffer

# After these an agent may take what it is offered.
NEWS = frozenset(
    {
        "task.offered",
        "task.claimed",
        "task.completed",
        "task.failed",
        "task.cancelled",
        "task.requeued",
        "task.paused",
        "agent.registered",
        "agent.updated",
        "killSwitch.lifted",
    }
)


class OfferTaking(ListeningService):
    """Looks when something is offered, when an agent may have a slot again, and every 5 s."""

    def __init__(self, store: Store) -> None:
        super().__init__("offer-taking", store)
        self._has_any = True  # until a look finds no offer

    async def run_once(self) -> float:
        """Accept what is due; answers the seconds until the next look."""
        self._has_any = False
        now = self._store.now()
        look = await self._store.read(lambda queries: acceptable(queries, now=now))
        self._has_any = self._has_any or look.has_any
        for task_id, agent_id in look.due:
            with suppress(Busy, ShuttingDown, NotOnOffer):  # it is looked at again soon, or has been answered
                await self._store.apply(
                    AnswerOffer(task_id=task_id, agent_id=agent_id, accepts=True, actor=of_agent(agent_id))
                )
        return SWEEP_SECONDS

    def _hear(self, committed: Committed) -> None:
        for event in committed.events:
            if event.type == "task.offered":
                self._has_any = True
            if self._has_any and event.type in NEWS:
                self.hurry()
                return
