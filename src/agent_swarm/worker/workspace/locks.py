"""Locks between processes on one worker's directory.

Every git command inherits the descriptor of the lock it runs under. So a lock stays taken while a git of a killed
worker is still busy, and whoever gets it knows that the lock files left in the repository are nobody's.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

from agent_swarm.worker.workspace.errors import MirrorBusy

_POLL = 0.05  # seconds; only ever waited where two processes share one directory


@contextlib.asynccontextmanager
async def exclusive(path: Path, *, patience: timedelta) -> AsyncIterator[int]:
    """Hold the lock on `path` alone; raises MirrorBusy when it does not come free within `patience`."""
    with _opened(path) as descriptor:
        try:
            async with asyncio.timeout(patience.total_seconds()):
                while not _try(descriptor, fcntl.LOCK_EX):  # noqa: ASYNC110 - a thread in flock() cannot be cancelled
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise MirrorBusy(
                f"another process has held {path} for more than {patience.total_seconds():g} s",
                hint="look for a git or worker process that hangs on this host and end it",
            ) from None
        yield descriptor


class UseLock:
    """Says that a directory is in use: shared by a worker and all its commands.

    `was_idle` tells whether nobody else used it at that moment, so that leftovers in it may be cleared away.
    """

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.was_idle = _try(self.descriptor, fcntl.LOCK_EX)

    def share(self) -> None:
        """Let other processes in again; call it once leftovers are cleared away."""
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Stop using it; twice is fine."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def clear_lock_files(git_dir: Path) -> tuple[str, ...]:
    """Remove the lock files that a killed git left in a repository nobody uses; returns their names.

    Objects are left out: a new object is written under a random name and needs no lock.
    """
    folders = [folder for name in ("refs", "logs") if not (folder := git_dir / name).is_symlink()]
    candidates = [*git_dir.glob("*.lock"), *(path for folder in folders for path in folder.rglob("*.lock"))]
    removed = [path for path in candidates if path.is_file() or path.is_symlink()]
    for path in removed:
        path.unlink(missing_ok=True)
    return tuple(str(path.relative_to(git_dir)) for path in removed)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
