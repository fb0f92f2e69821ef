"""Control groups (v2) as a way to end a whole run at once: `cgroup.kill` reaches every process in the group.

No controller is switched on and nothing is limited; this needs a writable cgroup2 directory and nothing else. Where
there is none, the supervisor's walk over its descendants does the same work, a few milliseconds slower.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

PREFIX = "agent-swarm-"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One group of our own, for one process and its descendants."""

    path: Path

    def kill(self) -> None:
        """SIGKILL to everything in the group; nothing happens when the group is gone."""
        try:
            (self.path / "cgroup.kill").write_text("1")
        except OSError:
            return

    def members(self) -> set[int]:
        """The processes in the group and in groups below it."""
        found: set[int] = set()
        for directory, _, _ in os.walk(self.path):
            try:
                found.update(map(int, Path(directory, "cgroup.procs").read_text().split()))
            except OSError:
                continue
        return found

    def remove(self) -> bool:
        """Remove the group and those below it; False while a process is still on its way out."""
        for directory, _, _ in os.walk(self.path, topdown=False):
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True


def find_home() -> Path | None:
    """The cgroup2 directory that this process belongs to, if groups can be made and killed below it."""
    try:
        home = home_from(mounts=_read("/proc/self/mountinfo"), membership=_read("/proc/self/cgroup"))
    except OSError:
        return None
    return home if home is not None and _can_kill_below(home) else None


def home_from(*, mounts: str, membership: str) -> Path | None:
    """Where cgroup2 shows our own group, by the text of /proc/self/mountinfo and /proc/self/cgroup."""
    own = next((line[3:] for line in membership.splitlines() if line.startswith("0::/")), None)
    for line in mounts.splitlines():
        fields, _, kind = line.partition(" - ")
        if own is None or ".." in own.split("/") or kind.split(" ", 1)[0] != "cgroup2":
            continue
        root, mount_point = fields.split()[3:5]
        below = os.path.relpath(own, root)
        if not below.startswith(".."):  # else our group lies outside of what is mounted here
            return Path(os.path.normpath(os.path.join(mount_point, below)))
    return None


def path_of(home: Path, name: str) -> Path:
    """Where the group of this name lies below `home`."""
    return home / f"{PREFIX}{name}"


def _can_kill_below(home: Path) -> bool:
    probe = path_of(home, f"probe-{os.getpid()}-{time.monotonic_ns()}")
    try:
        probe.mkdir()
    except OSError:
        return False
    can_kill = (probe / "cgroup.kill").exists()  # since Linux 5.14
    probe.rmdir()
    return can_kill


def _read(path: str) -> str:
    return Path(path).read_text()
