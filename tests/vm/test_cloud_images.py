"""Cloud images: the disc that cloud-init reads, and a base image that is really built by a guest that boots from one.

The tiny guest runs the user data as cloud-init would; `test_debian_image` has cloud-init itself.
"""

import base64
import io
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.vm.conftest import SMALL
from tests.vm.test_vm_life_cycle import said

from agent_swarm.vm import images, setup_script
from agent_swarm.vm.building import cloud, iso, seed
from agent_swarm.vm.errors import GuestUnreachable, SetupFailed, VmExists
from agent_swarm.vm.guest import agent_program
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.names import project_ref
from agent_swarm.vm.processes import started_with
from agent_swarm.vm.projects import create_project
from agent_swarm.vm.qemu.hosts import Architecture, Host, HostSystem

TOLD = cloud.Told(step=lambda _: None, output=lambda _: None)


def test_given_files_then_the_disc_is_one_that_the_standard_describes() -> None:
    disc = iso.image("cidata", {"user-data": b"u" * 3000, "meta-data": b"meta"})
    assert len(disc) % 2048 == 0
    descriptor = disc[16 * 2048 : 17 * 2048]
    assert descriptor[:6] == b"\1CD001"
    assert descriptor[40:72].strip() == b"cidata"
    assert struct.unpack("<I", descriptor[80:84])[0] * 2048 == len(disc)
    assert descriptor[881] == 1
    folder, found = disc[20 * 2048 : 21 * 2048], {}
    while folder[:1] != b"\0":
        sector, size = struct.unpack("<I", folder[2:6])[0], struct.unpack("<I", folder[10:14])[0]
        found[folder[33 : 33 + folder[32]]] = disc[sector * 2048 : sector * 2048 + size]
        folder = folder[folder[0] :]
    assert list(found)[2:] == [b"META-DATA.;1", b"USER-DATA.;1"]
    assert found[b"META-DATA.;1"] == b"meta"
    assert found[b"USER-DATA.;1"] == b"u" * 3000
    with pytest.raises(ValueError, match="cannot be a name"):
        iso.image("cidata", {"a name that is by far too long for it": b""})


def test_given_a_host_that_cannot_make_the_agent_then_its_sources_come_along_and_compile(tmp_path: Path) -> None:
    script = seed.user_data(seed.agent(Host(HostSystem.MACOS, Architecture.AARCH64)), "token").decode()
    assert script.startswith("#!/bin/sh\n")
    assert "\necho token > /opt/agent-swarm/prepared\n" in script
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    packed = base64.b64decode(script.partition("<< 'END' | tar -xz -C $work\n")[2].partition("\nEND\n")[0])
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert set(archive.getnames()) == {path.name for path in agent_program.SOURCES.iterdir()}
        archive.extractall(tmp_path, filter="data")
    if shutil.which("cc"):
        options = ["-std=gnu11", "-Os", "-static", "-s", "-o", "agent"]
        sources = sorted(path.name for path in tmp_path.glob("*.c"))
        assert subprocess.run(["cc", *options, *sources], cwd=tmp_path, check=False).returncode == 0


def test_given_a_host_then_ubuntu_is_the_one_for_its_processor() -> None:
    image, sums = cloud.ubuntu_urls(Host(HostSystem.MACOS, Architecture.AARCH64))
    assert image.endswith("/ubuntu-24.04-server-cloudimg-arm64.img")
    assert sums.rpartition("/")[0] == image.rpartition("/")[0]
    assert "amd64" in cloud.ubuntu_urls(Host(HostSystem.LINUX, Architecture.X86_64))[0]


