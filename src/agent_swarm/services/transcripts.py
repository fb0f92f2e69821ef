"""What agents did, line by line: append-only NDJSON files, one per attempt, never a row in the database.

`<data-dir>/transcripts/<task>/<attempt>.jsonl`, one JSON object {at, kind, data} per line, numbered from 0. Workers
send lines at least once; lines already stored are skipped and a gap is refused, so the file is what the worker saw,
once and in order.

Several servers may share the directory. Where each has its own, a log stream shares what was stored here, and puts
here what others stored.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import orjson

from agent_swarm.bus.logs import LogStream, NoLogStream
from agent_swarm.domain.errors import UnknownTask
from agent_swarm.domain.ids import normalize_id
from agent_swarm.protocol.errors import TranscriptGap
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.transcript_file import Segment, encoded, end_marker, require_lines

OPEN_SEGMENTS = 512  # attempts whose offsets are kept in memory; a forgotten one costs a scan of its file
SEGMENT_BYTES = 64 * 1024 * 1024  # of one attempt; what comes after is acknowledged and not kept
AGENT_ENDED = "ended"  # the kind of the line that says so


@dataclass(frozen=True, slots=True)
class TranscriptLines:
    """A piece of a transcript: `next` is the number of the line after it, `total` how many lines there are."""

    lines: list[dict[str, Any]]
    next: int
    total: int


@dataclass(frozen=True, slots=True)
class LastLine:
    """What the last line is about, and when it was stored."""

    kind: str
    stored_at: int


class Transcripts:
    """The transcripts below one directory. Everything is redacted before it is written.

    `is_shared` says that other servers write there, too; `logs` carries lines to servers that have a directory of their
    own. `on_growth` is called with the task and attempt of what was stored here, so that others can be told.
    """

    def __init__(
        self,
        root: Path,
        redactor: Redactor,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        is_shared: bool = False,
        logs: LogStream | None = None,
        on_growth: Callable[[str, int], None] = lambda _task, _attempt: None,
    ) -> None:
        self._root = root
        self._redactor = redactor
        self._segment_bytes = segment_bytes
        self._is_shared = is_shared
        self._logs = logs or NoLogStream()
        self._on_growth = on_growth
        self._segments: OrderedDict[tuple[str, int], Segment] = OrderedDict()
        self._followers: WeakValueDictionary[tuple[str, int], asyncio.Future[None]] = WeakValueDictionary()

    async def append(
        self, task_id: str, attempt: int, first: int, lines: Sequence[Mapping[str, Any]], *, now: int
    ) -> int:
        """Store `lines`, numbered from `first`, and answer the number of the line to send next.

        Raises TranscriptGap, with that number in its details, where lines before `first` are missing: here, and for a
        moment on their way from another node.
        """
        if await self._is_behind(task_id, attempt, first):
            await self._logs.catch_up(task_id, attempt, first)
        async with self._segment(task_id, attempt) as segment, segment.writing:
            before = segment.lines
            after = await asyncio.to_thread(self._append, segment, (task_id, attempt), first, lines, now)
            end = segment.lines
        if first > after:
            raise TranscriptGap(
                f"transcript of task {task_id!r}, attempt {attempt}: got line {first}, expected {after}",
                hint=f"send the lines from {after} on",
                details={"expected": after, "got": first},
            )
        if end > before:
            self._on_growth(task_id, attempt)
        self.notify(task_id, attempt)
        await self._logs.share(task_id, attempt, end)
        return after

    async def put(self, task_id: str, attempt: int, first: int, lines: Sequence[bytes]) -> int:
        """Store lines as another node stored them, numbered from `first`; answers how many are here now.

        After a gap nothing is stored. Raises ValueError for what is no line, UnknownTask for what is no task's id.
        """
        async with self._segment(task_id, attempt) as segment, segment.writing:
            new = lines[segment.lines - first :] if first <= segment.lines < first + len(lines) else ()
            if new and not segment.full:
                await asyncio.to_thread(_put, segment, new)
            have = max(segment.lines, first + len(lines)) if segment.full else segment.lines
        if new:
            self.notify(task_id, attempt)
        return have

    async def stored(self, task_id: str, attempt: int, after: int, max_bytes: int) -> list[bytes]:
        """Lines from number `after` on as they are in the file: `max_bytes` of them at most, but at least one."""
        async with self._segment(task_id, attempt) as segment:
            if after >= segment.lines:
                return []
            return await asyncio.to_thread(segment.read, after, segment.lines - after, max_bytes)

    async def read(self, task_id: str, attempt: int, *, after: int, limit: int) -> TranscriptLines:
        """Up to `limit` lines from number `after` on; fewer where they are long, none where there are none yet."""
        async with self._segment(task_id, attempt) as segment:
            await self._look_again(segment)
            total = segment.lines
            if after >= total or limit <= 0:
                return TranscriptLines([], after, total)
            raw = await asyncio.to_thread(segment.read, after, min(limit, total - after))
        return TranscriptLines([orjson.loads(line) for line in raw], after + len(raw), total)

    async def last(self, task_id: str, attempt: int) -> "LastLine | None":
        """The last line of a transcript; None while there is none."""
        async with self._segment(task_id, attempt) as segment:
            await self._look_again(segment)
            if not segment.lines:
                return None
            raw = await asyncio.to_thread(segment.read, segment.lines - 1, 1)
            changed = await asyncio.to_thread(segment.path.stat)
        return LastLine(str(orjson.loads(raw[0]).get("kind", "")), changed.st_mtime_ns // 1000)

    def more(self, task_id: str, attempt: int) -> asyncio.Future[None]:
        """A future that is done as soon as this transcript grows or ends; shared by all who wait for it."""
        key = (task_id, attempt)
        waiting = self._followers.get(key)
        if waiting is None or waiting.done():
            waiting = self._followers[key] = asyncio.get_running_loop().create_future()
        return waiting

    def notify(self, task_id: str, attempt: int) -> None:
        """Wake those who follow this transcript: it grew, or its attempt ended."""
        waiting = self._followers.pop((task_id, attempt), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _look_again(self, segment: Segment) -> None:
        """Others may have written since."""
        if self._is_shared:
            async with segment.writing:
                await asyncio.to_thread(segment.catch_up)

    async def _is_behind(self, task_id: str, attempt: int, first: int) -> bool:
        async with self._segment(task_id, attempt) as segment:
            return segment.lines < first and not segment.full

    @asynccontextmanager
    async def _segment(self, task_id: str, attempt: int) -> AsyncIterator[Segment]:
        """What is known of the file. There is never a second one of it: its lock keeps two writers apart."""
        if normalize_id(task_id) != task_id:  # it becomes part of a path
            raise UnknownTask(task_id)
        key = (task_id, attempt)
        if key not in self._segments:
            found = await asyncio.to_thread(Segment.opened, self._root / task_id / f"{attempt}.jsonl")
            self._segments.setdefault(key, found)  # another one may have opened it meanwhile
        segment = self._segments[key]
        self._segments.move_to_end(key)
        segment.users += 1
        try:
            yield segment
        finally:
            segment.users -= 1
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        for key in list(self._segments)[: max(0, len(self._segments) - OPEN_SEGMENTS)]:
            if not self._segments[key].users:
                del self._segments[key]

    def _append(
        self, segment: Segment, key: tuple[str, int], first: int, lines: Sequence[Mapping[str, Any]], now: int
    ) -> int:
        """Store what is new of `lines`; answers the number of the line to send next.

        A number below `first` says that nothing was stored, because lines are missing.
        """
        with segment.locked() as descriptor:
            new = lines[max(0, segment.lines - first) :] if first <= segment.lines and not segment.full else ()
            if new:
                content = self._encoded(new, room=self._segment_bytes - segment.size, now=now)
                with self._logs.growing(*key, segment.lines):
                    segment.write(descriptor, content)
            return first + len(lines) if segment.full else segment.lines

    def _encoded(self, lines: Sequence[Mapping[str, Any]], *, room: int, now: int) -> list[bytes]:
        """As they are stored; what there is no room for gives way to a line that says so."""
        content: list[bytes] = []
        for line in lines:
            text = encoded(self._redactor.value(line), now)
            room -= len(text)
            if room < 0:
                return [*content, end_marker(now)]
            content.append(text)
        return content


def _put(segment: Segment, lines: Sequence[bytes]) -> None:
    require_lines(lines)
    with segment.locked() as descriptor:
        segment.write(descriptor, lines)
