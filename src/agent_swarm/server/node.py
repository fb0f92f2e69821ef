"""This server as one of several on the same database.

It tells the others what happens here and hears what happens there. Notices are hints: whatever they say is read in the
database, and what a lost one would have said is found by the sweep.
"""

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from agent_swarm.bus.base import NOTICE_BYTES, Bus, BusFigures, NoBus, Notice, NoticeKind
from agent_swarm.domain.errors import ShuttingDown
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol.limits import LEASE_SECONDS, SWEEP_SECONDS
from agent_swarm.server.pool import PoolContext
from agent_swarm.server.service import Service
from agent_swarm.server.timers import TimerService
from agent_swarm.services.transcripts import Transcripts
from agent_swarm.store.base import Announce, Committed
from agent_swarm.store.batcher import BatchingStore

log = structlog.get_logger()

GRACE_EVERY = int(3 * LEASE_SECONDS * SECOND)  # a server that starts again and again must not stop the reaping


class Node:
    """The identity of this server among the others, and the bus to them.

    `carries_commits` says that the bus has to carry what batches have to tell.
    """

    def __init__(self, bus: Bus | None = None, *, carries_commits: bool = False) -> None:
        self.id = secrets.token_hex(6)
        self.bus: Bus = bus or NoBus()
        self.carries_commits = carries_commits

    def join(self, bus: Bus, *, carries_commits: bool) -> None:
        """Have this bus from now on."""
        self.bus, self.carries_commits = bus, carries_commits

    def figures(self) -> BusFigures:
        """How the bus that it has now fares."""
        return self.bus.figures()

    def tell(self, kind: NoticeKind, **body: object) -> None:
        """Tell the others."""
        self.bus.publish(Notice(kind, self.id, body))

    def grew(self, task_id: str, attempt: int) -> None:
        """Tell the others that a transcript grew in the directory they share; by NATS the lines tell it themselves."""
        if not self.carries_commits:
            self.tell(NoticeKind.TRANSCRIPT, task=task_id, attempt=attempt)

    def announcing(self) -> Announce:
        """What makes the notice of a batch that travels in its own commit."""

        def announce(committed: Committed) -> str | None:
            notice = self.of_batch(committed)
            return None if notice is None else notice.within(NOTICE_BYTES).decode()

        return announce

    def publish(self, committed: Committed) -> None:
        """Tell the others of a batch of this server, where its commit does not."""
        notice = self.of_batch(committed)
        if notice is not None:
            self.bus.publish(notice)

    def of_batch(self, committed: Committed) -> Notice | None:
        """The notice of a batch; None where the others have nothing to do."""
        seq = committed.events[-1].seq if committed.events else committed.up_to
        if committed.is_foreign or not (seq or committed.ready):
            return None
        ready = {str(class_id): number for class_id, number in committed.ready.items()}
        return Notice(NoticeKind.COMMITTED, self.id, {"seq": seq, "ready": ready})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """What notices are passed on to."""

    store: BatchingStore
    pool: PoolContext
    transcripts: Transcripts
    timers: TimerService


class Following(Service):
    """Has what other servers committed told to this one's subscribers: after each notice, and every 5 s."""

    def __init__(self, node: Node, ears: Ears) -> None:
        super().__init__("following")
        self._node = node
        self._ears = ears
        self._ready: Counter[int] = Counter()
        self._at_least = 0
        self._must_look = False
        self._was_told = False
        self._granted_at: int | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be one of them."""
        await self._node.bus.open(self.hear)
        unsubscribe = self._ears.store.subscribe(self._node.publish) if self._node.carries_commits else None
        await self.start()
        self._node.tell(NoticeKind.STARTED)
        try:
            yield
        finally:
            if unsubscribe is not None:
                unsubscribe()
            self._node.tell(NoticeKind.STOPPED)
            await self.stop()
            await self._node.bus.close()

    async def run_once(self) -> float:
        """Catch up with what is committed; answers the seconds until the next sweep."""
        ready, self._ready = self._ready, Counter()
        at_least = self._at_least if self._was_told and not self._must_look else 0
        look, self._must_look, self._was_told = self._must_look, False, False
        try:
            await self._ears.store.catch_up(ready=ready, at_least=at_least)
            if look:
                await self._ears.pool.dispatcher.sweep()
        except ShuttingDown:
            pass
        return SWEEP_SECONDS

    def hear(self, notice: Notice) -> None:
        """Take a notice in."""
        if notice.node == self._node.id:
            return
        match notice.kind:
            case NoticeKind.COMMITTED:
                self._note(notice)
            case NoticeKind.TRANSCRIPT:
                self._ears.transcripts.notify(str(notice.body["task"]), int(notice.body["attempt"]))
            case NoticeKind.CONNECTED:
                body = notice.body
                self._ears.pool.roster.moved(str(body["agent"]), str(body["instance"]), at=int(body["at"]))
            case NoticeKind.STARTED | NoticeKind.STOPPED:
                self._grant_grace()

    def _note(self, notice: Notice) -> None:
        ready = notice.body["ready"]
        if ready is None:
            self._must_look = True
        else:
            self._ready.update({int(class_id): int(number) for class_id, number in ready.items()})
        self._at_least = max(self._at_least, int(notice.body["seq"]))
        self._was_told = True
        self.hurry()

    def _grant_grace(self) -> None:
        """Rule T7: the workers of a server that comes or goes find their way first."""
        now = self._ears.store.now()
        if self._granted_at is None or now - self._granted_at >= GRACE_EVERY:
            self._granted_at = now
            self._ears.timers.grant_grace()
