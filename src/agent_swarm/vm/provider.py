"""What runs VMs: a small protocol, so that other engines than QEMU can follow.

A provider declares what it can do; whoever needs more is refused before anything happens. Disks are layers of qcow2
files for all of them, and guests are spoken to through the agent, so a provider has no more to do than to run machines.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.qemu import lifecycle
from agent_swarm.vm.qemu.command_line import Engine
from agent_swarm.vm.qemu.hosts import Accelerator, HostSystem
from agent_swarm.vm.qemu.lifecycle import RunningVm


class VmCapability(StrEnum):
    """What a provider can do beyond running VMs."""

    OWN_KERNEL = "ownKernel"  # a guest's kernel is its own: what breaks out of a process has broken out of nothing
    ACCELERATED = "accelerated"  # the processor runs the guest's instructions itself
    CONFINED = "confined"  # the process of a VM may use only few system calls
    EGRESS_NONE = "egressNone"  # a guest can be kept off the network


class VmProvider(Protocol):
    """Runs machines. All of it may be called from several threads, for different machines."""

    @property
    def name(self) -> str:
        """Under which its VMs stand in the registry."""
        ...

    @property
    def capabilities(self) -> frozenset[VmCapability]:
        """What it can do here."""
        ...

    def start(self, machine: Machine, paths: VmPaths, sockets: Path) -> RunningVm:
        """Start a machine that does not run; it goes on when this process ends. Raises EngineFailed."""
        ...

    def find(self, machine: Machine, paths: VmPaths) -> RunningVm | None:
        """The machine where it runs, whoever started it; None where it does not."""
        ...

    def end(self, machine: Machine, paths: VmPaths) -> None:
        """End it as if its power were cut, and clear away what said that it runs; nothing where it does not run."""
        ...


@dataclass(frozen=True, slots=True)
class QemuProvider(VmProvider):
    """QEMU, with what the probe boots found to work."""

    engine: Engine

    @property
    def name(self) -> str:
        return self.engine.host.provider

    @property
    def capabilities(self) -> frozenset[VmCapability]:
        found = {VmCapability.OWN_KERNEL, VmCapability.EGRESS_NONE}
        if self.engine.accelerator is not Accelerator.TCG:
            found.add(VmCapability.ACCELERATED)
        if self.engine.is_confined:
            found.add(VmCapability.CONFINED)
        return frozenset(found)

    def start(self, machine: Machine, paths: VmPaths, sockets: Path) -> RunningVm:
        return lifecycle.start(self.engine, machine, paths, sockets)

    def find(self, machine: Machine, paths: VmPaths) -> RunningVm | None:
        return lifecycle.find(machine, paths)

    def end(self, machine: Machine, paths: VmPaths) -> None:
        lifecycle.end(machine, paths)


# Where a provider was tried out on real machines; what only recordings hold says so to people.
PROVEN_ON = frozenset({HostSystem.LINUX})
