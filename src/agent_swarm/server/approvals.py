"""Settles approvals by the clock, and when their task ends. What is open is in the database: a restart loses none."""

from agent_swarm.domain.approvals import ApprovalStatus
from agent_swarm.domain.errors import ShuttingDown
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol.limits import SWEEP_SECONDS
from agent_swarm.server.service import ListeningService
from agent_swarm.store.asking import SettleApprovals
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.approvals import APPROVAL_PLACES, APPROVALS, Approval

BATCH = 200
_SOONEST_SECONDS = 0.02
_ENDINGS = frozenset({"task.completed", "task.failed", "task.cancelled"})


class ApprovalTimer(ListeningService):
    """Expires what nobody answered and closes what nobody needs, at once where it can, and every 5 s."""

    def __init__(self, store: Store) -> None:
        super().__init__("approvals", store)
        self._tasks: set[str] = set()  # those that wait for an answer, as far as is known

    async def run_once(self) -> float:
        """Settle what is due; answers the seconds until the next expiry, at most one sweep."""
        try:
            now = self._store.now()
            due, first, tasks = await self._store.read(lambda queries: _look(queries, now))
            self._tasks = tasks
            for start in range(0, len(due), BATCH):
                await self._store.apply(SettleApprovals(asked=tuple(due[start : start + BATCH])))
        except ShuttingDown:
            return SWEEP_SECONDS
        if first is None:
            return SWEEP_SECONDS
        return min(SWEEP_SECONDS, max(_SOONEST_SECONDS, (first - self._store.now()) / SECOND))

    def _hear(self, committed: Committed) -> None:
        """A question was asked, or a task has ended that waits for an answer."""
        for event in committed.events:
            if event.type == "approval.asked" and event.task_id is not None:
                self._tasks.add(event.task_id)
                self.hurry()
            elif event.type in _ENDINGS and event.task_id in self._tasks:
                self.hurry()


def _look(queries: Queries, now: int) -> tuple[list[tuple[str, str]], int | None, set[str]]:
    """What is to be settled, when the next one runs out, and which tasks wait."""
    due: list[tuple[str, str]] = []
    first: int | None = None
    tasks: set[str] = set()
    after = None
    while places := queries.scan(APPROVAL_PLACES, ApprovalStatus.OPEN, after=after, limit=BATCH):
        found = [one for place in places if (one := queries.record(APPROVALS, place.id)) is not None]
        ended = _ended(queries, found)
        for one in found:
            if one.expires_at <= now or one.task_id in ended:
                due.append((one.id, one.task_id))
            else:
                tasks.add(one.task_id)
                first = one.expires_at if first is None else min(first, one.expires_at)
        after = (places[-1].rank, places[-1].id)
    return due, first, tasks


def _ended(queries: Queries, approvals: list[Approval]) -> set[str]:
    tasks = queries.tasks(sorted({one.task_id for one in approvals}))
    return {task.spec.id for task in tasks if task.state.is_terminal}
