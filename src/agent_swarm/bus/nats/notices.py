"""The bus over NATS: notices in a stream of a few minutes, so that a broken link delays them and loses none.

What waits in the outbox travels together, one notice per line of a message; at most a few messages are under way, each
repeated until a stream has it.
"""

import asyncio
import contextlib
from itertools import count
from uuid import uuid4

import structlog
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError

from agent_swarm.bus.base import BusFigures, Hear, Notice
from agent_swarm.bus.nats.ending import ended
from agent_swarm.bus.nats.following import Following
from agent_swarm.bus.nats.link import FAILURES, Link
from agent_swarm.bus.nats.streams import notices
from agent_swarm.bus.outbox import LIMIT, Outbox

log = structlog.get_logger()

WINDOW = 4  # messages under way
TOGETHER = 64  # notices in one message,
MESSAGE_BYTES = 256 * 1024  # unless they are large
RETRY_SECONDS = 0.2
FAREWELL_SECONDS = 1.0


class NatsBus:
    """Meets `Bus`. The link may be shared with a log stream."""

    def __init__(self, link: Link, *, cluster: str, node: str, limit: int = LIMIT) -> None:
        self.link = link
        self._node = node
        self._stream = notices(cluster)
        self._subject = f"swarm.{cluster}.notices"
        self._outbox = Outbox(limit)
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._window = asyncio.Semaphore(WINDOW)
        self._under_way: set[asyncio.Task[None]] = set()
        self._ids = (f"{node}/{uuid4().hex}/{number}" for number in count())
        self._hear: Hear = _nobody
        self._following: Following | None = None
        self._sender: asyncio.Task[None] | None = None
        self._unreadable = 0

    async def open(self, hear: Hear) -> None:
        """Begin to hear the others. Raises Unavailable where NATS, or its JetStream, is not there."""
        self._hear = hear
        await self.link.open()
        following = Following(self.link, self._stream, self._take, place=None)
        try:
            await following.start()
        except BaseException:
            await self.link.close()
            raise
        self._following = following
        self._sender = asyncio.create_task(self._send(), name="nats-notices")

    def publish(self, notice: Notice) -> None:
        """Have it sent soon."""
        self._outbox.add(notice)
        self._wake.set()

    def figures(self) -> BusFigures:
        """How it fares; an outage is one of the link."""
        outbox = self._outbox
        return BusFigures(
            waiting=len(outbox),
            dropped=outbox.dropped,
            merged=outbox.merged,
            unreadable=self._unreadable,
            outages=self.link.outages,
        )

    async def close(self) -> None:
        """Send what waits, for a second at most, and end."""
        following, self._following = self._following, None
        sender, self._sender = self._sender, None
        if following is None or sender is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                while self.link.is_useful and (self._outbox or self._under_way):
                    self._moved.clear()
                    await self._moved.wait()
        await ended([sender, *self._under_way])
        await following.stop()
        await self.link.close()

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            await self._window.acquire()
            await self.link.connected()  # what comes meanwhile travels along
            taken = self._outbox.take(TOGETHER)
            if not self._outbox:
                self._wake.clear()
            task = asyncio.create_task(self._deliver(_payloads(taken)))
            self._under_way.add(task)
            task.add_done_callback(self._delivered)

    async def _deliver(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            await self._store(next(self._ids), payload)

    async def _store(self, id: str, payload: bytes) -> None:
        """Return when a stream has it, however long that takes."""
        while True:
            try:
                await self.link.publish(self._subject, payload, id=id)
                return
            except MaxPayloadError:
                log.warning("notice_too_large", bytes=len(payload))
                return
            except FAILURES:
                await asyncio.sleep(RETRY_SECONDS)

    def _delivered(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._window.release()
        self._moved.set()

    async def _take(self, message: Msg) -> None:
        for line in message.data.split(b"\n"):
            notice = Notice.decoded(line)
            if notice is None:
                self._unreadable += 1
            elif notice.node != self._node:
                self._tell(notice)

    def _tell(self, notice: Notice) -> None:
        try:
            self._hear(notice)
        except Exception:  # a notice is a hint; the next one is heard all the same
            log.exception("notice_failed", kind=notice.kind.value)


def _payloads(taken: list[Notice]) -> list[bytes]:
    """As few messages as hold them."""
    encoded = []
    for notice in taken:
        try:
            encoded.append(notice.encoded())
        except TypeError:  # `publish` never raises; whoever published this finds it in the log
            log.exception("notice_not_encoded", kind=notice.kind.value)
    if sum(map(len, encoded)) > MESSAGE_BYTES:
        return encoded
    return [b"\n".join(encoded)] if encoded else []


def _nobody(_: Notice) -> None:
    """Before the bus is opened."""
