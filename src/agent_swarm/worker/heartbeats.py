"""Renews every lease by timer, whatever the agents do, and tells each holder what that means for it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import structlog
from pydantic import BaseModel, ValidationError

from agent_swarm.domain.errors import SwarmError
from agent_swarm.protocol import limits
from agent_swarm.protocol.pool import FrameType, Heartbeat, HeartbeatReply, LeaseRef, LeaseStatus
from agent_swarm.worker.clock import Clock
from agent_swarm.worker.leases import Abandon, LeaseBook
from agent_swarm.worker.link import LinkLost

log = structlog.get_logger(__name__)

Request = Callable[[FrameType, BaseModel], Awaitable[dict[str, Any]]]

LEASES_PER_FRAME = 1000  # protocol.pool.Heartbeat.leases
LOOK_SECONDS = 1.0  # timers stand still while the machine sleeps: how late a cut may be noticed after it wakes
RETRY_SECONDS = 1.0  # after a renewal that the server was too busy for


class Holder(Protocol):
    """What runs under a lease. Called on the event loop, must not block."""

    def cut(self) -> None:
        """External effects must stop: the lease may end before the server is heard again."""
        ...

    def restored(self) -> None:
        """External effects may go on."""
        ...

    def lost(self, reason: str) -> None:
        """The lease is somebody else's, or nobody's: end what runs and discard it."""
        ...

    def abandoned(self) -> None:
        """Nothing was heard for so long that going on makes no sense."""
        ...

    def wanted(self, what: Literal["pause", "cancel"]) -> None:
        """Somebody asked for it."""
        ...


@dataclass(slots=True)
class _Entry:
    holder: Holder
    may_act: asyncio.Event = field(default_factory=asyncio.Event)


class Heartbeats:
    """The thin rim around `leases.LeaseBook`."""

    def __init__(self, request: Request, clock: Clock, *, max_offline: float) -> None:
        self._request = request
        self._clock = clock
        self._book = LeaseBook(max_offline=max_offline)
        self._entries: dict[LeaseRef, _Entry] = {}
        self._nudge = asyncio.Event()
        self._next_at = float("-inf")
        self.heartbeat_seconds = limits.HEARTBEAT_SECONDS

    @property
    def leases(self) -> tuple[LeaseRef, ...]:
        """All that this worker holds, as far as it knows."""
        return self._book.leases

    def hold(self, lease: LeaseRef, holder: Holder) -> None:
        """Renew it from now on, for the first time at once: a claim counts from a renewal that was answered."""
        self._book.hold(lease, now=self._clock())
        self._entries[lease] = _Entry(holder)
        self.beat_now()

    def let_go(self, lease: LeaseRef) -> None:
        """Its attempt is over."""
        self._book.let_go(lease)
        entry = self._entries.pop(lease, None)
        if entry is not None:
            entry.may_act.set()  # whoever waits sees that there is nothing to wait for

    def fenced(self, leases: Iterable[LeaseRef]) -> None:
        """The server said on registering that these are over."""
        for lease in leases:
            entry = self._entries.get(lease)
            self.let_go(lease)
            if entry is not None:
                entry.holder.lost("the server gave the lease up")

    def beat_now(self) -> None:
        """Do not wait for the timer."""
        self._next_at = float("-inf")
        self._nudge.set()

    def may_act(self, lease: LeaseRef) -> bool:
        """Whether external effects are allowed under it at this moment."""
        return self._book.may_act(lease, now=self._clock())

    async def until_may_act(self, lease: LeaseRef) -> bool:
        """Wait until external effects are allowed under it; False where it is no longer held."""
        while not self.may_act(lease):
            entry = self._entries.get(lease)
            if entry is None:
                return False
            entry.may_act.clear()
            await entry.may_act.wait()
        return True

    async def run(self) -> None:
        """Renew for ever. A renewal that is not answered yet does not hold up the next."""
        async with asyncio.TaskGroup() as group:
            while True:
                self.look()
                if self._clock() >= self._next_at:
                    self._next_at = self._clock() + self.heartbeat_seconds
                    group.create_task(self.run_once())
                await self._pause()

    async def run_once(self) -> None:
        """Renew everything held, once."""
        leases = iter(self.leases)
        while chunk := tuple(itertools.islice(leases, LEASES_PER_FRAME)):
            await self._renew(chunk)
        if not self.leases:
            await self._renew(())  # the server shows for how long it has not heard of an agent

    def look(self) -> None:
        """Do what has become due by the clock alone."""
        for action in self._book.due(now=self._clock()):
            holder = self._entries[action.lease].holder
            if isinstance(action, Abandon):
                log.error("lease_abandoned", task_id=action.lease.task_id, fence=action.lease.fence)
                holder.abandoned()
            else:
                log.warning("effects_cut", task_id=action.lease.task_id, fence=action.lease.fence)
                holder.cut()

    async def _renew(self, leases: tuple[LeaseRef, ...]) -> None:
        sent_at = self._clock()
        try:
            reply = HeartbeatReply.model_validate(await self._request(FrameType.HEARTBEAT, Heartbeat(leases=leases)))
        except LinkLost:
            return  # `beat_now` comes with the next connection
        except (SwarmError, ValidationError) as exc:
            log.warning("heartbeat_refused", reason=str(exc), leases=len(leases))
            self._next_at = min(self._next_at, self._clock() + RETRY_SECONDS)
            self._nudge.set()
            return
        for status in reply.leases:
            self._apply(status, sent_at, reply.lease_seconds)

    def _apply(self, status: LeaseStatus, sent_at: float, lease_seconds: float) -> None:
        lease = LeaseRef(task_id=status.task_id, fence=status.fence)
        entry = self._entries.get(lease)
        if entry is None:
            return  # it ended while the renewal was under way
        if status.status == "stale":
            self.let_go(lease)
            entry.holder.lost("the server says that the lease is over")
            return
        if self._book.renewed(lease, sent_at=sent_at, lease_seconds=lease_seconds, now=self._clock()):
            entry.may_act.set()
            entry.holder.restored()
        if status.wants:
            entry.holder.wanted(status.wants)

    async def _pause(self) -> None:
        """Until something may be due; in short steps while anything is held."""
        now = self._clock()
        until = min(self._next_at, self._book.next_due() or self._next_at)
        span = max(0.0, until - now)
        self._nudge.clear()
        try:
            async with asyncio.timeout(min(span, LOOK_SECONDS) if self._entries else span):
                await self._nudge.wait()
        except TimeoutError:
            return
