"""One command at a time per VM.

The lock belongs to the open file: the system frees it when the process ends, however it ends. So a free lock beside an
operation that has not ended says that its command died.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_swarm.vm.errors import VmBusy
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.names import VmRef

_POLL_SECONDS = 0.05


@contextmanager
def locked(layout: Layout, ref: VmRef, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Have the VM for this command alone; raises VmBusy where another one has it for longer than `wait_seconds`."""
    descriptor = _taken(layout.of(ref).lock, wait_seconds)
    if descriptor is None:
        holder = _holder(layout.of(ref).lock)
        raise VmBusy(f"another command (pid {holder}) works on {ref}", hint="wait until it has ended, then try again")
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_if_free(layout: Layout, ref: VmRef) -> Iterator[bool]:
    """Have the VM for this command where nobody has it; the value says whether that is so."""
    with file_locked(layout.of(ref).lock) as is_ours:
        yield is_ours


@contextmanager
def file_locked(path: Path) -> Iterator[bool]:
    """Have the lock of that file where nobody has it; the value says whether that is so."""
    descriptor = _taken(path, 0.0)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _taken(path: Path, wait_seconds: float) -> int | None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    give_up_at = time.monotonic() + wait_seconds
    while not _try_lock(descriptor):
        if time.monotonic() >= give_up_at:
            os.close(descriptor)
            return None
        time.sleep(_POLL_SECONDS)  # a wait in flock() could not be given a limit
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip() or "unknown"
    except OSError:  # Windows lets nobody read what another process has locked
        return "unknown"


if sys.platform == "win32":  # pragma: no cover - runs there alone
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
