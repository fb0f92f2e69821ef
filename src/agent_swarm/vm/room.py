"""Whether this machine has room for what is about to be made; before it is begun, not in the middle."""

import os
import shutil
from pathlib import Path
from typing import Final

from agent_swarm.vm.errors import NoRoom

LAYER_BYTES: Final = 1 << 30  # a guest that boots and installs something writes as much soon
_MIB = 1 << 20


def require_disk(folder: Path, needed_bytes: int) -> None:
    """Nothing where the file system of `folder` has that much left; raises NoRoom."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise NoRoom(
            f"{folder} has {free // _MIB} MiB left, {needed_bytes // _MIB} MiB are needed",
            hint="free some: agent-swarm gc, agent-swarm delete; or set AGENT_SWARM_HOME to a folder on another disk",
        )


def require_memory(needed_mb: int) -> None:
    """Nothing where that much memory is left, or nobody can tell; raises NoRoom."""
    left = available_memory_mb()
    if left is not None and left < needed_mb:
        raise NoRoom(
            f"{left} MiB of memory are left, the VM is to have {needed_mb} MiB",
            hint="stop another VM: agent-swarm stop; or give projects less: agent-swarm project create --memory",
        )


def available_memory_mb() -> int | None:
    """What the system could give without swapping; None where it does not say so (it does on Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:")), None)


def parallel(memory_mb: int) -> int:
    """How many VMs of that size may be started at once: two per processor, and no more than memory allows."""
    by_memory = (available_memory_mb() or memory_mb) // max(1, memory_mb)
    return max(1, min(2 * (os.cpu_count() or 1), by_memory))
