"""Does what triggers are to do. What that is stands in the database: a restart forgets nothing.

Tasks and messages are made in the transaction that settles their firing. Webhooks are taken for a while, sent, and
reported on; a server that dies in between leaves them to be sent again. Each endpoint has a lane of its own and a few
places in it, so a slow one holds up no other. Several servers do all of this at once.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from agent_swarm.domain.errors import Busy, ShuttingDown
from agent_swarm.domain.kill_switch import NO_AGENT, stopping
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.webhooks import LEASE
from agent_swarm.protocol.limits import SWEEP_SECONDS
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.service import Service
from agent_swarm.services.trigger_firing import Carrier
from agent_swarm.services.webhooks.delivering import Courier
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.switches import killed_switches
from agent_swarm.store.families.triggers import FIRING_LOOKS, FIRINGS, HERE, OVER, Firing, FiringLook
from agent_swarm.store.operations import Problem, Settled, SettleFiring
from agent_swarm.store.triggering import ForgetFirings, PutOffFirings, TakeFirings

log = structlog.get_logger()

BATCH = 100
LANES = 1_000  # that are looked at in one go
PER_ORIGIN = 4  # deliveries at a time
AT_ONCE = 64
SOONEST_SECONDS = 0.02
_LAST = 2**63 - 1
_PUT_OFF = int(SWEEP_SECONDS) * SECOND
_NEWS = frozenset({"trigger.fired", "trigger.redelivered", "killSwitch.lifted"})


@dataclass(frozen=True, slots=True)
class _Look:
    """The first entry of every lane, and whether everything is stopped."""

    firsts: Sequence[FiringLook]
    is_killed: bool


class TriggerRunner(Service):
    """Looks when triggers fire, when something is due again, and every 5 s."""

    def __init__(self, store: Store, carrier: Carrier, courier: Courier, metrics: Metrics) -> None:
        super().__init__("triggers")
        self._store = store
        self._carrier = carrier
        self._courier = courier
        self._metrics = metrics
        self._under_way: dict[asyncio.Task[None], str] = {}  # deliveries, each with its lane
        self._unsubscribe: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Begin."""
        self._unsubscribe()
        self._unsubscribe = self._store.subscribe(self._hear)
        await super().start()

    async def stop(self) -> None:
        """End; a delivery that is under way is left to be tried again."""
        self._unsubscribe()
        await super().stop()
        for task in list(self._under_way):
            task.cancel()
        if self._under_way:
            await asyncio.wait(list(self._under_way))
        self._courier.close()

    async def settle_down(self) -> None:
        """Wait for the deliveries that are under way."""
        while self._under_way:
            await asyncio.wait(list(self._under_way))

    async def run_once(self) -> float:
        """Do what is due; answers the seconds until there may be something again, at most one sweep."""
        try:
            while True:
                look = await self._store.read(_look)
                now = self._store.now()
                if look.is_killed:
                    return SWEEP_SECONDS
                due = [first.lane for first in look.firsts if first.at <= now]
                done = [await self._work(lane) for lane in due]
                if not any(done):
                    return self._delay(look.firsts, now)
        except (Busy, ShuttingDown):
            return SWEEP_SECONDS

    def _delay(self, firsts: Sequence[FiringLook], now: int) -> float:
        """Until the first thing that is to come; lanes that are full say themselves when they have room."""
        ahead = min((first.at for first in firsts if first.at > now), default=None)
        return SWEEP_SECONDS if ahead is None else min(SWEEP_SECONDS, max(SOONEST_SECONDS, (ahead - now) / SECOND))

    async def _work(self, lane: str) -> bool:
        """Do the first things that are due in a lane; whether anything was."""
        if lane == HERE:
            return await self._settle(await self._due(lane, BATCH))
        if lane == OVER:
            old = await self._due(lane, BATCH)
            return bool(old) and bool(await self._store.apply(ForgetFirings(firing_ids=_ids(old))))
        room = min(PER_ORIGIN - Counter(self._under_way.values())[lane], AT_ONCE - len(self._under_way))
        due = await self._due(lane, room) if room > 0 else []
        taken = await self._store.apply(TakeFirings(firing_ids=_ids(due), lease=LEASE)) if due else []
        for firing in taken:
            task = asyncio.create_task(self._deliver(firing), name="webhook")
            self._under_way[task] = lane
            task.add_done_callback(self._arrived)
        return bool(taken)

    async def _due(self, lane: str, limit: int) -> list[Firing]:
        now = self._store.now()

        def reading(queries: Queries) -> list[Firing]:
            looks = [one for one in queries.scan(FIRING_LOOKS, lane, limit=limit) if one.at <= now]
            return [found for one in looks if (found := queries.record(FIRINGS, one.id)) is not None]

        return await self._store.read(reading)

    async def _settle(self, due: Sequence[Firing]) -> bool:
        """File and post; what goes wrong with one is nothing to the others."""
        operations = await self._store.read(lambda queries: [self._operation(queries, one) for one in due])
        answers = await asyncio.gather(*(self._store.apply(one) for one in operations), return_exceptions=True)
        held, has_settled = [], False
        for firing, answer in zip(due, answers, strict=True):
            if isinstance(answer, Busy | ShuttingDown):
                raise answer
            if not isinstance(answer, Settled):
                log.error("firing_not_settled", firing_id=firing.id, exc_info=answer)
            if not isinstance(answer, Settled) or answer.is_held:
                held.append(firing)
            elif answer.firing is not None:
                has_settled = True
                self._metrics.trigger_firings.labels(firing.action.value, answer.firing.status.value).inc()
        put_off = await self._store.apply(PutOffFirings(firing_ids=_ids(held), pause=_PUT_OFF)) if held else []
        return has_settled or bool(put_off)

    def _operation(self, queries: Queries, firing: Firing) -> SettleFiring:
        try:
            return self._carrier.operation(firing)(queries)
        except Exception:  # a fault of ours in one must not keep the others waiting
            log.exception("firing_unreadable", firing_id=firing.id)
            problem = Problem(code="internal", message="the server could not read what it does; see its log")
            return SettleFiring(firing_id=firing.id, problem=problem)

    async def _deliver(self, firing: Firing) -> None:
        began = time.monotonic()
        try:
            report = await self._courier.deliver(firing)
            kept = await self._store.apply(report)
        except (Busy, ShuttingDown):
            return  # its lease runs out, and it is tried again
        except Exception:  # as above
            log.exception("webhook_not_reported", firing_id=firing.id)
            return
        self._metrics.webhook_seconds.observe(time.monotonic() - began)
        if kept is not None:
            outcome = "again" if kept.is_pending else kept.status.value
            self._metrics.trigger_firings.labels(firing.action.value, outcome).inc()

    def _arrived(self, task: "asyncio.Task[None]") -> None:
        del self._under_way[task]
        self.hurry()

    def _hear(self, committed: Committed) -> None:
        if any(event.type in _NEWS for event in committed.events):
            self.hurry()


def _look(queries: Queries) -> _Look:
    """From lane to lane, however many wait in each."""
    firsts: list[FiringLook] = []
    while len(firsts) < LANES:
        after = (firsts[-1].lane, _LAST, "") if firsts else None
        found = queries.scan(FIRING_LOOKS, after=after, limit=1)
        if not found:
            break
        firsts += found
    killed = killed_switches(queries) if firsts else []
    return _Look(firsts, is_killed=stopping(killed, NO_AGENT) is not None)


def _ids(firings: Sequence[Firing]) -> tuple[str, ...]:
    return tuple(firing.id for firing in firings)
