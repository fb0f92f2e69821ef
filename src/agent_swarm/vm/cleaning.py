"""What nobody needs any more, and nobody would miss: halves of images, files of VMs that nobody knows."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.vm import images
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.locks import locked_if_free
from agent_swarm.vm.names import VmRef, ref_of
from agent_swarm.vm.registry import Registry
from agent_swarm.vm.repair import cut_power, remove_files, repair_all


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that can go."""

    path: Path
    why: str
    size_bytes: int


def collect(host: VmHost, *, unknown: bool, is_rehearsal: bool) -> list[Leftover]:
    """Remove leftovers, or say which there are; with `unknown` also VMs that the registry does not know.

    Those are not removed unasked: where the registry was lost they are all that is left of somebody's work.
    """
    if not is_rehearsal:
        repair_all(host)
    found = _halves_of_images(host, is_rehearsal=is_rehearsal)
    return found + (_unknown_vms(host, is_rehearsal=is_rehearsal) if unknown else [])


def _halves_of_images(host: VmHost, *, is_rehearsal: bool) -> list[Leftover]:
    found = []
    for path in images.unfinished(host.layout):
        with images.being_made(host.layout, path) as is_ours:  # a command that makes it just now has the lock
            if is_ours:
                found.append(_leftover(path, "a base image that was never finished"))
            if is_ours and not is_rehearsal:
                cut_power(VmPaths(path, path, path / "lock"))  # it may have booted to be built
                shutil.rmtree(path, ignore_errors=True)
    return found


def _unknown_vms(host: VmHost, *, is_rehearsal: bool) -> list[Leftover]:
    found = []
    with host.registry() as registry:
        for ref in _refs_on_disk(host):
            with locked_if_free(host.layout, ref) as is_ours:  # a command that makes it just now has the lock
                if not is_ours or _is_known(registry, ref):
                    continue
                found.append(_leftover(host.paths(ref).folder, f"the {ref.kind} {ref.name!r} is not in the registry"))
                if not is_rehearsal:
                    remove_files(host, ref)
    return found


def _is_known(registry: Registry, ref: VmRef) -> bool:
    return registry.find(ref) is not None or any(one.vm_id == ref.vm_id for one in registry.unfinished())


def _refs_on_disk(host: VmHost) -> list[VmRef]:
    folders = [*host.layout.vms.glob("*"), *(host.layout.root / "snapshots").glob("*")]
    refs = {ref for folder in folders if (ref := ref_of(folder.name)) is not None}
    return sorted(refs, key=lambda ref: ref.vm_id)


def _leftover(path: Path, why: str) -> Leftover:
    files = [one for one in path.rglob("*") if one.is_file() and not one.is_symlink()]
    return Leftover(path, why, sum(one.stat().st_size for one in files))
