"""A base image of a distribution's cloud image: booted once, given the agent by cloud-init, set up, and put to rest.

Everything is made in a folder beside the images; where it fails, or the command dies, no image has changed.
"""

import os
import secrets
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_swarm.faults import crash_point
from agent_swarm.vm import images, room, setup_script
from agent_swarm.vm.building import seed
from agent_swarm.vm.building.download import Progress, fetch
from agent_swarm.vm.errors import EngineFailed, GuestRefused, GuestUnreachable, VmBusy, VmError
from agent_swarm.vm.guest.client import Channel, Sink
from agent_swarm.vm.guest.frames import Command
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.images import BaseImage
from agent_swarm.vm.layout import Layout, VmPaths
from agent_swarm.vm.machine import DirectBoot, Egress, Machine
from agent_swarm.vm.names import VmKind, VmRef
from agent_swarm.vm.projects import Size
from agent_swarm.vm.qemu import image_tool, lifecycle
from agent_swarm.vm.qemu.hosts import Architecture, Host, this_host
from agent_swarm.vm.qemu.lifecycle import RunningVm
from agent_swarm.vm.setup_script import SetupScript

UBUNTU: Final = "https://cloud-images.ubuntu.com/releases/noble/release"
ROOM_BYTES: Final = 6 << 30
_FIRST_BOOT_SECONDS: Final = 1800.0  # translated, cloud-init takes minutes, and it may have to fetch a compiler
_POLL_SECONDS: Final = 0.5
_SILENCE_SECONDS: Final = 20.0
_FINISH: Final = Path(__file__).with_name("cloud-finish.sh")
_BUILDS: Final = Size()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Where people see what goes on: steps, and what the setup prints."""

    step: Callable[[str], object]
    output: Sink


def ubuntu_urls(host: Host) -> tuple[str, str]:
    """Where the cloud image of Ubuntu 24.04 for such a host is, and its list of checksums."""
    kind = "arm64" if host.architecture is Architecture.AARCH64 else "amd64"
    return f"{UBUNTU}/ubuntu-24.04-server-cloudimg-{kind}.img", f"{UBUNTU}/SHA256SUMS"


@contextmanager
def fetched(layout: Layout, url: str, *, sha256: str, progress: Progress) -> Iterator[Path]:
    """The image of that address, in a file beside the images, which is gone once it has been used.

    Where that fails it stays, so that it need not be fetched again. Raises VmBusy, DownloadFailed, InvalidImage.
    """
    layout.prepare()
    part = layout.base_images / f"{images.DOWNLOAD}{sha256.lower()[:16]}"
    with images.being_made(layout, part) as is_ours:
        if not is_ours:
            raise VmBusy(f"another command fetches {url}", hint="wait until it has ended, then try again")
        fetch(url, part, sha256=sha256, progress=progress)
        crash_point("download.whole")
        yield part
        part.unlink()


def build(
    host: VmHost,
    source: Path,
    *,
    name: str,
    setup: SetupScript | None,
    told: Told,
    origin: str = "",
    size: Size = _BUILDS,
) -> BaseImage:
    """A new base image of a cloud image: with the agent, the user `worker`, and what `setup` installs.

    `source` is a disk image, or a folder with one, a kernel and its initrd. Raises VmExists, InvalidImage, NoRoom,
    GuestUnreachable, SetupFailed.
    """
    images.require_absent(host.layout, name)
    parts = images.parts_of(source)
    image_format = images.format_of(parts[images.DISK])
    host.layout.prepare()
    room.require_disk(host.layout.base_images, ROOM_BYTES)
    room.require_memory(size.memory_mb)
    with images.scratch(host.layout, f"build-{os.getpid()}-{name}") as scratch:
        paths = VmPaths(scratch, scratch, scratch / "lock")
        image_tool.convert(parts[images.DISK], paths.disk, source_format=image_format)
        if size.disk_gb << 30 > image_tool.inspect(paths.disk, image_format="qcow2").virtual_bytes:
            image_tool.grow(paths.disk, size.disk_gb << 30)
        crash_point("cloud.copied")
        token = secrets.token_hex(8)
        (scratch / "seed.iso").write_bytes(seed.disc(this_host(), token))
        _prepare(host, _machine(paths, parts, source, size), paths, token, setup, told)
        return _taken_in(host, paths, parts, name, setup, origin or str(source))


def _machine(paths: VmPaths, parts: dict[str, Path], source: Path, size: Size) -> Machine:
    boot = None
    if images.KERNEL in parts:
        boot = DirectBoot(
            kernel=parts[images.KERNEL], initrd=parts[images.INITRD], command_line=images.command_line_of(source)
        )
    return Machine(
        vm_id="base-image",
        uuid=str(uuid.uuid4()),
        cpus=size.cpus,
        memory_mb=size.memory_mb,
        disk=paths.disk,
        boot=boot,
        egress=Egress.OPEN,
        seed=paths.folder / "seed.iso",
    )


def _prepare(host: VmHost, machine: Machine, paths: VmPaths, token: str, setup: SetupScript | None, told: Told) -> None:
    sockets = host.layout.socket_folder(VmRef(VmKind.PROJECT, f"{images.UNFINISHED}{os.getpid()}"))
    machine.write(paths.config)  # whoever clears up after a kill finds what to end
    told.step("the guest boots for the first time")
    running = host.provider().start(machine, paths, sockets)
    crash_point("cloud.booted")
    try:
        with _prepared(running, paths, token) as guest:
            crash_point("cloud.prepared")
            if setup is not None:
                told.step(f"{setup.path} runs in the guest")
                setup_script.run(guest, setup, told.output)
            told.step("the guest is put to rest")
            _finish(guest)
            guest.power_off()
        if not lifecycle.wait_ended(running.process, 10 * host.stop_seconds):
            raise EngineFailed("the guest does not shut down", hint="try again; see what it runs in its setup")
    finally:
        lifecycle.end(machine, paths)
        shutil.rmtree(sockets, ignore_errors=True)
    crash_point("cloud.rested")


def _prepared(running: RunningVm, paths: VmPaths, token: str) -> Channel:
    """A channel to the guest, once cloud-init has done with it; what came before may have been an older agent."""
    give_up_at = time.monotonic() + _FIRST_BOOT_SECONDS
    while time.monotonic() < give_up_at:
        if not running.process.is_running():
            break
        try:
            guest = Channel.open(running.endpoints.channels[0], timeout=5.0)
        except GuestUnreachable:
            time.sleep(_POLL_SECONDS)
            continue
        try:
            guest.bear_silence(_SILENCE_SECONDS)  # an agent that is replaced while it is asked never answers
            if _is_prepared(guest, token):
                guest.bear_silence(None)
                return guest
        except VmError:  # the agent is just being replaced
            pass
        guest.close()
        time.sleep(_POLL_SECONDS)
    raise GuestUnreachable(
        f"the guest was not prepared: {lifecycle.last_words(paths.console)}",
        hint="it has to be a cloud image with cloud-init, of Debian or Ubuntu, that has a network",
    )


def _is_prepared(guest: Channel, token: str) -> bool:
    said = bytearray()
    guest.run(Command(argv=["cat", "/opt/agent-swarm/prepared"], env={}), stdout=said.extend, stderr=said.extend)
    return said.decode("utf-8", "replace").strip() == token


def _finish(guest: Channel) -> None:
    said = bytearray()
    script = _FINISH.read_text(encoding="utf-8")
    ended = guest.run(Command(argv=["sh", "-c", script], env={}), stdout=said.extend, stderr=said.extend)
    if ended.code != 0:
        raise GuestRefused(
            f"the guest could not be put to rest: {said[-300:].decode('utf-8', 'replace').strip()}",
            hint="see whether its disk is full",
        )


def _taken_in(
    host: VmHost, paths: VmPaths, parts: dict[str, Path], name: str, setup: SetupScript | None, origin: str
) -> BaseImage:
    folder = paths.folder / "image"
    folder.mkdir()
    paths.disk.rename(folder / images.DISK)
    for part in parts.keys() - {images.DISK}:
        shutil.copyfile(parts[part], folder / part)
    line = parts[images.DISK].with_name(images.COMMAND_LINE)
    if images.KERNEL in parts and line.is_file():
        shutil.copyfile(line, folder / images.COMMAND_LINE)
    ran = setup.sha256 if setup is not None else ""
    return images.take_in(host.layout, folder, name=name, origin=origin, setup=ran)
