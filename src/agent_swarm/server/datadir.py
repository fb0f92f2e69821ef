"""The server's data directory: there, ours, and used by one server at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_swarm.config import SettingError

LOCK_NAME = "server.lock"


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Have `data_dir` for this process alone; raises SettingError where that cannot be.

    The lock belongs to the open file: the system frees it when the process ends, however it ends.
    """
    descriptor = _open_lock(data_dir)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise SettingError(
                f"another server (pid {holder}) uses the data directory {data_dir}",
                hint="stop it first, or give this one its own directory: --data-dir or DATA_DIR",
            ) from exc
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open_lock(data_dir: Path) -> int:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise SettingError(
            f"cannot use the data directory {data_dir}: {exc.strerror}",
            hint="make it writable for this user, or choose another one: --data-dir or DATA_DIR",
        ) from exc
