"""Keeps budgets: interrupts what one that is used up covers, asks people, and lets go on who has waited for room.

What is to be done stands in the database: a restart forgets nothing, and of two servers that do the same one finds it
done. Admission needs none of this; it is decided in every claim.
"""

from agent_swarm.domain.errors import Busy, ShuttingDown
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol.limits import SWEEP_SECONDS
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.service import ListeningService
from agent_swarm.services.budget_keeping import look
from agent_swarm.store.base import Committed, Store

SOONEST_SECONDS = 0.02
ROUNDS = 50  # of doing what is due, before others have a turn
# After these there may be room again, or something to interrupt, where a budget is full or used up.
_NEWS = frozenset(
    {
        "task.claimed",
        "task.completed",
        "task.failed",
        "task.cancelled",
        "task.requeued",
        "task.paused",
        "task.killed",
        "task.usageBooked",
        "approval.answered",
        "approval.closed",
    }
)


class BudgetKeeper(ListeningService):
    """Looks when a budget is full or used up, when something ends while one is, and every 5 s."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        super().__init__("budgets", store)
        self._metrics = metrics
        self._has_any = True  # until a look finds none
        self._has_heard = False  # of a budget, since the last look began

    async def run_once(self) -> float:
        """Do what budgets ask for; answers the seconds until the next look."""
        try:
            for _ in range(ROUNDS):
                self._has_heard = False
                now = self._store.now()
                found = await self._store.read(lambda queries, at=now: look(queries, at))  # type: ignore[misc]
                self._has_any = found.has_any or self._has_heard
                if not found.due:
                    return self._delay(found.next_at)
                for operation in found.due:
                    done = await self._store.apply(operation)
                    self._metrics.count_budgets(woken=done.woken, interrupted=done.interrupted, failed=done.failed)
        except (Busy, ShuttingDown):
            return SWEEP_SECONDS
        return SOONEST_SECONDS

    def _delay(self, next_at: int | None) -> float:
        if next_at is None:
            return SWEEP_SECONDS
        return min(SWEEP_SECONDS, max(SOONEST_SECONDS, (next_at - self._store.now()) / SECOND))

    def _hear(self, committed: Committed) -> None:
        for event in committed.events:
            if event.type.startswith("budget."):
                self._has_any = self._has_heard = True
                self.hurry()
                return
            if self._has_any and event.type in _NEWS:
                self.hurry()
                return