def test_given_no_setup_then_the_default_one_is_written_once_and_an_edited_one_stays(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    script = setup_script.written_once(layout)
    assert script.content == setup_script.DEFAULT.read_bytes()
    assert subprocess.run(["bash", "-n", script.path], check=False).returncode == 0
    script.path.write_text("#!/bin/sh\n")
    assert setup_script.written_once(layout).content == b"#!/bin/sh\n"


@pytest.mark.parametrize(
    ("content", "built_with", "is_due"),
    [
        (None, None, False),
        ("default", None, False),  # a ready-made image, and nobody asked for it
        ("mine", None, True),
        ("default", "default", False),
        ("mine", "default", True),
        ("mine", "mine", False),
        ("default", "", True),  # it was left out when the image was built
    ],
)
def test_given_a_setup_then_a_project_runs_it_where_its_image_has_not(
    tmp_path: Path, content: str | None, built_with: str | None, is_due: bool
) -> None:
    layout = Layout(tmp_path / "home")
    layout.prepare()
    texts = {"default": setup_script.DEFAULT.read_bytes(), "mine": b"#!/bin/sh\necho mine\n"}
    if content is not None:
        (layout.root / "setup.sh").write_bytes(texts[content])
    known = setup_script.SetupScript(tmp_path, texts[built_with]).sha256 if built_with else built_with
    assert (setup_script.due_in_project(layout, known) is not None) == is_due
    assert (layout.root / "setup.sh").read_bytes() == texts[content or "default"]  # there to be edited, in any case


def setup(host: VmHost, text: str) -> setup_script.SetupScript:
    host.layout.prepare()
    (host.layout.root / "setup.sh").write_text(f"#!/bin/sh\n{text}\n")
    return setup_script.written_once(host.layout)


def is_clean(host: VmHost) -> bool:
    return not [path for path in host.layout.base_images.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_given_a_cloud_image_when_it_is_built_then_it_boots_into_projects_that_are_set_up(
    vm_host: VmHost, tiny_guest: Path
) -> None:
    printed = bytearray()
    script = setup(vm_host, "echo setting up; id -un > /etc/set-up-by; echo x >> /etc/runs")
    told = cloud.Told(step=lambda _: None, output=printed.extend)
    image = cloud.build(vm_host, tiny_guest, name="cloud", setup=script, told=told, size=SMALL, origin="there")
    assert printed.decode() == "setting up\n"
    assert (image.setup, image.source) == (script.sha256, "there")
    assert is_clean(vm_host)
    images.verify(image)
    with pytest.raises(VmExists):
        cloud.build(vm_host, tiny_guest, name="cloud", setup=script, told=told, size=SMALL)

    create_project(vm_host, "one", size=SMALL, setup=printed.extend)
    asked = "cat /etc/set-up-by /etc/runs; ls /opt/agent-swarm; cat /etc/hostname"
    lines = said(vm_host, project_ref("one"), "sh", "-c", asked).splitlines()
    assert lines[:4] == ["root", "x", "setup.sh", "one"]  # once, and not again in the project
    setup(vm_host, "echo again; echo y >> /etc/runs")
    create_project(vm_host, "two", size=SMALL, setup=printed.extend)
    assert said(vm_host, project_ref("two"), "cat", "/etc/runs") == "x\ny\n"
    create_project(vm_host, "three", size=SMALL)  # left out
    assert said(vm_host, project_ref("three"), "cat", "/etc/runs") == "x\n"
    setup(vm_host, "echo broken >&2; exit 9")
    with pytest.raises(SetupFailed, match=r"setup\.sh ended with 9 in the guest: .*broken"):
        create_project(vm_host, "four", size=SMALL, setup=printed.extend)
    assert not vm_host.paths(project_ref("four")).folder.exists()


@pytest.mark.slow
def test_given_a_setup_that_fails_when_an_image_is_built_then_nothing_is_left(
    vm_host: VmHost, tiny_guest: Path
) -> None:
    script = setup(vm_host, "echo no such package; exit 100")
    with pytest.raises(SetupFailed, match="ended with 100 in the guest: no such package") as refused:
        cloud.build(vm_host, tiny_guest, name="cloud", setup=script, told=TOLD, size=SMALL)
    assert "setup.sh" in refused.value.hint
    assert is_clean(vm_host)
    assert images.listed(vm_host.layout) == []
    assert started_with("base-image") == []


@pytest.mark.slow
def test_given_a_guest_that_cannot_be_prepared_then_its_console_says_why(
    vm_host: VmHost, tiny_guest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(archive: bytes, token: str) -> bytes:
        return user_data(archive, token).replace(b"mkdir -p /usr/local/sbin", b"no-such-command")

    user_data = seed.user_data
    monkeypatch.setattr(seed, "user_data", broken)
    with pytest.raises(GuestUnreachable, match="no-such-command: not found"):
        cloud.build(vm_host, tiny_guest, name="cloud", setup=None, told=TOLD, size=SMALL)
    assert is_clean(vm_host)
    assert started_with("base-image") == []
