"""The file in which everything about an attempt waits until the server has it.

    {"task_id", "attempt", "fence"}                  the first line
    {"k": kind, "b": body, "n": number?}             then one line a record; transcript lines and usage have numbers

Records are appended, never changed. A record has reached the kernel when `append` returns, so it survives the worker;
an ending has reached the disk when `end` returns, so it survives the machine. How far the server has acknowledged is in
`acked` beside it, and may lag behind: what is sent twice is recognised by the server. A line that a crash cut in half
is dropped when the file is opened again.

Nothing is kept in memory but positions. Every text is redacted on its way in.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.faults import crash_point
from agent_swarm.protocol.pool import LeaseRef

log = structlog.get_logger(__name__)

FILE = "spool.jsonl"
ACKED = "acked"
MOST_BYTES = 512 * 1024 * 1024  # of one attempt; later transcript lines are dropped, all else is kept
RETRY_SECONDS = 5.0  # an ending is worth waiting for room on the disk


class SpoolDamaged(SwarmError):
    """A spool cannot be read; what it held is lost."""

    code = "spoolDamaged"


class Kind(StrEnum):
    """What a record is about."""

    LINE = "line"
    PROGRESS = "progress"
    USAGE = "usage"
    RECEIVED = "received"  # messages
    NOTE = "note"  # for the next worker process, not for the server
    START = "start"
    COMPLETE = "complete"
    FAIL = "fail"
    PAUSE = "pause"
    RELEASE = "release"


ENDINGS = frozenset({Kind.COMPLETE, Kind.FAIL, Kind.PAUSE, Kind.RELEASE})
NUMBERED = frozenset({Kind.LINE, Kind.USAGE})


@dataclass(frozen=True, slots=True)
class SpoolHead:
    """Whose spool it is."""

    task_id: str
    attempt: int
    fence: int

    @property
    def lease(self) -> LeaseRef:
        """What the server knows the attempt by."""
        return LeaseRef(task_id=self.task_id, fence=self.fence)


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `end` is the position behind it."""

    kind: Kind
    body: Mapping[str, Any]
    number: int
    end: int


