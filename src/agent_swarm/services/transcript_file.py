"""The file of one attempt's transcript: lines of JSON, numbered from 0, only ever added to.

A line that a crash cut in half is dropped with the next write: the worker was never told that it was stored, and sends
it again. Several servers may share the file: whoever writes holds its lock and looks first at what the others wrote.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import SEEK_SET
from pathlib import Path
from typing import Any

import orjson

from agent_swarm.domain.time import to_wire
from agent_swarm.faults import crash_point
from agent_swarm.protocol import limits

STRIDE = 64  # lines between two remembered offsets: a look-up reads at most this many lines too many
READ_BYTES = 1024 * 1024  # of one answer; at least one line
_SCAN_BYTES = 256 * 1024
_TRUNCATED = "truncated"
_AT_ITS_LIMIT = "the transcript is at its limit; what comes after is not kept"


@dataclass(slots=True)
class Segment:
    """What is known of one file without reading it: how many lines, where every `STRIDE`th begins."""

    path: Path
    lines: int = 0  # whole ones
    size: int = 0
    full: bool = False  # the line that says so is its last
    offsets: list[int] = field(default_factory=lambda: [0])
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0

    @classmethod
    def opened(cls, path: Path) -> "Segment":
        """Learn the lines of a file by reading it once; there may be none yet."""
        segment = cls(path)
        segment.catch_up()
        return segment

    def catch_up(self) -> None:
        """Learn the whole lines that others wrote since; half a line at the end is not one yet."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return
        if size == self.size:
            return
        if size < self.size:  # a person was here
            self.lines, self.size, self.offsets = 0, 0, [0]
        last = b""
        with self.path.open("rb", buffering=_SCAN_BYTES) as file:
            file.seek(self.size)
            while (line := file.readline()).endswith(b"\n"):
                self._count(len(line))
                last = line
        self.full = self.full or _is_end_marker(last)

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Have the file for oneself, as it now is: the descriptor to `write` with."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self.catch_up()
            yield descriptor
        finally:
            os.close(descriptor)

    def write(self, descriptor: int, lines: Sequence[bytes]) -> None:
        """Add lines, all of them or none."""
        if os.fstat(descriptor).st_size != self.size:
            os.ftruncate(descriptor, self.size)  # the half line that a crash left
        _write_all(descriptor, b"".join(lines), size_before=self.size)
        crash_point("transcript.written")
        for line in lines:
            self._count(len(line))
        self.full = self.full or _is_end_marker(lines[-1])

    def read(self, after: int, limit: int, max_bytes: int = READ_BYTES) -> list[bytes]:
        """Up to `limit` lines from number `after` on, about `max_bytes` of them; there have to be that many."""
        lines: list[bytes] = []
        size = 0
        with self.path.open("rb", buffering=_SCAN_BYTES) as file:
            file.seek(self.offsets[after // STRIDE], SEEK_SET)
            for _ in range(after % STRIDE):
                file.readline()
            while len(lines) < limit and (size < max_bytes or not lines):
                lines.append(file.readline())
                size += len(lines[-1])
        return lines

    def _count(self, length: int) -> None:
        self.lines += 1
        self.size += length
        if self.lines % STRIDE == 0:
            self.offsets.append(self.size)


def encoded(line: dict[str, Any], now: int) -> bytes:
    """A line as it is stored; one that is too long becomes its beginning."""
    try:
        text = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        text = orjson.dumps(_storable(line), option=orjson.OPT_APPEND_NEWLINE)
    if len(text) <= limits.TRANSCRIPT_LINE_BYTES:
        return text
    head = text[: limits.TRANSCRIPT_LINE_BYTES // 2].decode("utf-8", "ignore")
    return _marker(f"a line of {len(text)} bytes was cut; it began with: {head}", now, kind=str(line.get("kind"))[:64])


def end_marker(now: int) -> bytes:
    """The last line of a transcript that is at its limit."""
    return _marker(_AT_ITS_LIMIT, now)


def require_lines(lines: Sequence[bytes]) -> None:
    """Raises ValueError unless these are lines of a transcript: whoever reads the file relies on it."""
    if not all(line.endswith(b"\n") and isinstance(orjson.loads(line), dict) for line in lines):
        raise ValueError("not the lines of a transcript")


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


def _is_end_marker(line: bytes) -> bool:
    if f'"{_AT_ITS_LIMIT}'.encode() not in line:
        return False
    data = orjson.loads(line)["data"]
    return bool(data.get(_TRUNCATED) and data.get("stream") == "server")


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
