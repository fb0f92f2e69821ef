"""Sees to it that a running guest with a list of hosts has its gate: a process that ends when the VM does.

The gate holds a lock as long as it lives; where the lock is free there is none, and one is started.
"""

import subprocess
import sys
from pathlib import Path

from agent_swarm.vm.layout import Layout
from agent_swarm.vm.locks import file_locked
from agent_swarm.vm.machine import Egress, Machine
from agent_swarm.vm.names import VmRef


def ensure(layout: Layout, machine: Machine, ref: VmRef) -> None:
    """Start the gate of a VM that runs, where it needs one and has none; two that start at once sort it out."""
    if machine.egress is not Egress.ALLOWLIST:
        return
    paths = layout.of(ref)
    with file_locked(lock_of(paths.folder)) as is_free:
        if not is_free:
            return
    detached = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with paths.egress_log.open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "agent_swarm.vm.egress.gate", str(layout.root), ref.vm_id],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            creationflags=detached,
        )


def lock_of(folder: Path) -> Path:
    """What the gate of the VM in that folder holds."""
    return folder / "channels" / "egress.lock"
