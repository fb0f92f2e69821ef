"""The processes of this host as /proc shows them: who descends from whom, since when, and with which marker.

The supervisor imports this and has to start in milliseconds, so nothing here imports more than the interpreter has
already loaded, and paths are plain text. Off Linux there is no /proc: every look-up then finds nothing, and the process
provider does not claim to reap descendants.
"""

import os
import signal
import sys
from collections.abc import Iterable

IS_LINUX = sys.platform == "linux"

# Fields of /proc/<pid>/stat counted from behind the command name, which may itself hold blanks and brackets: proc(5).
_STATE, _PARENT, _START_TICKS = 0, 1, 19


def descendants(root: int, *, by_parents: bool | None = None) -> set[int]:
    """Everything that descends from `root`, zombies included, at about this moment.

    A process that forks or loses its parent during the walk may be missed: repeat until nothing is found. `by_parents`
    looks at the parent of every process of the host; by default only where the kernel keeps no lists of children.
    """
    if by_parents is None:
        by_parents = not _lists_children()
    table = _children_by_parent() if by_parents else None
    found: set[int] = set()
    open_ends = [root]
    while open_ends:
        pid = open_ends.pop()
        for child in _children(pid) if table is None else table.get(pid, ()):
            if child not in found:
                found.add(child)
                open_ends.append(child)
    found.discard(root)
    return found


def start_ticks(pid: int) -> int | None:
    """When `pid` started, in clock ticks since boot: with the pid, an identity that no later process has."""
    fields = _stat_fields(pid)
    return int(fields[_START_TICKS]) if fields else None


def is_running(pid: int) -> bool:
    """Whether `pid` exists and is more than a zombie waiting for its parent."""
    fields = _stat_fields(pid)
    return bool(fields) and fields[_STATE] not in ("Z", "X")


def boot_id() -> str:
    """Names this boot of the kernel; start ticks mean nothing across two of them."""
    return _read("/proc/sys/kernel/random/boot_id").decode().strip()


def carriers(marker: str) -> set[int]:
    """The processes that were started with the environment entry `marker` (`NAME=value`), this one excluded."""
    entry = marker.encode()
    mine = os.getpid()
    return {pid for pid in _pids() if pid != mine and entry in _read(f"/proc/{pid}/environ").split(b"\0")}


def known_inside_as(inner: int, *, below: int) -> int | None:
    """The descendant of `below` that has the pid `inner` in the PID namespace it is in."""
    for pid in descendants(below):
        for line in _read(f"/proc/{pid}/status").splitlines():
            if line.startswith(b"NSpid:") and line.split()[-1] == b"%d" % inner:
                return pid
    return None


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send the signal to each of `pids`; one that is gone, or belongs to another user, is passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def kill_tree(root: int) -> set[int]:
    """SIGKILL to every descendant of `root`, and which they were.

    All are stopped before the first is killed: a stopped process cannot fork, so the walk catches up with one that
    forks faster than we look.
    """
    stopped: set[int] = set()
    while found := descendants(root) - stopped:
        signal_all(found, signal.SIGSTOP)
        stopped |= found
    signal_all(stopped, signal.SIGKILL)
    return stopped


def _lists_children() -> bool:
    """Whether the kernel keeps a list of children per task (CONFIG_PROC_CHILDREN; gVisor, for one, does not)."""
    pid = os.getpid()
    return os.path.exists(f"/proc/{pid}/task/{pid}/children")


def _children(pid: int) -> Iterable[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for task in tasks:  # each thread has the children that it forked
        yield from map(int, _read(f"/proc/{pid}/task/{task}/children").split())


def _children_by_parent() -> dict[int, list[int]]:
    table: dict[int, list[int]] = {}
    for pid in _pids():
        if fields := _stat_fields(pid):
            table.setdefault(int(fields[_PARENT]), []).append(pid)
    return table


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if IS_LINUX else []


def _stat_fields(pid: int) -> list[str]:
    return _read(f"/proc/{pid}/stat").decode(errors="replace").rpartition(")")[2].split()


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # it ended meanwhile, or is another user's
        return b""
