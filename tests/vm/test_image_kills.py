"""A command that makes a base image is killed at every named point; the next one finds an image, or nothing of it."""

import hashlib
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest
from tests.vm.conftest import SMALL
from tests.vm.other_system import OtherSystem, become, run_command
from tests.vm.test_cloud_images import TOLD
from tests.vm.test_golden_transcripts import folder  # noqa: F401 - a fixture
from tests.vm.test_image_download import Server, server  # noqa: F401 - a fixture

from agent_swarm import faults
from agent_swarm.faults import BuildPoint
from agent_swarm.vm import cleaning, images
from agent_swarm.vm.building import cloud, debian, initrd
from agent_swarm.vm.errors import VmExists
from agent_swarm.vm.guest import agent_program
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.processes import started_with
from agent_swarm.vm.qemu.hosts import HostSystem

DISK = b"\xeb\x63\x90\0".ljust(1 << 16, b"\0")  # as one with a boot sector begins
NOW = datetime.now(UTC)

# Stands in for mmdebstrap: the tree is the last argument, the kernel's folder lies beside it.
MMDEBSTRAP = """#!/bin/sh
for root; do :; done
mkdir -p "$root" && echo kernel > "$(dirname "$root")/image/vmlinuz"
"""


def killed_at(point: BuildPoint, work: Callable[[], object]) -> None:
    """Do `work` in a process that is killed when it has reached `point`; it has to get there."""

    def die(reached: str, _: object) -> None:
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched() -> None:
        faults.watch(die)
        work()

    process = get_context("fork").Process(target=watched)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL, f"{point} was not reached: {process.exitcode}"


def told(host: VmHost, *, now: datetime = NOW) -> list[Path]:
    """What gc would remove; it leaves it."""
    found = [one.path for one in cleaning.collect(host, unknown=True, is_rehearsal=True, now=now)]
    assert all(path.exists() for path in found)
    return found


def left_in(host: VmHost) -> list[str]:
    """All that lies beside the images, and locks of what is being made."""
    places = (host.layout.base_images.glob(".*"), (host.layout.root / "locks").glob(".*"))
    return [path.name for place in places for path in place]


def taken_back(host: VmHost) -> None:
    """There is no image, gc tells what is left and removes it."""
    assert images.listed(host.layout) == []
    before = told(host)
    assert before
    assert [one.path for one in cleaning.collect(host, unknown=False, is_rehearsal=False, now=NOW)] == before
    assert left_in(host) == []


@pytest.fixture
def bare_host(tmp_path: Path) -> VmHost:
    """A machine on which nothing has to run."""
    return VmHost(Layout(tmp_path / "home"), lambda: pytest.fail("no VM was to run"))


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "tools.img"
    path.write_bytes(DISK)
    return path


@pytest.mark.parametrize("point", [BuildPoint.IMAGE_BEGUN, BuildPoint.IMAGE_COPIED, BuildPoint.IMAGE_SEALED])
def test_given_a_kill_while_an_image_is_taken_in_then_it_is_none_and_can_be_taken_in_again(
    vm_host: VmHost, disk: Path, point: BuildPoint
) -> None:
    killed_at(point, lambda: images.take_in(vm_host.layout, disk))
    taken_back(vm_host)
    images.verify(images.take_in(vm_host.layout, disk))
    assert left_in(vm_host) == []


def test_given_a_kill_when_an_image_has_its_name_then_it_is_whole(vm_host: VmHost, disk: Path) -> None:
    killed_at(BuildPoint.IMAGE_NAMED, lambda: images.take_in(vm_host.layout, disk))
    (image,) = images.listed(vm_host.layout)
    images.verify(image)
    assert image.disk.stat().st_mode & 0o777 == 0o444
    assert told(vm_host) == []
    with pytest.raises(VmExists):
        images.take_in(vm_host.layout, disk)


@pytest.fixture
def debian_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Debian takes no time here, and no root."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in (("mmdebstrap", MMDEBSTRAP), ("mke2fs", "#!/bin/sh\n"), ("cc", "#!/bin/sh\n")):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(agent_program, "compile_static", Path.touch)
    monkeypatch.setattr(initrd, "built", lambda *_: b"initrd")


@pytest.mark.usefixtures("debian_tools")
@pytest.mark.parametrize(
    "point", [BuildPoint.DEBIAN_FILLED, BuildPoint.DEBIAN_PACKED, BuildPoint.IMAGE_COPIED, BuildPoint.IMAGE_SEALED]
)
def test_given_a_kill_while_a_debian_is_built_then_it_is_none_and_can_be_built_again(
    vm_host: VmHost, point: BuildPoint
) -> None:
    killed_at(point, lambda: debian.build(vm_host.layout, name="debian"))
    taken_back(vm_host)
    images.verify(debian.build(vm_host.layout, name="debian"))
    assert left_in(vm_host) == []


