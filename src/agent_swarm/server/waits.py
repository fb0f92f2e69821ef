"""Lets tasks go on that waited for those below them. Who waits is in the database: a restart loses none."""

import time
from collections.abc import Iterable
from contextlib import suppress

from agent_swarm.domain.errors import ShuttingDown
from agent_swarm.domain.tasks import PauseReason
from agent_swarm.protocol.limits import SWEEP_SECONDS
from agent_swarm.server.service import ListeningService
from agent_swarm.services.waits import parents, waits_for_some
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.task_waits import TASK_WAITS, TaskWait
from agent_swarm.store.operations import EndWait

BATCH = 200
_WAITS = PauseReason.TASKS.value
_ENDINGS = frozenset({"task.completed", "task.failed", "task.cancelled"})


class TaskWaits(ListeningService):
    """Looks at those that wait when a task below one of them has ended, when one pauses, and every 5 s."""

    def __init__(self, store: Store) -> None:
        super().__init__("task-waits", store)
        self._ended: set[str] = set()  # tasks that have ended since the last look
        self._paused: set[str] = set()
        self._all_at = 0.0  # when all that wait are looked at, whatever is heard
        self._is_anybody_waiting = True  # as far as is known; else the end of a task is nothing to look at

    async def run_once(self) -> float:
        """Let go on what waits for nothing any more; answers the seconds until the next look at all of them."""
        ended, self._ended = self._ended, set()
        paused, self._paused = self._paused, set()
        now = time.monotonic()
        looks_at_all = now >= self._all_at or not (ended or paused)
        if looks_at_all:
            self._all_at = now + SWEEP_SECONDS
            self._is_anybody_waiting = False  # until one is found, or heard of meanwhile

        def reading(queries: Queries) -> tuple[bool, list[str]]:
            waits = _all(queries) if looks_at_all else _named(queries, ended, paused)
            return bool(waits), _over(queries, waits)

        with suppress(ShuttingDown):
            has_any, over = await self._store.read(reading)
            self._is_anybody_waiting = self._is_anybody_waiting or has_any
            for task_id in over:
                await self._store.apply(EndWait(task_id=task_id))
        return SWEEP_SECONDS

    def _hear(self, committed: Committed) -> None:
        for event in committed.events:
            if event.task_id is None:
                continue
            if event.type in _ENDINGS:
                if self._is_anybody_waiting:
                    self._ended.add(event.task_id)
            elif event.data.get("reason") == _WAITS:
                self._is_anybody_waiting = True
                if event.type == "task.paused":
                    self._paused.add(event.task_id)
        if self._ended or self._paused:
            self.hurry()


def _all(queries: Queries) -> list[TaskWait]:
    found: list[TaskWait] = []
    after = None
    while page := queries.scan(TASK_WAITS, after=after, limit=BATCH):
        found += page
        after = (page[-1].task_id,)
    return found


def _named(queries: Queries, ended: set[str], paused: set[str]) -> list[TaskWait]:
    """Those that what was heard is about."""
    named = paused | parents(queries.tasks(sorted(ended)))
    return [found for one in sorted(named) if (found := queries.record(TASK_WAITS, one)) is not None]


def _over(queries: Queries, waits: Iterable[TaskWait]) -> list[str]:
    """Those that wait no more, or for nothing."""
    over = []
    for wait in waits:
        task = queries.task(wait.task_id)
        if task is None or not (wait.is_under_way(task.state) or waits_for_some(queries, wait.task_id)):
            over.append(wait.task_id)
    return over
