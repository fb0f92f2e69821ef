"""What is the case with VMs, as against what the registry last wanted: hosts are restarted, QEMU is killed."""

from dataclasses import replace

from agent_swarm.vm.errors import VmError
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.locks import locked_if_free
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.qemu import lifecycle
from agent_swarm.vm.registry import Registry, VmRow
from agent_swarm.vm.repair import repair_all

RUNNING, STOPPED, BROKEN = "running", "stopped", "broken"


def projects(host: VmHost) -> list[VmRow]:
    """All projects, each with the status that is the case."""
    repair_all(host)
    with host.registry() as registry:
        return [_reconciled(host, registry, row) for row in registry.projects()]


def tasks(host: VmHost, project: str | None = None) -> list[VmRow]:
    """All tasks, or those of a project, each with the status that is the case."""
    repair_all(host)
    with host.registry() as registry:
        return [_reconciled(host, registry, row) for row in registry.tasks(project)]


def status_of(host: VmHost, row: VmRow) -> str:
    """`running`, `stopped`, or `broken` where its files are gone."""
    paths = host.paths(row.ref)
    try:
        machine = Machine.read(paths.config)
    except VmError:
        return BROKEN
    if lifecycle.find(machine, paths) is not None:
        return RUNNING
    return STOPPED if paths.disk.exists() else BROKEN


def _reconciled(host: VmHost, registry: Registry, row: VmRow) -> VmRow:
    status = status_of(host, row)
    if status == STOPPED and row.status == RUNNING:
        with locked_if_free(host.layout, row.ref) as is_ours:  # a command that starts it just now knows better
            if is_ours:
                registry.set_status(row.ref, STOPPED)
    return replace(row, status=status)
