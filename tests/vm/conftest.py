"""For VMs: the tiny guest, a machine that holds VMs in a folder of the test, and a guest that runs."""

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from agent_swarm.testing.tiny_guest import build
from agent_swarm.vm import images
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.images import BaseImage
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.machine import Egress, Machine
from agent_swarm.vm.names import ref_of
from agent_swarm.vm.projects import Size
from agent_swarm.vm.provider import QemuProvider
from agent_swarm.vm.qemu import programs
from agent_swarm.vm.qemu.command_line import Engine
from agent_swarm.vm.qemu.hosts import Accelerator, this_host
from agent_swarm.vm.repair import cut_power

pytest.register_assert_rewrite("agent_swarm.testing.vm_contract")

ROOT = Path(__file__).resolve().parents[2]
SMALL = Size(cpus=1, memory_mb=128, disk_gb=0)


def lacking(what: str) -> None:
    """Skip the test, or fail where nothing may be skipped."""
    (pytest.fail if os.environ.get("SKIP_NOTHING") else pytest.skip)(what)


@cache
def translated() -> Engine:
    """QEMU as it works on every machine."""
    host = this_host()
    return Engine(host=host, accelerator=Accelerator.TCG, program=programs.emulator(host), is_confined=True)


@pytest.fixture(scope="session")
def qemu() -> None:
    if shutil.which("qemu-img") is None or shutil.which(this_host().emulator) is None:
        lacking("QEMU is not installed: make system-deps")


@pytest.fixture(scope="session")
def tiny_guest() -> Path:
    folder = ROOT / "build/tiny-guest"
    if not all((folder / part).exists() for part in build.PARTS):
        lacking("there is no tiny guest: make guest")
    return folder


@pytest.fixture(scope="session")
def tiny_layout(qemu: None, tiny_guest: Path, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A folder with the tiny guest as its base image."""
    layout = Layout(tmp_path_factory.mktemp("vms"))
    images.take_in(layout, tiny_guest, name="tiny")
    return layout


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for VMs; those that still run at the end of the test are ended."""
    yield tmp_path / "home"
    layout = Layout(tmp_path / "home")
    for folder in layout.vms.glob("*") if layout.vms.is_dir() else ():
        ref = ref_of(folder.name)
        if ref is not None:
            cut_power(layout.of(ref))


@pytest.fixture
def vm_host(home: Path, qemu: None) -> VmHost:
    return VmHost(Layout(home), lambda: QemuProvider(translated()))


@pytest.fixture
def tiny_host(vm_host: VmHost, tiny_layout: Layout) -> VmHost:
    """A machine with the tiny guest as its base image, and no VM."""
    vm_host.layout.prepare()
    shutil.copytree(tiny_layout.base_images / "tiny", vm_host.layout.base_images / "tiny")
    return vm_host


@pytest.fixture
def tiny_image(tiny_host: VmHost) -> BaseImage:
    return images.choose(tiny_host.layout, "tiny")


def small_machine(vm_id: str, uuid: str, disk: Path, image: BaseImage, egress: Egress = Egress.NONE) -> Machine:
    return Machine(vm_id=vm_id, uuid=uuid, cpus=1, memory_mb=128, disk=disk, boot=image.boot, egress=egress)
