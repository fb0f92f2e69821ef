"""Projects: VMs that are set up once and then cloned for tasks."""

import uuid
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.vm import generations, images, layers, room, running, setup_script
from agent_swarm.vm.errors import InUse, VmExists
from agent_swarm.vm.generations import Generation
from agent_swarm.vm.guest.client import Sink
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.images import BaseImage
from agent_swarm.vm.journal import OperationKind, Step, operation
from agent_swarm.vm.machine import Egress, Machine
from agent_swarm.vm.names import VmRef, project_ref
from agent_swarm.vm.qemu import image_tool
from agent_swarm.vm.registry import Registry, VmRow
from agent_swarm.vm.repair import remove_files

WAIT_SECONDS = 120.0  # for another command on the same project: clones take turns with its disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How big the VMs of a project are; as they have always been, where nobody says anything else."""

    cpus: int = 2
    memory_mb: int = 4096
    disk_gb: int = 20


def create_project(
    host: VmHost, name: str, *, base: str | None = None, size: Size = Size(), setup: Sink | None = None
) -> VmRow:
    """A project VM made of a base image, booted and left running.

    Where the user's `setup.sh` is another one than the image was built with it is run, and what it prints goes to
    `setup`; None leaves it out. Raises VmExists, NoBaseImage, NoRoom, SetupFailed and more.
    """
    ref = project_ref(name)
    with host.locked(ref) as registry:
        registry.require_absent(ref)
        require_no_folder(host, ref)
        image = images.choose(host.layout, base)
        images.verify(image)
        room.require_disk(host.layout.vms, room.LAYER_BYTES)
        row = VmRow(
            ref=ref,
            project=ref.name,
            provider=host.provider().name,
            origin=image.name,
            status="running",
            created_at="",
        )
        with operation(host, registry, OperationKind.CREATE, ref) as progress:
            host.paths(ref).folder.mkdir(mode=0o700)
            progress.reached(Step.FOLDER_MADE)
            machine = _machine(host, ref, image, size)
            machine.write(host.paths(ref).config)
            layers.put_on_top(host.paths(ref), image.disk)
            _grow(host.paths(ref).disk, size)
            progress.reached(Step.LAYER_MADE)
            started = running.power_on(host, machine, ref)
            progress.reached(Step.STARTED)
            running.greet(host, machine, ref, started)
            progress.reached(Step.GREETED)
            if setup is not None and (script := setup_script.due_in_project(host.layout, image.setup)) is not None:
                with running.channel(host, ref, started) as guest:
                    setup_script.run(guest, script, setup)
            with progress.ending():
                registry.add(row)
        return registry.get(ref)


def stop_project(host: VmHost, name: str) -> tuple[bool, Generation]:
    """Stop a project; whether it ran, and the generation that new tasks are cloned from."""
    ref = project_ref(name)
    with host.locked(ref) as registry:
        ref = registry.get(ref).ref
        did_run = running.stop(host, registry, ref)
        return did_run, seal(host, registry, ref)


def seal(host: VmHost, registry: Registry, ref: VmRef) -> Generation:
    """The generation that the disk of this stopped project is, made where it has changed since the last one."""
    paths = host.paths(ref)
    if (unchanged := generations.current(paths)) is not None:
        return unchanged
    number = generations.next_number(paths)
    with operation(host, registry, OperationKind.SEAL, ref, number=number) as progress:
        generations.set_aside(paths, number)
        progress.reached(Step.LAYER_MOVED)
        generations.finish_sealing(paths, number)
        progress.reached(Step.LAYER_SEALED)
        with progress.ending():
            registry.set_status(ref, "stopped")
    return generations.listed(paths)[0]


def delete_project(host: VmHost, name: str) -> None:
    """Delete a project and its generations; raises InUse while tasks are cloned from it."""
    ref = project_ref(name)
    with host.locked(ref) as registry:
        row = registry.get(ref)
        if clones := clones_of(registry, row.ref):
            hint = f"delete these first: agent-swarm bulk delete --project {row.ref.name}"
            raise InUse(str(row.ref), clones, hint=hint)
        remove(host, registry, row.ref)


def clones_of(registry: Registry, project: VmRef) -> list[str]:
    """The tasks that are cloned from a project, also those that are being made."""
    known = {task.ref.name for task in registry.tasks() if task.project.casefold() == project.name.casefold()}
    coming = {str(one.details["task"]) for one in registry.unfinished() if one.details.get("project") == project.name}
    return sorted(known | coming)


def remove(host: VmHost, registry: Registry, ref: VmRef) -> None:
    """Delete a VM of which nothing hangs."""
    with operation(host, registry, OperationKind.DELETE, ref) as progress:
        remove_files(host, ref)
        progress.reached(Step.FILES_REMOVED)
        with progress.ending():
            registry.remove(ref)


def require_no_folder(host: VmHost, ref: VmRef) -> None:
    """Nothing where no files of such a VM lie about; raises VmExists: they may be somebody's work."""
    if host.paths(ref).folder.exists():
        raise VmExists(
            f"{host.paths(ref).folder} exists, though no {ref.kind} of that name is known",
            hint="move it away if it holds something of worth, or have it removed: agent-swarm gc",
        )


def _machine(host: VmHost, ref: VmRef, image: BaseImage, size: Size) -> Machine:
    return Machine(
        vm_id=ref.vm_id,
        uuid=str(uuid.uuid4()),
        cpus=size.cpus,
        memory_mb=size.memory_mb,
        disk=host.paths(ref).disk,
        boot=image.boot,
        egress=Egress.OPEN,
    )


def _grow(disk: Path, size: Size) -> None:
    wanted = size.disk_gb << 30
    if wanted > image_tool.inspect(disk, image_format="qcow2").virtual_bytes:
        image_tool.grow(disk, wanted)
