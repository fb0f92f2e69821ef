"""Moves merge queues on: where a result has entered, a check has ended, or a person has changed something.

What is to be looked at stands in the database: a restart forgets nothing. Several servers look at the same; the store
lets one of them take each step.
"""

import structlog

from agent_swarm.domain.errors import Busy, ShuttingDown
from agent_swarm.protocol.limits import SWEEP_SECONDS
from agent_swarm.server.service import ListeningService
from agent_swarm.services.merge_queue.stepping import step_of
from agent_swarm.services.tasks import Rules
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.merge_queue import QUEUE_NEWS

log = structlog.get_logger()

QUEUES = 1_000  # that are looked at in one go
_LAST = "\x7f"  # behind every id
_ENDINGS = frozenset({"task.completed", "task.failed", "task.cancelled"})
_NEWS = frozenset({"mergeQueue.set", "mergeQueue.entered", "mergeQueue.dropped", "killSwitch.lifted"})


class MergeQueueRunner(ListeningService):
    """Looks when there is news, and every 5 s."""

    def __init__(self, store: Store, rules: Rules) -> None:
        super().__init__("mergeQueues", store)
        self._rules = rules
        self._checks: set[str] = set()  # that are under way, as far as this server knows

    async def run_once(self) -> float:
        """Take every step that there is to take; answers the seconds until the next look."""
        left_alone: set[str] = set()  # until then: those that cannot be moved on now
        try:
            while True:
                found = await self._store.read(_with_news)
                waiting = [project_id for project_id in found if project_id not in left_alone]
                if not waiting:
                    return SWEEP_SECONDS
                for project_id in waiting:
                    if not await self._step(project_id):
                        left_alone.add(project_id)
        except (Busy, ShuttingDown):
            return SWEEP_SECONDS

    async def _step(self, project_id: str) -> bool:
        """Move one queue on; whether it is to be looked at again at once, if it has news still."""
        try:
            operation = await self._store.read(step_of(project_id, self._rules))
            if operation is None:
                return False
            stepped = await self._store.apply(operation)
        except (Busy, ShuttingDown):
            raise
        except Exception:  # what is wrong with one queue is nothing to the others
            log.exception("merge_queue_not_moved", project_id=project_id)
            return False
        if operation.check is not None and not stepped.is_stale:
            self._checks.add(operation.check.spec.id)
        return not stepped.is_held

    def _hear(self, committed: Committed) -> None:
        ended = {event.task_id for event in committed.events if event.type in _ENDINGS} & self._checks
        self._checks -= {check for check in ended if check is not None}
        if ended or any(event.type in _NEWS for event in committed.events):
            self.hurry()


def _with_news(queries: Queries) -> list[str]:
    """The projects whose queues have news, however much there is of each."""
    found: list[str] = []
    while len(found) < QUEUES:
        after = (found[-1], _LAST) if found else None
        first = queries.scan(QUEUE_NEWS, after=after, limit=1)
        if not first:
            break
        found.append(first[0].project_id)
    return found
