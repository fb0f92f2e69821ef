"""The log stream over NATS: every node's transcripts on every node, each line once and in order.

What a worker sent is in this node's file first. A pump per transcript reads on from the first line that is not shared,
publishes, and ends when the file has no more; it does the same after a start, an outage, or a moment ago. What others
published is read from the stream in order and put onto the shelf; how far that went is a file of this node.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import orjson
import structlog
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from agent_swarm.bus.logs import Shelf
from agent_swarm.bus.nats.ending import ended
from agent_swarm.bus.nats.following import Following, Place
from agent_swarm.bus.nats.link import FAILURES, Link
from agent_swarm.bus.nats.pump import Pumps
from agent_swarm.bus.nats.streams import jetstream, transcripts
from agent_swarm.bus.nats.unsent import Key, Unsent
from agent_swarm.domain.errors import SwarmError

log = structlog.get_logger()

CATCH_UP_SECONDS = 2.0
PLACE_SECONDS = 1.0  # between two savings of the place
HOLES = 10_000  # transcripts with a hole that are remembered
FIRST = "Swarm-First"  # header: the number of a message's first line


class NatsLogs:
    """Meets `LogStream`. `folder` is this node's own, beside its transcripts."""

    def __init__(self, link: Link, *, cluster: str, folder: Path) -> None:
        self.link = link
        self._stream = transcripts(cluster, link.settings)
        self._prefix = f"swarm.{cluster}.transcripts."
        self._place_file = folder / "place"
        self._unsent = Unsent(folder / "unsent")
        self._arrivals: WeakValueDictionary[Key, asyncio.Event] = WeakValueDictionary()
        self._holes: dict[Key, int] = {}
        self._shelf: Shelf | None = None
        self._following: Following | None = None
        self._pumps: Pumps | None = None
        self._saver: asyncio.Task[None] | None = None
        self._saved: Place | None = None

    @property
    def position(self) -> int:
        """The number of the last message in the stream that was taken in."""
        place = self._following.place if self._following is not None else None
        return place.seq if place is not None else 0

    async def open(self, shelf: Shelf) -> None:
        """Begin; what earlier processes of this node left to share is shared in the background."""
        left = await asyncio.to_thread(self._unsent.load)
        self._saved = await asyncio.to_thread(_read_place, self._place_file)
        self._shelf = shelf
        await self.link.open()
        following = Following(self.link, self._stream, self._take, place=self._saved or Place("", 0))
        try:
            await following.start()
        except BaseException:
            await self.link.close()
            raise
        self._following = following
        self._pumps = Pumps(self.link, shelf, self._unsent, prefix=self._prefix, header=FIRST)
        self._saver = asyncio.create_task(self._save_now_and_then(), name="nats-place")
        for key in left:
            self._pumps.start(key)

    def growing(self, task_id: str, attempt: int, first: int) -> AbstractContextManager[None]:
        """Remember durably that lines from `first` on are to be shared."""
        return self._unsent.growing((task_id, attempt), first)

    async def share(self, task_id: str, attempt: int, end: int) -> None:
        """Wait until a stream has the lines before `end`, for two seconds at most; not at all while NATS is away."""
        if self._pumps is not None:
            await self._pumps.share((task_id, attempt), end)

    async def catch_up(self, task_id: str, attempt: int, wanted: int) -> None:
        """Wait until the shelf has `wanted` lines, for two seconds at most."""
        if self._following is None or self._shelf is None:
            return
        key = (task_id, attempt)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                with contextlib.suppress(*FAILURES):
                    await self._read(key, after=self.position)
                while True:
                    arrival = self._arrivals.setdefault(key, asyncio.Event())
                    if await self._shelf.put(task_id, attempt, 0, ()) >= wanted:
                        return
                    await arrival.wait()

    async def close(self) -> None:
        """End; what is not shared yet is marked as such."""
        following, self._following = self._following, None
        if following is None or self._pumps is None or self._saver is None:
            return
        await self._pumps.stop()
        await following.stop()
        await ended([self._saver])
        await self._save(following.place)
        await self.link.close()

    async def _take(self, message: Msg) -> None:
        """Put the lines of a message onto the shelf; what is none of ours is passed over."""
        lines = _lines(message.subject.removeprefix(self._prefix), message.headers or {}, message.data)
        if lines is None:
            log.warning("transcript_message_unreadable", subject=message.subject)
            return
        have = await self._put(lines)
        if have is not None and have < lines.first and self._holes.get(lines.key) != have:
            await self._read(lines.key, after=0)
            have = await self._put(lines)
            if have is not None and have < lines.first:
                self._remember_hole(lines.key, have)

    async def _put(self, lines: "_Lines") -> int | None:
        assert self._shelf is not None
        try:
            have = await self._shelf.put(*lines.key, lines.first, lines.lines)
        except (ValueError, SwarmError) as exc:
            log.warning("transcript_message_refused", task=lines.key[0], reason=type(exc).__name__)
            return None
        arrival = self._arrivals.pop(lines.key, None)
        if arrival is not None:
            arrival.set()
        return have

    async def _read(self, key: Key, *, after: int) -> None:
        """Put everything on the shelf that the stream has of one transcript after this place in it."""
        stream, seq = self._stream.name or "", after + 1
        subject = f"{self._prefix}{key[0]}.{key[1]}"
        source = jetstream(await self.link.connected())
        with contextlib.suppress(NotFoundError):  # the end of it
            while True:
                found = await source.get_msg(stream, seq, subject, next=True)  # from the leader, who has all
                lines = _lines(subject.removeprefix(self._prefix), found.headers or {}, found.data or b"")
                if lines is not None:
                    await self._put(lines)
                seq = (found.seq or seq) + 1

    def _remember_hole(self, key: Key, have: int) -> None:
        log.warning("transcript_has_a_hole", task=key[0], attempt=key[1], from_line=have)
        self._holes[key] = have
        if len(self._holes) > HOLES:
            del self._holes[next(iter(self._holes))]

    async def _save_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(PLACE_SECONDS)
            if self._following is not None:
                await self._save(self._following.place)

    async def _save(self, place: Place | None) -> None:
        if place is not None and place != self._saved:
            try:
                await asyncio.to_thread(_write_place, self._place_file, place)
                self._saved = place
            except OSError:
                log.exception("place_not_saved")


@dataclass(frozen=True, slots=True)
class _Lines:
    """What a message holds."""

    key: Key
    first: int
    lines: Sequence[bytes]


def _lines(topic: str, headers: Mapping[str, str], data: bytes) -> _Lines | None:
    """The lines of a message with the subject `…<task>.<attempt>`; None where it is no such message."""
    try:
        task_id, attempt = topic.split(".")
        key, first = (task_id, int(attempt)), int(headers[FIRST])
    except (ValueError, KeyError):
        return None
    if key[1] < 1 or first < 0 or not data.endswith(b"\n"):
        return None
    return _Lines(key, first, [line + b"\n" for line in data[:-1].split(b"\n")])


def _read_place(path: Path) -> Place | None:
    """How far this node had read; None where it never did, or cannot know."""
    try:
        found = orjson.loads(path.read_bytes())
        return Place(str(found["stream"]), int(found["seq"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_place(path: Path, place: Place) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(orjson.dumps({"stream": place.stream, "seq": place.seq}))
    fresh.replace(path)
