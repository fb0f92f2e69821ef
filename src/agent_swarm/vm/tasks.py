"""Tasks: VMs that are clones of a project, each with a disk of its own on top of a generation."""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from agent_swarm.vm import layers, room, running
from agent_swarm.vm.egress.hosts import Reach, reach_of
from agent_swarm.vm.generations import Generation
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.journal import OperationKind, Progress, Step, operation
from agent_swarm.vm.machine import Egress, Machine
from agent_swarm.vm.names import VmRef, project_ref, task_ref
from agent_swarm.vm.projects import WAIT_SECONDS, remove, require_no_folder, seal
from agent_swarm.vm.qemu.lifecycle import RunningVm
from agent_swarm.vm.registry import VmRow


def create_task(
    host: VmHost, project: str, name: str, *, egress: Egress = Egress.ALLOWLIST, allow: Sequence[str] = ()
) -> VmRow:
    """A task VM cloned from a project, booted and left running.

    A project that runs is stopped first, and stays so: its disk becomes the generation that this and later tasks share.
    With an `egress` that is a list, the guest reaches the hosts of ALWAYS and of `allow`, and nothing else.
    Raises InvalidInput, UnknownVm, VmExists, NoRoom and what starting can raise; then nothing is left of it.
    """
    ref = task_ref(name)
    reach = reach_of(egress, allow)
    with host.locked(ref) as registry:
        registry.require_absent(ref)
        require_no_folder(host, ref)
        room.require_disk(host.layout.vms, room.LAYER_BYTES)
        source = registry.get(project_ref(project)).ref
        with operation(
            host, registry, OperationKind.CREATE, ref, task=ref.name, project=source.name
        ) as progress:  # from here on the project cannot be deleted
            generation = _generation(host, source)
            machine = _clone(host, progress, source, ref, generation, reach)
            started = running.power_on(host, machine, ref)
            progress.reached(Step.STARTED)
            running.greet(host, machine, ref, started)
            progress.reached(Step.GREETED)
            with progress.ending():
                registry.add(_row(host, source, ref, generation))
        return registry.get(ref)


def start_task(host: VmHost, name: str) -> None:
    """Start a task; nothing where it runs. Raises UnknownVm and what starting can raise."""
    ensure_running(host, task_ref(name))


def stop_task(host: VmHost, name: str) -> bool:
    """Stop a task; whether it ran."""
    ref = task_ref(name)
    with host.locked(ref) as registry:
        return running.stop(host, registry, registry.get(ref).ref)


def delete_task(host: VmHost, name: str) -> None:
    """Delete a task with its disk and its checkpoints."""
    ref = task_ref(name)
    with host.locked(ref) as registry:
        remove(host, registry, registry.get(ref).ref)


def ensure_running(host: VmHost, ref: VmRef) -> RunningVm:
    """The VM, started where it did not run. Another command that is just starting it is waited for."""
    with host.locked(ref, wait_seconds=WAIT_SECONDS) as registry:
        return running.ensure_running(host, registry, registry.get(ref).ref)


def _generation(host: VmHost, project: VmRef) -> Generation:
    """What the project is now. Several tasks made at once take turns, and the first one makes the generation."""
    with host.locked(project, wait_seconds=WAIT_SECONDS) as registry:
        running.stop(host, registry, registry.get(project).ref)
        return seal(host, registry, project)


def _clone(
    host: VmHost, progress: Progress, source: VmRef, ref: VmRef, generation: Generation, reach: Reach
) -> Machine:
    paths = host.paths(ref)
    paths.folder.mkdir(mode=0o700)
    progress.reached(Step.FOLDER_MADE)
    machine = replace(
        Machine.read(host.paths(source).config),
        vm_id=ref.vm_id,
        uuid=str(uuid.uuid4()),
        disk=paths.disk,
        egress=reach.egress,
        allow=reach.hosts,
    )
    machine.write(paths.config)
    layers.put_on_top(paths, generation.disk)
    progress.reached(Step.LAYER_MADE)
    return machine


def _row(host: VmHost, source: VmRef, ref: VmRef, generation: Generation) -> VmRow:
    return VmRow(
        ref=ref,
        project=source.name,
        provider=host.provider().name,
        origin=f"{source.vm_id}/generations/{generation.number}",
        status="running",
        created_at="",
    )
