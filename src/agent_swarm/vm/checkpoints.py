"""Checkpoints of a task: its disk as it was, under a name, to go back to.

A checkpoint is the layer that the VM wrote to; the VM goes on with an empty one on top. So it costs nothing to make,
whatever the file system, and going back to it is an empty layer on top of it. What was in memory is not part of it: the
VM is stopped for a checkpoint, and started again where it ran.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent_swarm.vm import layers, running
from agent_swarm.vm.errors import UnknownCheckpoint, VmExists
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.journal import OperationKind, Step, operation
from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.names import checked, checkpoint_name_of, task_ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One checkpoint."""

    name: str
    layer: Path
    created_at: datetime


def checkpoint(host: VmHost, task: str, name: str | None = None) -> Checkpoint:
    """Keep the task's disk as it is under a name; raises VmExists where there is one of that name."""
    ref = task_ref(task)
    chosen = checked("checkpoint", name) if name is not None else checkpoint_name_of(datetime.now(UTC))
    with host.locked(ref) as registry:
        ref = registry.get(ref).ref
        paths = host.paths(ref)
        target = paths.snapshots / f"{chosen}.qcow2"
        if any(one.name.casefold() == chosen.casefold() for one in listed(paths)):
            raise VmExists(f"{ref} has a checkpoint {chosen!r}", hint="give the new one another name")
        did_run = running.stop(host, registry, ref)
        with operation(host, registry, OperationKind.CHECKPOINT, ref, name=chosen) as progress:
            layers.set_aside(paths, target)
            progress.reached(Step.LAYER_MOVED)
            layers.finish_setting_aside(paths, target)
            progress.reached(Step.LAYER_SEALED)
            with progress.ending():
                pass
        if did_run:
            running.ensure_running(host, registry, ref)
    return _checkpoint(target)


def restore(host: VmHost, task: str, name: str | None = None) -> Checkpoint:
    """Have the task's disk as it was at that checkpoint, or at the last one; the task is stopped then.

    What was on the disk since is gone. Raises UnknownCheckpoint; then nothing has changed.
    """
    ref = task_ref(task)
    with host.locked(ref) as registry:
        ref = registry.get(ref).ref
        paths = host.paths(ref)
        found = _find(str(ref), listed(paths), name)
        running.stop(host, registry, ref)
        with operation(host, registry, OperationKind.RESTORE, ref, name=found.name) as progress:
            progress.reached(Step.STOPPED)
            layers.put_on_top(paths, found.layer)
            progress.reached(Step.LAYER_MADE)
            with progress.ending():
                registry.set_status(ref, "stopped")
    return found


def checkpoints_of(host: VmHost, task: str) -> list[Checkpoint]:
    """The checkpoints of a task, oldest first."""
    with host.registry() as registry:
        return listed(host.paths(registry.get(task_ref(task)).ref))


def listed(paths: VmPaths) -> list[Checkpoint]:
    """The checkpoints of a VM, oldest first."""
    found = map(_checkpoint, paths.snapshots.glob("*.qcow2")) if paths.snapshots.is_dir() else ()
    return sorted(found, key=lambda one: (one.created_at, one.name))


def _checkpoint(layer: Path) -> Checkpoint:
    """A layer is not written to any more, so it is as old as it says."""
    changed_at = datetime.fromtimestamp(layer.stat().st_mtime, UTC)
    return Checkpoint(name=layer.stem, layer=layer, created_at=changed_at)


def _find(vm: str, found: Sequence[Checkpoint], name: str | None) -> Checkpoint:
    if not found:
        raise UnknownCheckpoint(f"{vm} has no checkpoint", hint="make one: agent-swarm checkpoint")
    if name is None:
        return found[-1]
    for one in found:
        if one.name == name:
            return one
    raise UnknownCheckpoint(f"{vm} has no checkpoint {name!r}", hint=f"it has: {', '.join(one.name for one in found)}")
