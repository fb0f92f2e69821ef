"""Moves lines from this node's transcripts into the stream: one pump per transcript that has some to share."""

import asyncio
import random
from collections.abc import Sequence

import structlog

from agent_swarm.bus.logs import Shelf
from agent_swarm.bus.nats.ending import ended
from agent_swarm.bus.nats.link import FAILURES, Link
from agent_swarm.bus.nats.unsent import Key, Unsent

log = structlog.get_logger()

SHARE_SECONDS = 2.0  # how long a worker waits for NATS
MESSAGE_BYTES = 256 * 1024  # or one line that is longer
PUMPS_AT_ONCE = 32  # that read and publish; the others wait for their turn
RETRY_SECONDS = 1.0


class _Pump:
    """Where one transcript is: the lines before `sent` are in the stream."""

    def __init__(self, sent: int) -> None:
        self.sent = sent
        self.task: asyncio.Task[None] | None = None
        self.more = asyncio.Event()
        self._waiting: list[tuple[int, asyncio.Event]] = []

    async def until(self, end: int) -> None:
        """Wait until the lines before `end` are sent, or the pump has nothing left to send."""
        if end > self.sent:
            reached = asyncio.Event()
            self._waiting.append((end, reached))
            await reached.wait()

    def moved(self, sent: int) -> None:
        """So many are sent now."""
        self.sent = sent
        for end, reached in self._waiting:
            if end <= sent:
                reached.set()
        self._waiting = [one for one in self._waiting if not one[1].is_set()]

    def ended(self) -> None:
        """There is nothing that anybody could wait for."""
        for _, reached in self._waiting:
            reached.set()


class Pumps:
    """The pumps at work, by transcript. What is marked as unsent has one."""

    def __init__(self, link: Link, shelf: Shelf, unsent: Unsent, *, prefix: str, header: str) -> None:
        self._link = link
        self._shelf = shelf
        self._unsent = unsent
        self._prefix = prefix
        self._header = header
        self._pumps: dict[Key, _Pump] = {}
        self._turns = asyncio.Semaphore(PUMPS_AT_ONCE)

    def start(self, key: Key) -> _Pump | None:
        """The pump of a transcript; None where nothing is left to share."""
        pump = self._pumps.get(key)
        first = self._unsent.first(key)
        if pump is None and first is not None:
            pump = self._pumps[key] = _Pump(first)
            pump.task = asyncio.create_task(self._run(key, pump), name="nats-pump")
        return pump

    async def share(self, key: Key, end: int) -> None:
        """Return when the lines before `end` are in the stream, or after two seconds, or at once while NATS is away."""
        pump = self.start(key)
        if pump is None:
            return
        pump.more.set()
        if not self._link.is_useful:
            return
        try:
            async with asyncio.timeout(SHARE_SECONDS):
                await pump.until(end)
        except TimeoutError:
            log.debug("transcript_not_shared_yet", task=key[0], attempt=key[1])

    async def stop(self) -> None:
        """End them where they are."""
        await ended(pump.task for pump in self._pumps.values() if pump.task is not None)

    async def _run(self, key: Key, pump: _Pump) -> None:
        try:
            while not await self._is_empty(key, pump):
                pass
        finally:
            del self._pumps[key]
            pump.ended()

    async def _is_empty(self, key: Key, pump: _Pump) -> bool:
        """Send what there is; True when that was everything and the mark is gone."""
        await self._link.connected()
        async with self._turns:
            pump.more.clear()
            growth = self._unsent.growth(key)
            try:
                while lines := await self._shelf.stored(*key, pump.sent, MESSAGE_BYTES):
                    await self._publish(key, pump.sent, lines)
                    pump.moved(pump.sent + len(lines))
                settled = await asyncio.to_thread(self._unsent.settle, key, growth)
            except FAILURES:  # of NATS or of the disk
                settled = None
        if settled is None:
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.1, 1))  # noqa: S311 - spreads attempts
        elif settled:
            return self._unsent.first(key) is None  # else lines were written since; their writer found this pump
        else:
            await self._until_more(pump)
        return False

    async def _until_more(self, pump: _Pump) -> None:
        """Somebody writes: go on when that is done; a write that fails tells nobody."""
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await pump.more.wait()
        except TimeoutError:
            pass

    async def _publish(self, key: Key, first: int, lines: Sequence[bytes]) -> None:
        task_id, attempt = key
        await self._link.publish(
            f"{self._prefix}{task_id}.{attempt}",
            b"".join(lines),
            id=f"{task_id}/{attempt}/{first}-{first + len(lines)}",  # another node may send more lines from `first` on
            headers={self._header: str(first)},
        )
