"""The file of checkpoints outside the database: a line each, appended and on the disk, never changed.

Several servers may write to one file: they take turns by a lock, and a number that is there is not written again.
What a kill left of a line is cut off by the next who writes; readers pass over it.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_swarm.audit.checkpoints import LINE_BYTES, Checkpoint, CheckpointUnreadable, parse
from agent_swarm.audit.files import sync_folder
from agent_swarm.audit.keys import PublicKey
from agent_swarm.domain.errors import SwarmError
from agent_swarm.faults import crash_point

FILE_NAME: Final = "checkpoints.jsonl"
_SEQ: Final = re.compile(rb',"seq":(\d{1,19}),')
_PLAIN: Final = b'"introduces":null'  # of a line that introduces no key


class LedgerUnreadable(SwarmError):
    """The file of checkpoints cannot be read, or what is in it is none."""

    code = "checkpointsUnreadable"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The checkpoints in the file at `path`."""

    path: Path

    def lines(self) -> Iterator[bytes]:
        """Every whole line, the first one first. Raises LedgerUnreadable where there is no file."""
        try:
            with self.path.open("rb") as file:
                while line := file.readline(LINE_BYTES + 1):
                    if line.endswith(b"\n"):
                        yield line[:-1]
                    elif len(line) > LINE_BYTES:
                        yield line  # refused by whoever reads it
        except OSError as exc:
            raise _unreadable(self.path, exc.strerror or str(exc)) from exc

    def last(self) -> Checkpoint | None:
        """The last checkpoint; None where there is none. Raises LedgerUnreadable."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            return self._last_in(file.fileno())

    def append(self, checkpoints: Sequence[Checkpoint]) -> int:
        """Add those that follow what is there, and have them on the disk; answers the last number in the file."""
        with self._locked() as descriptor:
            last = self._last_in(descriptor)
            number = last.number if last else 0
            for checkpoint in checkpoints:
                if checkpoint.number == number + 1:
                    _write(descriptor, checkpoint.line.encode() + b"\n")
                    number += 1
            os.fsync(descriptor)
        return number

    def key_of(self, key_id: str) -> PublicKey | None:
        """The key of this id that a checkpoint in the file introduced, signed or not; None where none did."""
        return next((key for key in self.introduced() if key.id == key_id), None)

    def introduced(self) -> list[PublicKey]:
        """The keys that the checkpoints in the file introduced, signed or not, the first one first."""
        if not self.path.exists():
            return []
        keys = (_introduced(line) for line in self.lines() if _PLAIN not in line)
        return [key for key in keys if key is not None]

    def about(self, first: int, last: int | None) -> Iterator[bytes]:
        """The lines about events from `first` to `last`, picked by sight; None: to the end."""
        for line in self.lines() if self.path.exists() else ():
            seq = _SEQ.search(line)
            if seq is not None and first <= int(seq[1]) and (last is None or int(seq[1]) <= last):
                yield line

    @contextmanager
    def _locked(self) -> Iterator[int]:
        is_new = not self.path.exists()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_new:
                sync_folder(self.path.parent)
            _cut_off_torn_line(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _last_in(self, descriptor: int) -> Checkpoint | None:
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, 2 * LINE_BYTES, max(0, size - 2 * LINE_BYTES))
        whole = tail[: tail.rfind(b"\n") + 1]
        if not whole:
            if size > LINE_BYTES:
                raise _unreadable(self.path, "its last line is no checkpoint")
            return None
        line = whole[:-1].rpartition(b"\n")[2]
        try:
            return parse(line)
        except CheckpointUnreadable as exc:
            raise _unreadable(self.path, f"its last line is no checkpoint: {exc.message}") from None


def _introduced(line: bytes) -> PublicKey | None:
    try:
        return parse(line).introduces
    except CheckpointUnreadable:
        return None


def _write(descriptor: int, line: bytes) -> None:
    crash_point("notary.torn", leaving=lambda: os.write(descriptor, line[: len(line) // 2]))
    if os.write(descriptor, line) != len(line):
        raise OSError("the disk took only a part of a checkpoint")


def _cut_off_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    start = max(0, size - LINE_BYTES)
    tail = os.pread(descriptor, LINE_BYTES, start)
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(descriptor, start + tail.rfind(b"\n") + 1)


def _unreadable(path: Path, reason: str) -> LedgerUnreadable:
    return LedgerUnreadable(
        f"the checkpoints in {path} cannot be used: {reason}",
        hint="keep the file as evidence, and look at it with: agent-swarm audit verify --checkpoints FILE",
    )
