"""End what is left of a run whose supervisor is gone: the second line of defence.

Three ways to find it, none of which can point at a stranger: the recorded supervisor by pid and start time, the
members of the run's own cgroup, and every process that was started with the run's marker in its environment. A
process that left all three (re-parented, without a cgroup, and with an emptied environment) is not found; the
supervisor finds that one while it lives.
"""

import asyncio
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from agent_swarm.sandbox import cgroup, processtree, records
from agent_swarm.sandbox.errors import SurvivingProcesses
from agent_swarm.sandbox.records import ProcessRecord

PATIENCE = timedelta(seconds=5)  # how long a process may take to die of SIGKILL
_RECHECK_SECONDS = 0.005


async def end_abandoned(state_dir: Path) -> int:
    """End what dead workers left behind by the records under `state_dir`; how many processes. The records are removed.

    A record whose worker still runs is not ours to touch.
    """
    count = 0
    for record in await asyncio.to_thread(records.read_all, state_dir):
        is_of_this_boot = record.boot_id == processtree.boot_id()
        if is_of_this_boot and record.worker.is_running():
            continue
        if is_of_this_boot:
            count += await end(record)
        record.remove(state_dir)
    return count


async def end(record: ProcessRecord) -> int:
    """SIGKILL to all that is left of this process, until nothing is; how many it were.

    Raises SurvivingProcesses when one does not die.
    """
    ended: set[int] = set()
    give_up_at = time.monotonic() + PATIENCE.total_seconds()
    while found := await asyncio.to_thread(_kill, record):
        ended |= found
        if time.monotonic() > give_up_at:
            raise SurvivingProcesses(
                f"processes {sorted(found)} of run {record.run_id!r} outlived SIGKILL for {PATIENCE.seconds} s",
                hint="they wait for the kernel, or belong to another user: see ps -o pid,user,stat,wchan",
                details={"runId": record.run_id, "pids": sorted(found)},
            )
        await asyncio.sleep(_RECHECK_SECONDS)
    await remove_leaf(record)
    return len(ended)


async def remove_leaf(record: ProcessRecord) -> None:
    """Remove the record's cgroup once the last process has left it."""
    leaf = _leaf(record)
    give_up_at = time.monotonic() + PATIENCE.total_seconds()
    while leaf is not None and not leaf.remove() and time.monotonic() < give_up_at:  # noqa: ASYNC110 - the kernel's event
        await asyncio.sleep(_RECHECK_SECONDS)


def _kill(record: ProcessRecord) -> set[int]:
    """One round: send SIGKILL to whatever is found, and tell what was found running."""
    leaf = _leaf(record)
    found = leaf.members() if leaf else set()
    root = record.supervisor
    if root.is_running():
        found |= {root.pid} | processtree.descendants(root.pid)
    found |= processtree.carriers(record.marker)
    running = {pid for pid in found if processtree.is_running(pid)} - {os.getpid()}

    if leaf:
        leaf.kill()
    if root.is_running():
        processtree.kill_tree(root.pid)
    processtree.signal_all(running, signal.SIGKILL)
    return running


def _leaf(record: ProcessRecord) -> cgroup.Leaf | None:
    """The record's cgroup, if it is one that we would have made for it: a file is not trusted to name any other."""
    if record.cgroup is None or record.cgroup.name != f"{cgroup.PREFIX}{record.name}":
        return None
    return cgroup.Leaf(record.cgroup)
