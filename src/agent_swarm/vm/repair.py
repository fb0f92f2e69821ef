"""What a command that died, or failed, left half done is finished, or taken back; every step may be done twice."""

from collections.abc import Callable, Mapping

from agent_swarm.vm import generations, layers
from agent_swarm.vm.errors import VmError
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.journal import OperationKind
from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.locks import locked_if_free
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.names import VmRef, ref_of
from agent_swarm.vm.qemu import lifecycle
from agent_swarm.vm.registry import Operation, Registry
from agent_swarm.vm.removing import remove_tree


def repair(host: VmHost, registry: Registry, ref: VmRef) -> list[Operation]:
    """Put right what is half done on this VM, whose lock the caller has; what that was."""
    found = [one for one in registry.unfinished() if one.vm_id.casefold() == ref.folded]
    for one in found:
        _REPAIRS[OperationKind(one.kind)](host, registry, ref, one)
    return found


def repair_all(host: VmHost) -> list[Operation]:
    """Put right what is half done on any VM that no command works on; what that was."""
    found: list[Operation] = []
    with host.registry() as registry:
        refs = {ref for one in registry.unfinished() if (ref := ref_of(one.vm_id)) is not None}
        for ref in sorted(refs, key=lambda ref: ref.vm_id):
            with locked_if_free(host.layout, ref) as is_ours:
                found += repair(host, registry, ref) if is_ours else []
    return found


def remove_files(host: VmHost, ref: VmRef) -> None:
    """End the VM and take all of its files away."""
    paths = host.paths(ref)
    cut_power(paths)
    # The disk's folder goes last: as long as it is there, there is something to see.
    remove_tree(paths.snapshots)
    remove_tree(paths.folder)
    if paths.folder.exists():
        raise VmError(f"cannot remove {paths.folder}", hint="see who owns it, and remove it by hand")


def cut_power(paths: VmPaths) -> None:
    """End the VM whatever it is doing; nothing where it does not run, or never was made."""
    try:
        machine = Machine.read(paths.config)
    except VmError:
        return  # without that it was never started
    lifecycle.end(machine, paths)


def _take_back_create(host: VmHost, registry: Registry, ref: VmRef, one: Operation) -> None:
    remove_files(host, ref)
    with registry.ending(one.id):
        pass


def _finish_delete(host: VmHost, registry: Registry, ref: VmRef, one: Operation) -> None:
    remove_files(host, ref)
    with registry.ending(one.id):
        registry.remove(ref)


def _finish_seal(host: VmHost, registry: Registry, ref: VmRef, one: Operation) -> None:
    generations.finish_sealing(host.paths(ref), int(one.details["number"]))
    with registry.ending(one.id):
        registry.set_status(ref, "stopped")


def _finish_checkpoint(host: VmHost, registry: Registry, ref: VmRef, one: Operation) -> None:
    layers.finish_setting_aside(host.paths(ref), host.paths(ref).snapshots / f"{one.details['name']}.qcow2")
    with registry.ending(one.id):
        pass


def _take_back_restore(host: VmHost, registry: Registry, ref: VmRef, one: Operation) -> None:
    layers.remove_unfinished(host.paths(ref))
    with registry.ending(one.id):
        registry.set_status(ref, "stopped")


_Repair = Callable[[VmHost, Registry, VmRef, Operation], None]

_REPAIRS: Mapping[OperationKind, _Repair] = {
    OperationKind.CREATE: _take_back_create,
    OperationKind.DELETE: _finish_delete,
    OperationKind.SEAL: _finish_seal,
    OperationKind.CHECKPOINT: _finish_checkpoint,
    OperationKind.RESTORE: _take_back_restore,
}
