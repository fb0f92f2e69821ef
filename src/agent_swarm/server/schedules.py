"""Has schedules start what is due. When each is due stands in the database: a restart forgets nothing.

It sleeps until the next instant on record, wakes where commits move that, and looks every 5 s all the same: the clock
may have leapt. Several servers do the same at once; the store lets each instant be run by one of them.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog

from agent_swarm.domain.errors import Busy, ShuttingDown
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol.limits import SWEEP_SECONDS
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.service import ListeningService
from agent_swarm.services.firing import firing_of
from agent_swarm.services.tasks import Rules
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.schedules import SCHEDULE_LOOKS, SCHEDULES, ScheduleLook
from agent_swarm.store.operations import Fired, FireSchedule, Problem

log = structlog.get_logger()

BATCH = 200
SOONEST_SECONDS = 0.02
_AGAIN_SECONDS = 0.25  # the database's clock may be a little behind
_ASIDE_SECONDS = 60.0  # how long one is left alone that could not be fired for no fault of its own
_LIFTED = "killSwitch.lifted"
_NEWS = ("schedule.", _LIFTED)


class ScheduleClock(ListeningService):
    """Fires what is due, at its instant and every 5 s."""

    def __init__(self, store: Store, rules: Rules, metrics: Metrics) -> None:
        super().__init__("schedules", store)
        self._rules = rules
        self._metrics = metrics
        self._aside: dict[str, float] = {}  # by id, until when: those that cannot fire now, and are nothing to others

    async def run_once(self) -> float:
        """Fire everything that is due; answers the seconds until the next instant, at most one sweep."""
        try:
            while True:
                looks = await self._look()
                now = self._store.now()
                due = [look.id for look in looks if look.at <= now]
                if not due:
                    return self._delay(looks, now)
                fired = await self._fire(due)
                if any(one.is_held for one in fired):
                    return SWEEP_SECONDS  # the kill switch is on; its end wakes us
                if not any(one.run or one.has_more or one.is_stale or one.is_held_alone for one in fired):
                    return _AGAIN_SECONDS
        except (Busy, ShuttingDown):
            return SWEEP_SECONDS

    async def _look(self) -> list[ScheduleLook]:
        """The first ones to look at, those aside that are left alone."""
        now = time.monotonic()
        self._aside = {one: until for one, until in self._aside.items() if until > now}
        limit = BATCH + len(self._aside)
        looks = await self._store.read(lambda queries: queries.scan(SCHEDULE_LOOKS, limit=limit))
        return [look for look in looks if look.id not in self._aside][:BATCH]

    def _delay(self, looks: Sequence[ScheduleLook], now: int) -> float:
        if not looks:
            return SWEEP_SECONDS
        return min(SWEEP_SECONDS, max(SOONEST_SECONDS, (looks[0].at - now) / SECOND))

    async def _fire(self, due: Sequence[str]) -> list[Fired]:
        """Fire these, together as far as one batch takes them; what goes wrong with one is nothing to the others."""
        operations = await self._store.read(lambda queries: [self._firing(queries, one) for one in due])
        wanted = [one for one in operations if one is not None]
        answers = await asyncio.gather(*(self._store.apply(one) for one in wanted), return_exceptions=True)
        fired = []
        for operation, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, Fired):
                if answer.is_held_alone:
                    self._aside[operation.schedule_id] = time.monotonic() + SWEEP_SECONDS
                self._count(answer)
                fired.append(answer)
            elif isinstance(answer, Busy | ShuttingDown) or not isinstance(answer, Exception):
                raise answer
            else:
                log.error("schedule_not_fired", schedule_id=operation.schedule_id, exc_info=answer)
                self._aside[operation.schedule_id] = time.monotonic() + _ASIDE_SECONDS
        return fired

    def _firing(self, queries: Queries, schedule_id: str) -> FireSchedule | None:
        found = queries.record(SCHEDULES, schedule_id)
        if found is None:
            return None
        try:
            return firing_of(found, self._rules)(queries)
        except Exception:  # a fault of ours in one must not keep the others from their time
            log.exception("schedule_unreadable", schedule_id=schedule_id)
            problem = Problem(code="internal", message="the server could not read what it starts; see its log")
            return FireSchedule(schedule_id=schedule_id, version=found.version, problem=problem)

    def _count(self, fired: Fired) -> None:
        if fired.run is not None:
            self._metrics.schedule_runs.labels(fired.run.outcome.value).inc()
        if fired.lateness is not None:
            self._metrics.schedule_lateness.observe(fired.lateness / SECOND)

    def _hear(self, committed: Committed) -> None:
        types = {event.type for event in committed.events}
        if _LIFTED in types:
            self._aside.clear()
        if any(one.startswith(_NEWS) for one in types):
            self.hurry()
