"""The lock beside an SQLite file that keeps a second server, or a command that needs the file alone, away from it.

It belongs to the open file: the system frees it when the process ends, however it ends. The file stays.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_swarm.domain.errors import SwarmError

_TOLD_BYTES = 120


class StoreLockedError(SwarmError):
    """Another process has the database open."""

    code = "storeLocked"


def lock(path: Path, *, purpose: str = "") -> int:
    """Hold the lock of the database at `path` until the answer is closed.

    Raises StoreLockedError naming the process that holds it, and what for where that is no server.
    """
    descriptor = os.open(_beside(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _told(descriptor)
        os.close(descriptor)
        raise StoreLockedError(
            f"{path} is in use by another server ({holder})",
            hint="stop that server, or choose another directory with --data-dir",
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}{', ' if purpose else ''}{purpose}\n".encode())
    return descriptor


@contextmanager
def locked(path: Path, *, purpose: str) -> Iterator[None]:
    """Hold the lock for a while."""
    descriptor = lock(path, purpose=purpose)
    try:
        yield
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> str | None:
    """Who holds the lock, such as `process 4242`; None where it is free. Makes no file.

    To ask means to share the lock for a moment; a server that starts in that very moment is refused.
    """
    try:
        descriptor = os.open(_beside(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        return None if exc.errno == errno.ENOENT else "somebody whose lock this user may not read"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _told(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _told(descriptor: int) -> str:
    holder = os.pread(descriptor, _TOLD_BYTES, 0).decode(errors="replace").strip()
    return f"process {holder or 'unknown'}"
