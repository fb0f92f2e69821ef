"""All attempts of this worker: those that run, and those that have ended and wait for the server to know."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from pydantic import BaseModel

from agent_swarm.domain.errors import SwarmError
from agent_swarm.faults import crash_point
from agent_swarm.protocol.pool import Claimed, FrameType, LeaseRef, MessageText
from agent_swarm.redaction import Redactor
from agent_swarm.worker.claims import secrets_of
from agent_swarm.worker.delivery import Delivery
from agent_swarm.worker.heartbeats import Holder
from agent_swarm.worker.home import WorkerHome
from agent_swarm.worker.leftovers import Unattended
from agent_swarm.worker.recording import wall_clock
from agent_swarm.worker.run import Run, Site, turned_back
from agent_swarm.worker.spool import Spool, SpoolHead
from agent_swarm.worker.stops import Stop

log = structlog.get_logger(__name__)


class Server(Protocol):
    """What deliveries need of the connection."""

    async def request(self, kind: FrameType, body: BaseModel) -> dict[str, Any]: ...

    async def wait_connected(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Witness:
    """Hears what the server says about a delivery. Meets `delivery.Observer`."""

    head: SpoolHead
    home: WorkerHome
    holder: Holder

    def refused(self, kind: FrameType, error: SwarmError) -> None:
        """Keep it for people: the server never will."""
        about = {"taskId": self.head.task_id, "attempt": self.head.attempt, "fence": self.head.fence}
        log.warning("not_accepted", frame=kind.value, code=error.code, reason=error.message, **about)
        entry = {"at": wall_clock(), **about, "frame": kind.value, "code": error.code, "message": error.message}
        with suppress(OSError):
            self.home.note_refused(entry)

    def over(self, error: SwarmError) -> None:
        """Nothing more of the attempt is wanted: what runs must end."""
        self.holder.lost(error.message)


class Attempts:
    """Starts runs, delivers spools, and knows what is held."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        server: Server,
        home: WorkerHome,
        redactor: Redactor,
        site: Site,
        slot_free: Callable[[], None],
    ) -> None:
        self._group = group
        self._server = server
        self._home = home
        self._redactor = redactor
        self._site = site
        self._slot_free = slot_free
        self._all: dict[LeaseRef, asyncio.Task[None]] = {}
        self._runs: dict[LeaseRef, Run] = {}
        self._changed = asyncio.Event()

    @property
    def running(self) -> tuple[Run, ...]:
        """The runs under way."""
        return tuple(self._runs.values())

    def __contains__(self, lease: LeaseRef) -> bool:
        return lease in self._all

    def start(self, claim: Claimed) -> None:
        """Run an attempt in a slot, and see to it that the server learns how it ended."""
        lease = LeaseRef(task_id=claim.task_id, fence=claim.fence)
        self._track(lease, self._attempt(claim, lease))

    def turn_back(self, claim: Claimed) -> None:
        """Give back an attempt for which there is no slot any more."""
        lease = LeaseRef(task_id=claim.task_id, fence=claim.fence)
        self._track(lease, self._turned_back(claim, lease))

    def deliver(self, spool: Spool, then: Callable[[], None] = lambda: None) -> None:
        """Bring what an earlier process left to the server, under its lease as long as that lasts; call `then`."""
        self._track(spool.head.lease, self._delivered(spool, Unattended(), then))

    def ask(self, lease: LeaseRef, what: str) -> None:
        """What the server wants of a running attempt."""
        run = self._runs.get(lease)
        if run is not None:
            run.wanted("cancel" if what == "cancel" else "pause")

    def tell(self, lease: LeaseRef, messages: Sequence[MessageText]) -> None:
        """Messages for the agent of a running attempt; where it has ended they stay the server's."""
        run = self._runs.get(lease)
        if run is not None:
            run.tell(messages)

    def stop_all(self, reason: Stop) -> None:
        """Stop every run."""
        for run in self.running:
            run.stop.give(reason)

    def kill(self) -> int:
        """End every process of every run at once; how many runs there are."""
        for run in self.running:
            run.kill()
        return len(self._runs)

    async def until_idle(self) -> None:
        """Wait until nothing runs."""
        while self._runs:
            await self._next_change()

    async def until_delivered(self) -> None:
        """Wait until the server knows everything."""
        while self._all:
            await self._next_change()

    def abandon(self) -> None:
        """Stop delivering; the rest stays on disk for the next process."""
        for task in self._all.values():
            task.cancel()

    def _track(self, lease: LeaseRef, work: Coroutine[Any, Any, None]) -> None:
        task = self._all[lease] = self._group.create_task(self._guarded(lease, work))
        task.add_done_callback(lambda _: self._forget(lease, work))

    def _forget(self, lease: LeaseRef, work: Coroutine[Any, Any, None]) -> None:
        work.close()  # a task that is cancelled before its first step leaves it untouched
        self._all.pop(lease, None)
        self._note_change()

    async def _guarded(self, lease: LeaseRef, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # one attempt must not take the others with it; its spool is found at the next start
            log.exception("attempt_crashed", task_id=lease.task_id, fence=lease.fence)
        finally:
            self._finish(lease)
            self._site.heartbeats.let_go(lease)

    async def _attempt(self, claim: Claimed, lease: LeaseRef) -> None:
        redactor = self._redactor.also(claim.token, *secrets_of(claim))
        spool = self._new_spool(claim, redactor)
        run = self._runs[lease] = Run(claim, spool, redactor, self._site)
        self._site.heartbeats.hold(lease, run)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._delivered(spool, run, lambda: None))
            await run.execute()
            self._finish(lease)

    def _finish(self, lease: LeaseRef) -> None:
        if self._runs.pop(lease, None) is not None:
            self._note_change()
            self._slot_free()

    async def _turned_back(self, claim: Claimed, lease: LeaseRef) -> None:
        spool = self._new_spool(claim, self._redactor.also(claim.token, *secrets_of(claim)))
        ending = turned_back(claim, self._site.agent_id, Stop.SHUTDOWN)
        await spool.end(ending.kind, ending.body)
        await self._delivered(spool, Unattended(), lambda: None)

    async def _delivered(self, spool: Spool, holder: Holder, then: Callable[[], None]) -> None:
        """Deliver to the end; the folder goes when the server has everything."""
        lease = spool.head.lease
        if lease not in self._site.heartbeats.leases:
            self._site.heartbeats.hold(lease, holder)
        try:
            witness = _Witness(spool.head, self._home, holder)
            await Delivery(spool, self._server.request, self._server.wait_connected, witness).run()
            crash_point("delivery.done")
            self._home.forget(spool.path)
        finally:
            spool.release()
        then()

    def _new_spool(self, claim: Claimed, redactor: Redactor) -> Spool:
        folder = self._home.begin(claim.task_id, claim.attempt)
        head = SpoolHead(task_id=claim.task_id, attempt=claim.attempt, fence=claim.fence)
        return Spool.create(folder, head, redactor.value)

    def _note_change(self) -> None:
        self._changed.set()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