class Spool:
    """One attempt's file. Made by `create` or `reopen`."""

    def __init__(self, folder: Path, head: SpoolHead, redact: Callable[[Any], Any]) -> None:
        self.head = head
        self._folder = folder
        self._redact = redact
        self._fd = os.open(folder / FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size
        self._acked = self._start = 0  # positions: up to where it is acknowledged, and behind the head
        self._counts = dict.fromkeys(NUMBERED, 0)
        self._is_full = False
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()
        self.ending: Kind | None = None

    @classmethod
    def create(cls, folder: Path, head: SpoolHead, redact: Callable[[Any], Any]) -> "Spool":
        """A new one; `folder` exists and holds none yet."""
        spool = cls(folder, head, redact)
        spool._write(asdict(head))
        spool._acked = spool._start = spool._size
        crash_point("spool.created")
        return spool

    @classmethod
    def reopen(cls, folder: Path, redact: Callable[[Any], Any]) -> "Spool":
        """What an earlier process left. Raises SpoolDamaged where not even the head can be read."""
        try:
            with (folder / FILE).open("rb") as file:
                head = SpoolHead(**json.loads(file.readline()))
                start = file.tell()  # behind the head
        except (OSError, ValueError, TypeError) as exc:
            raise SpoolDamaged(f"{folder / FILE} is not a spool: {exc}", hint="its attempt is given up") from exc
        spool = cls(folder, head, redact)
        end = spool._acked = spool._start = start
        told = _read_acked(folder / ACKED)
        for record in spool.records(start):
            end = record.end
            spool._note(record.kind)
            if end == told:
                spool._acked = end
        if end < spool._size:
            os.ftruncate(spool._fd, end)  # a record that was being written when the process died
            spool._size = end
        return spool

    @property
    def is_closed(self) -> bool:
        """Nothing more will come."""
        return self._closed.is_set()

    @property
    def is_delivered(self) -> bool:
        """The server has everything, and no more will come."""
        return self.is_closed and self._acked >= self._size

    @property
    def position(self) -> int:
        """Up to where the server has acknowledged."""
        return self._acked

    @property
    def path(self) -> Path:
        """The folder it is in."""
        return self._folder

    def append(self, kind: Kind, body: Mapping[str, Any]) -> None:
        """Add a record; nothing follows an ending. Raises OSError where the disk takes no more.

        A transcript line for which there is no room is dropped instead: losing it must not cost the attempt its result.
        """
        if self.is_closed or self.ending is not None or (kind is Kind.LINE and self._is_full):
            return
        try:
            self._append(kind, body)
        except OSError as exc:
            self._complain(kind, exc)
            if kind is not Kind.LINE:
                raise
        crash_point("spool.appended")
        if kind is Kind.LINE and self._size > MOST_BYTES:
            self._is_full = True
            log.warning("transcript_cut", task_id=self.head.task_id, attempt=self.head.attempt, bytes=self._size)

    async def end(self, kind: Kind, body: Mapping[str, Any]) -> None:
        """Add the ending and see it onto the disk, however long that takes."""
        is_written = False
        while True:
            try:
                if not is_written:
                    self._append(kind, body)
                    is_written = True
                await asyncio.to_thread(self._sync)
                break
            except OSError as exc:
                self._complain(kind, exc)
                await asyncio.sleep(RETRY_SECONDS)
        crash_point("spool.ended")
        self.close()

    def close(self) -> None:
        """Nothing more will come; what is there is still delivered."""
        self._closed.set()
        self._changed.set()

    def release(self) -> None:
        """Free the file; the spool is not used any more."""
        self.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def records(self, position: int | None = None) -> Generator[Record]:
        """The records from `position` on, by default all, one at a time; to be closed where not all are taken."""
        with (self._folder / FILE).open("rb") as file:
            position = self._start if position is None else position
            file.seek(position)
            for line in file:
                position += len(line)
                record = _parsed(line, position)
                if record is None:
                    return
                yield record

    def acknowledge(self, position: int) -> None:
        """The server has everything before `position`."""
        self._acked = max(self._acked, position)
        with contextlib.suppress(OSError):  # the next process sends some of it again
            _write_acked(self._folder / ACKED, self._acked)

    def rewind(self, line: int) -> bool:
        """Go back to transcript line `line`, which the server turned out to miss; False where it is not here."""
        before = self._start
        with contextlib.closing(self.records()) as records:
            for record in records:
                if record.kind is Kind.LINE and record.number == line:
                    self._acked = before
                    return True
                before = record.end
        return False

    async def more(self) -> None:
        """Wait until a record was added, or the spool was closed, since the last call."""
        await self._changed.wait()
        self._changed.clear()

    async def wait_closed(self, seconds: float) -> None:
        """Wait until nothing more will come, but no longer than so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()

    def _append(self, kind: Kind, body: Mapping[str, Any]) -> None:
        record: dict[str, Any] = {"k": kind.value, "b": self._redact(body)}
        if kind in NUMBERED:
            record["n"] = self._counts[kind]
        self._write(record)
        self._note(kind)
        self._changed.set()

    def _note(self, kind: Kind) -> None:
        if kind in NUMBERED:
            self._counts[kind] += 1
        if kind in ENDINGS:
            self.ending = kind

    def _complain(self, kind: Kind, exc: OSError) -> None:
        log.error("spool_write_failed", task_id=self.head.task_id, kind=kind.value, reason=exc.strerror)

    def _write(self, value: Mapping[str, Any]) -> None:
        line = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        crash_point("spool.torn", leaving=lambda: os.write(self._fd, line[: len(line) // 2]))
        try:
            written = os.write(self._fd, line)
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError:
            os.ftruncate(self._fd, self._size)  # half a record would hide all that follow it
            raise
        self._size += len(line)

    def _sync(self) -> None:
        os.fsync(self._fd)
        for folder in (self._folder, self._folder.parent, self._folder.parent.parent):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _parsed(line: bytes, end: int) -> Record | None:
    try:
        value = json.loads(line)
        return Record(Kind(value["k"]), value["b"], value.get("n", -1), end) if line.endswith(b"\n") else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _read_acked(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _write_acked(path: Path, position: int) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(str(position), encoding="ascii")
    crash_point("spool.acknowledging")
    draft.replace(path)
