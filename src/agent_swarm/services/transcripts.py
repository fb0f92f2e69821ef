"""What agents did, line by line: append-only NDJSON files, one per attempt, never a row in the database.

`<data-dir>/transcripts/<task>/<attempt>.jsonl`, one JSON object {at, kind, data} per line, numbered from 0. Workers
send lines at least once; lines already stored are skipped and a gap is refused, so the file is what the worker saw,
once and in order. A line that a crash cut in half is dropped with the next write: the worker was never told that it was
stored, and sends it again.

Several servers may share the directory: whoever writes holds a lock on the file and looks first at what the others
wrote; whoever reads looks at how far the file goes.
"""

import asyncio
import fcntl
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import SEEK_SET
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import orjson

from agent_swarm.domain.errors import UnknownTask
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import limits
from agent_swarm.protocol.errors import TranscriptGap
from agent_swarm.services.redaction import Redactor

STRIDE = 64  # lines between two remembered offsets: a look-up reads at most this many lines too many
OPEN_SEGMENTS = 512  # attempts whose offsets are kept in memory; a forgotten one costs a scan of its file
SEGMENT_BYTES = 64 * 1024 * 1024  # of one attempt; what comes after is acknowledged and not kept
READ_BYTES = 1024 * 1024  # of one answer; at least one line
_SCAN_BYTES = 256 * 1024
_TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class TranscriptLines:
    """A piece of a transcript: `next` is the number of the line after it, `total` how many lines there are."""

    lines: list[dict[str, Any]]
    next: int
    total: int


@dataclass(slots=True)
class _Segment:
    """What is known of one file without reading it: how many lines, where every `STRIDE`th begins."""

    path: Path
    lines: int = 0  # whole ones
    size: int = 0
    full: bool = False  # the line that says so is its last
    offsets: list[int] = field(default_factory=lambda: [0])
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Transcripts:
    """The transcripts below one directory. Everything is redacted before it is written.

    `is_shared` says that other servers write there, too. `on_growth` is called with the task and attempt of what was
    stored here, so that others can be told.
    """

    def __init__(
        self,
        root: Path,
        redactor: Redactor,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        is_shared: bool = False,
        on_growth: Callable[[str, int], None] = lambda _task, _attempt: None,
    ) -> None:
        self._root = root
        self._redactor = redactor
        self._segment_bytes = segment_bytes
        self._is_shared = is_shared
        self._on_growth = on_growth
        self._segments: OrderedDict[tuple[str, int], _Segment] = OrderedDict()
        self._followers: WeakValueDictionary[tuple[str, int], asyncio.Future[None]] = WeakValueDictionary()

    async def append(
        self, task_id: str, attempt: int, first: int, lines: Sequence[Mapping[str, Any]], *, now: int
    ) -> int:
        """Store `lines`, numbered from `first`, and answer the number of the line to send next.

        Raises TranscriptGap, with that number in its details, where lines before `first` are missing.
        """
        async with self._segment(task_id, attempt) as segment, segment.writing:
            before = segment.lines
            after = await asyncio.to_thread(self._append, segment, first, lines, now)
            if first > after:
                raise TranscriptGap(
                    f"transcript of task {task_id!r}, attempt {attempt}: got line {first}, expected {after}",
                    hint=f"send the lines from {after} on",
                    details={"expected": after, "got": first},
                )
            if segment.lines > before:
                self._on_growth(task_id, attempt)
        self.notify(task_id, attempt)
        return after

    async def read(self, task_id: str, attempt: int, *, after: int, limit: int) -> TranscriptLines:
        """Up to `limit` lines from number `after` on; fewer where they are long, none where there are none yet."""
        async with self._segment(task_id, attempt) as segment:
            if self._is_shared:
                async with segment.writing:
                    await asyncio.to_thread(_catch_up, segment)
            total = segment.lines
            if after >= total or limit <= 0:
                return TranscriptLines([], after, total)
            raw = await asyncio.to_thread(_read_lines, segment, after, min(limit, total - after))
        return TranscriptLines([orjson.loads(line) for line in raw], after + len(raw), total)

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

    @asynccontextmanager
    async def _segment(self, task_id: str, attempt: int) -> AsyncIterator[_Segment]:
        """What is known of the file. There is never a second one of it: its lock keeps two writers apart."""
        if normalize_id(task_id) != task_id:  # it becomes part of a path
            raise UnknownTask(task_id)
        key = (task_id, attempt)
        if key not in self._segments:
            found = await asyncio.to_thread(_open, self._root / task_id / f"{attempt}.jsonl")
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

    def _append(self, segment: _Segment, first: int, lines: Sequence[Mapping[str, Any]], now: int) -> int:
        """Store what is new of `lines`, under the lock of the file; answers the number of the line to send next.

        A number below `first` says that nothing was stored, because lines are missing.
        """
        segment.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(segment.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _catch_up(segment)
            if segment.full:
                return first + len(lines)
            new = lines[max(0, segment.lines - first) :] if first <= segment.lines else ()
            if new:
                self._write(descriptor, segment, new, now)
            return segment.lines if not segment.full else first + len(lines)
        finally:
            os.close(descriptor)

    def _write(self, descriptor: int, segment: _Segment, lines: Sequence[Mapping[str, Any]], now: int) -> None:
        encoded: list[bytes] = []
        room = self._segment_bytes - segment.size
        full = False
        for line in lines:
            text = _encoded(self._redactor.value(line), now)
            room -= len(text)
            if room < 0:
                encoded.append(_marker("the transcript is at its limit; what comes after is not kept", now))
                full = True
                break
            encoded.append(text)
        if os.fstat(descriptor).st_size != segment.size:
            os.ftruncate(descriptor, segment.size)  # the half line that a crash left
        _write_all(descriptor, b"".join(encoded), size_before=segment.size)
        for text in encoded:
            _count(segment, len(text))
        segment.full = full


def _write_all(descriptor: int, content: bytes, *, size_before: int) -> None:
    """Write everything, or leave the file as it was: half a line would be taken for the worker's."""
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, size_before)
        raise


