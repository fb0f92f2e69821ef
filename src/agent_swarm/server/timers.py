"""Carries out the timers of tasks: lapsed leases, start times, back-offs and pins.

Correctness rests on the sweep: every 5 s whatever is due is done. Between sweeps the service wakes for the next instant
on record, which commits tell it. Rule T7: leases are left alone for one full lease after a start, after the clock has
leapt and after the database was away, because the workers that would have renewed them could not.
"""

import random
from collections.abc import Callable
from typing import Protocol

from agent_swarm.domain.errors import ShuttingDown
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol.limits import LEASE_SECONDS, SWEEP_SECONDS
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.service import Service
from agent_swarm.store.base import Committed, Store
from agent_swarm.store.operations import RunTimers

LEASE = int(LEASE_SECONDS * SECOND)
BATCH = 500
STANDSTILL = int(3 * SWEEP_SECONDS * SECOND)  # so long without a sweep, nothing else of this process ran either
SOONEST_SECONDS = 0.02


class LeapingClock(Protocol):
    """A clock that knows how often it leapt."""

    @property
    def jumps(self) -> int:
        """Times the wall clock was found ahead of the monotonic one."""
        ...


class TimerService(Service):
    """Runs what is due, at its instant and every 5 s."""

    def __init__(
        self,
        store: Store,
        clock: LeapingClock,
        metrics: Metrics,
        *,
        jitter: Callable[[], float] = random.random,
        lease: int = LEASE,
    ) -> None:
        super().__init__("timers")
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._jitter = jitter
        self._lease = lease
        self._leases_from: int | None = None  # not before readiness
        self._jumps = clock.jumps
        self._looked_at: int | None = None
        self._is_away = False
        self._next: int | None = None
        self._news: int | None = None  # the earliest timer told since the read began
        self._unsubscribe: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Begin; leases are looked at one full lease from now."""
        self._unsubscribe()
        self._unsubscribe = self._store.subscribe(self._rearm)
        self.grant_grace()
        await super().start()

    async def stop(self) -> None:
        """End."""
        self._unsubscribe()
        await super().stop()

    def grant_grace(self) -> None:
        """Leave leases alone for one full lease."""
        self._leases_from = self._store.now() + self._lease

    async def run_once(self) -> float:
        """Carry out every due timer; answers the seconds until the next one, at most one sweep."""
        leases = self._may_judge_leases()
        try:
            while await self._run_batch(leases) >= BATCH:
                pass
            self._news = None
            on_record = await self._store.read(lambda queries: queries.next_timer(leases=leases))
        except ShuttingDown:
            return SWEEP_SECONDS
        except Exception:
            self._is_away = True
            raise
        self._next = min((at for at in (on_record, self._news) if at is not None), default=None)
        if self._is_away:
            self._is_away = False
            self.grant_grace()
        return self._delay()

    async def _run_batch(self, leases: bool) -> int:
        done = await self._store.apply(RunTimers(jitter=self._jitter(), leases=leases, limit=BATCH))
        self._metrics.timers.inc(done)
        return done

    def _may_judge_leases(self) -> bool:
        """Not while workers could not renew: after a start, an outage, a leap of the clock, a standstill."""
        now = self._store.now()
        stood_still = self._looked_at is not None and now - self._looked_at > STANDSTILL
        self._looked_at = now
        if stood_still or self._clock.jumps != self._jumps:
            self._jumps = self._clock.jumps
            self.grant_grace()
        return not self._is_away and self._leases_from is not None and now >= self._leases_from

    def _delay(self) -> float:
        if self._next is None:
            return SWEEP_SECONDS
        return min(SWEEP_SECONDS, max(SOONEST_SECONDS, (self._next - self._store.now()) / SECOND))

    def _rearm(self, committed: Committed) -> None:
        """A batch set a timer: wake earlier if it is the next one. A read under way may not have seen it."""
        at = committed.timer_at
        if at is None:
            return
        self._news = at if self._news is None else min(self._news, at)
        if self._next is None or at < self._next:
            self._next = at
            self.hurry()
