"""What agents did, line by line: append-only NDJSON files, one per attempt, never a row in the database.

`<data-dir>/transcripts/<task>/<attempt>.jsonl`, one JSON object {at, kind, data} per line, numbered from 0. Workers
send lines at least once; lines already stored are skipped and a gap is refused, so the file is what the worker saw,
once and in order. A line that a crash cut in half is dropped when the file is opened again: the worker was never told
that it was stored, and sends it again.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
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
from agent_swarm.faults import crash_point
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
    lines: int = 0
    size: int = 0
    full: bool = False  # the line that says so is its last
    offsets: list[int] = field(default_factory=lambda: [0])
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Transcripts:
    """The transcripts below one directory. Everything is redacted before it is written."""

    def __init__(self, root: Path, redactor: Redactor, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._root = root
        self._redactor = redactor
        self._segment_bytes = segment_bytes
        self._segments: OrderedDict[tuple[str, int], _Segment] = OrderedDict()
        self._followers: WeakValueDictionary[tuple[str, int], asyncio.Future[None]] = WeakValueDictionary()

    async def append(
        self, task_id: str, attempt: int, first: int, lines: Sequence[Mapping[str, Any]], *, now: int
    ) -> int:
        """Store `lines`, numbered from `first`, and answer the number of the line to send next.

        Raises TranscriptGap, with that number in its details, where lines before `first` are missing.
        """
        async with self._segment(task_id, attempt) as segment, segment.writing:
            if first > segment.lines and not segment.full:
                raise TranscriptGap(
                    f"transcript of task {task_id!r}, attempt {attempt}: got line {first}, expected {segment.lines}",
                    hint=f"send the lines from {segment.lines} on",
                    details={"expected": segment.lines, "got": first},
                )
            new = lines[max(0, segment.lines - first) :]
            if new and not segment.full:
                await asyncio.to_thread(self._write, segment, new, now)
            after = first + len(lines) if segment.full else segment.lines
        self.notify(task_id, attempt)
        return after

    async def read(self, task_id: str, attempt: int, *, after: int, limit: int) -> TranscriptLines:
        """Up to `limit` lines from number `after` on; fewer where they are long, none where there are none yet."""
        async with self._segment(task_id, attempt) as segment:
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

    def _write(self, segment: _Segment, lines: Sequence[Mapping[str, Any]], now: int) -> None:
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
        segment.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(segment.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, b"".join(encoded), size_before=segment.size)
        finally:
            os.close(descriptor)
        crash_point("transcript.written")
        for text in encoded:
            _count(segment, len(text))
        segment.full = full


def _write_all(descriptor: int, content: bytes, *, size_before: int) -> None:
    """Write everything, or leave the file as it was: half a line would be taken for the worker's."""
    try:
        view = memoryview(content)
        crash_point("transcript.torn", leaving=lambda: os.write(descriptor, view[: len(view) // 2]))
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
    """Learn the lines of a file by reading it once, and cut off the half line that a crash left at its end."""
    segment = _Segment(path)
    if not path.exists():
        return segment
    last = b""
    with path.open("r+b") as file:
        while line := file.readline():
            if not line.endswith(b"\n"):
                file.truncate(segment.size)
                break
            _count(segment, len(line))
            last = line
    segment.full = _is_end_marker(last)
    return segment


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