def _encoded(line: dict[str, Any], now: int) -> bytes:
    try:
        text = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        text = orjson.dumps(_storable(line), option=orjson.OPT_APPEND_NEWLINE)
    if len(text) <= limits.TRANSCRIPT_LINE_BYTES:
        return text
    head = text[: limits.TRANSCRIPT_LINE_BYTES // 2].decode("utf-8", "ignore")
    return _marker(f"a line of {len(text)} bytes was cut; it began with: {head}", now, kind=str(line.get("kind"))[:64])


def _storable(value: Any) -> Any:
    """JSON that can be written as UTF-8 and read back: without lone surrogates and numbers beyond 64 bits."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case int() if not -(2**63) <= value < 2**64:
            return str(value)
        case _:
            return value


def _marker(text: str, now: int, *, kind: str = "log") -> bytes:
    """A line in the place of what was not kept."""
    line = {"at": to_wire(now), "kind": kind, "data": {"stream": "server", "text": text, _TRUNCATED: True}}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _count(segment: _Segment, length: int) -> None:
    segment.lines += 1
    segment.size += length
    if segment.lines % STRIDE == 0:
        segment.offsets.append(segment.size)


def _open(path: Path) -> _Segment:
    """Learn the lines of a file by reading it once."""
    segment = _Segment(path)
    _catch_up(segment)
    return segment


def _catch_up(segment: _Segment) -> None:
    """Learn the whole lines that others wrote since; half a line at the end is not one yet."""
    try:
        size = segment.path.stat().st_size
    except FileNotFoundError:
        return
    if size == segment.size:
        return
    if size < segment.size:  # another server cut off the half line that was taken for a whole one, or a person was here
        segment.lines, segment.size, segment.offsets = 0, 0, [0]
    last = b""
    with segment.path.open("rb", buffering=_SCAN_BYTES) as file:
        file.seek(segment.size)
        while (line := file.readline()).endswith(b"\n"):
            _count(segment, len(line))
            last = line
    segment.full = segment.full or _is_end_marker(last)


def _is_end_marker(line: bytes) -> bool:
    if b'"the transcript is at its limit' not in line:
        return False
    data = orjson.loads(line)["data"]
    return bool(data.get(_TRUNCATED) and data.get("stream") == "server")


def _read_lines(segment: _Segment, after: int, limit: int) -> list[bytes]:
    lines: list[bytes] = []
    size = 0
    with segment.path.open("rb", buffering=_SCAN_BYTES) as file:
        file.seek(segment.offsets[after // STRIDE], SEEK_SET)
        for _ in range(after % STRIDE):
            file.readline()
        while len(lines) < limit and (size < READ_BYTES or not lines):
            lines.append(file.readline())
            size += len(lines[-1])
    return lines