@pytest.mark.parametrize("point", [BuildPoint.CLOUD_COPIED, BuildPoint.CLOUD_PREPARED, BuildPoint.CLOUD_RESTED])
def test_given_a_kill_while_a_cloud_image_is_built_then_the_next_command_takes_it_back_and_builds_it(
    folder: Path,  # noqa: F811 - the fixture
    disk: Path,
    point: BuildPoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guest is a stand-in, which is gone when its command is; the test below has a real one."""
    other: OtherSystem = become(HostSystem.MACOS, folder, monkeypatch)
    words = ["init-base", "--image", str(disk), "--prepare", "--no-setup"]
    killed_at(point, lambda: run_command(words))
    names = [path.name for path in (other.home / "base-images").iterdir()]
    assert [name.rpartition("-")[0].rstrip("0123456789") for name in names] == [".new-build-"]
    assert run_command(words) == 0
    assert [path.name for path in (other.home / "base-images").iterdir()] == ["tools"]
    assert list(other.home.glob("run/*")) == []


@pytest.mark.slow
def test_given_a_kill_while_the_guest_of_a_cloud_image_runs_then_it_is_ended_and_nothing_is_left(
    vm_host: VmHost, tiny_guest: Path
) -> None:
    build = partial(cloud.build, vm_host, tiny_guest, name="cloud", setup=None, told=TOLD, size=SMALL)
    killed_at(BuildPoint.CLOUD_BOOTED, build)
    (scratch,) = told(vm_host)
    uuid = Machine.read(scratch / "config.json").uuid
    assert len(started_with(uuid)) == 1
    taken_back(vm_host)
    assert started_with(uuid) == []


def fetched(host: VmHost, server: Server, content: bytes) -> bytes:  # noqa: F811 - the fixture
    digest = hashlib.sha256(content).hexdigest()
    with cloud.fetched(host.layout, server.url, sha256=digest, progress=lambda *_: None) as part:
        return part.read_bytes()


@pytest.mark.parametrize(
    ("point", "asked"),
    [(BuildPoint.DOWNLOAD_TORN, "bytes=1048576-"), (BuildPoint.DOWNLOAD_WHOLE, "bytes=3145728-")],
)
def test_given_a_kill_while_an_image_is_fetched_then_the_next_command_goes_on_and_gc_removes_it_after_a_week(
    bare_host: VmHost,
    server: Server,  # noqa: F811 - the fixture
    point: BuildPoint,
    asked: str,
) -> None:
    server.content = content = os.urandom(3 << 20)
    killed_at(point, lambda: fetched(bare_host, server, content))
    assert images.listed(bare_host.layout) == []
    assert told(bare_host, now=datetime.now(UTC)) == []
    (part,) = images.downloads(bare_host.layout)
    assert told(bare_host, now=datetime.now(UTC) + cleaning.DOWNLOAD_KEPT) == [part]
    assert fetched(bare_host, server, content) == content
    assert server.asked[-1] == asked
    assert images.downloads(bare_host.layout) == []


@pytest.mark.parametrize("point", [BuildPoint.DOWNLOAD_TORN, BuildPoint.CLOUD_COPIED, BuildPoint.IMAGE_SEALED])
def test_given_a_kill_while_an_image_is_made_of_an_address_then_the_same_command_makes_it_and_leaves_nothing(
    folder: Path,  # noqa: F811 - the fixture
    server: Server,  # noqa: F811 - the fixture
    point: BuildPoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = become(HostSystem.WINDOWS, folder, monkeypatch)
    server.content = content = DISK + os.urandom(2 << 20)
    digest = hashlib.sha256(content).hexdigest()
    words = ["init-base", "--url", server.url, "--sha256", digest, "--name", "tools", "--no-setup"]
    killed_at(point, lambda: run_command(words))
    layout = Layout(other.home)
    assert images.listed(layout) == []
    assert run_command(words) == 0
    (image,) = images.listed(layout)
    images.verify(image)
    assert image.source == f"{server.url} {digest}"
    assert [path.name for path in layout.base_images.iterdir()] == ["tools"]
    assert server.asked[1:] == [f"bytes={1 << 20 if point is BuildPoint.DOWNLOAD_TORN else len(content)}-"]


def test_given_downloads_that_were_cut_off_then_gc_removes_old_ones_that_no_command_holds(bare_host: VmHost) -> None:
    bare_host.layout.prepare()
    ages = {"young": timedelta(days=6, hours=23), "old": timedelta(days=8), "held": timedelta(days=30)}
    parts = {name: bare_host.layout.base_images / f"{images.DOWNLOAD}{name}" for name in ages}
    for name, path in parts.items():
        path.write_bytes(b"x" * 100)
        since = (NOW - ages[name]).timestamp()
        os.utime(path, (since, since))
    with ExitStack() as held:
        assert held.enter_context(images.being_made(bare_host.layout, parts["held"]))
        assert told(bare_host) == [parts["old"]]
        (gone,) = cleaning.collect(bare_host, unknown=False, is_rehearsal=False, now=NOW)
    assert (gone.path, gone.size_bytes) == (parts["old"], 100)
    assert gone.why == "a download that was cut off 8 days ago"
    assert images.downloads(bare_host.layout) == [parts["held"], parts["young"]]


def test_given_a_command_that_makes_an_image_just_now_then_gc_leaves_it_alone(vm_host: VmHost, disk: Path) -> None:
    seen: list[list[Path]] = []

    def look(point: str, _: object) -> None:
        if point == BuildPoint.IMAGE_COPIED:
            seen.append([one.path for one in cleaning.collect(vm_host, unknown=False, is_rehearsal=False, now=NOW)])

    faults.watch(look)
    try:
        image = images.take_in(vm_host.layout, disk)
    finally:
        faults.watch(None)
    assert seen == [[]]
    images.verify(image)
