"""What nobody needs any more, and nobody would miss: halves of images and of downloads, files of VMs nobody knows."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from agent_swarm.vm import images
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.locks import locked_if_free
from agent_swarm.vm.names import VmRef, ref_of
from agent_swarm.vm.qemu import lifecycle
from agent_swarm.vm.registry import Registry
from agent_swarm.vm.repair import cut_power, remove_files, repair_all

DOWNLOAD_KEPT: Final = timedelta(days=7)  # since its last byte came; until then `init-base` goes on with it
_HALF: Final = "a base image that was never finished"
_HALF_OF_OTHERS: Final = f"{_HALF}, and not yours; it stays, remove it with: sudo -E agent-swarm gc"


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that can go."""

    path: Path
    why: str
    size_bytes: int


def collect(host: VmHost, *, unknown: bool, is_rehearsal: bool, now: datetime) -> list[Leftover]:
    """Remove leftovers, or say which there are; with `unknown` also VMs that the registry does not know.

    Downloads go once nothing has come for `DOWNLOAD_KEPT`. Unknown VMs are not removed unasked: where the registry was
    lost they are all that is left of somebody's work.
    """
    if not is_rehearsal:
        repair_all(host)
    found = _halves_of_images(host, is_rehearsal=is_rehearsal)
    found += _old_downloads(host, now, is_rehearsal=is_rehearsal)
    return found + (_unknown_vms(host, is_rehearsal=is_rehearsal) if unknown else [])


def take_back(host: VmHost) -> list[Leftover]:
    """Remove what commands that died left of images, and end the guests that they booted for it; what that was."""
    return _halves_of_images(host, is_rehearsal=False)


def _halves_of_images(host: VmHost, *, is_rehearsal: bool) -> list[Leftover]:
    looked_at = (_half_of_image(host, path, is_rehearsal=is_rehearsal) for path in images.unfinished(host.layout))
    return [found for found in looked_at if found is not None]


def _half_of_image(host: VmHost, path: Path, *, is_rehearsal: bool) -> Leftover | None:
    try:
        with images.being_made(host.layout, path) as is_ours:  # a command that makes it just now has the lock
            if not is_ours or not path.exists():
                return None
            found = _leftover(path, _HALF)
            if not is_rehearsal:
                _end_guest(VmPaths(path, path, path / "lock"))  # it may have booted to be built
                images.discard(host.layout, path)
    except PermissionError:  # a Debian is built by root
        return Leftover(path, _HALF_OF_OTHERS, 0)
    return found


def _end_guest(paths: VmPaths) -> None:
    """Its sockets have a folder of their own, which no other guest will have."""
    sockets = lifecycle.socket_folder_of(paths)
    cut_power(paths)
    if sockets is not None:
        with suppress(OSError):
            sockets.rmdir()


def _old_downloads(host: VmHost, now: datetime, *, is_rehearsal: bool) -> list[Leftover]:
    found = []
    for path in images.downloads(host.layout):
        with images.being_made(host.layout, path) as is_ours, suppress(FileNotFoundError):
            age = now - datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if not is_ours or age < DOWNLOAD_KEPT:
                continue
            found.append(Leftover(path, f"a download that was cut off {age.days} days ago", path.stat().st_size))
            if not is_rehearsal:
                path.unlink()
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
