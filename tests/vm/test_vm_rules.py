"""The rules that everything about VMs rests on, each seen from outside by a command; no guest boots for them."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.vm.other_system import OtherSystem, become, run_command
from tests.vm.test_golden_transcripts import folder  # noqa: F401 - a fixture

from agent_swarm.vm import cleaning, images
from agent_swarm.vm.errors import InvalidImage
from agent_swarm.vm.host import VmHost, this_vm_host
from agent_swarm.vm.journal import OperationKind, Step, operation
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.locks import locked
from agent_swarm.vm.machine import Egress
from agent_swarm.vm.names import project_ref, task_ref
from agent_swarm.vm.processes import ProcessIdentity, started_by_windows
from agent_swarm.vm.qemu.hosts import HostSystem
from agent_swarm.vm.ssh import login
from agent_swarm.vm.tasks import create_task

SHOP, FIX = project_ref("shop"), task_ref("fix")
SECRET = "not-to-be-seen-anywhere"
NOW = datetime.now(UTC)


@pytest.fixture
def other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> OtherSystem:  # noqa: F811 - the fixture
    """A system with a base image, on which everything but QEMU and ssh is real."""
    other = become(HostSystem.MACOS, folder, monkeypatch)
    disk = folder / "tools.img"
    disk.write_bytes(b"\xeb\x63\x90\0".ljust(1 << 16, b"\0"))
    assert run_command(["init-base", "--image", str(disk)]) == 0
    return other


@pytest.fixture
def host(other: OtherSystem) -> VmHost:
    """The same, with a project and a clone of it that runs."""
    assert run_command(["project", "create", "shop"]) == 0
    assert run_command(["create", "shop", "fix"]) == 0
    return this_vm_host(other.home)


def test_given_a_base_image_when_vms_are_made_of_it_then_nobody_may_write_to_it_and_it_is_as_it_was(
    host: VmHost,
) -> None:
    image = images.choose(host.layout, "tools")
    assert image.disk.stat().st_mode & 0o777 == 0o444
    images.verify(image)


def test_given_a_base_image_that_was_changed_when_a_project_is_wanted_then_it_is_refused(
    other: OtherSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = images.choose(Layout(other.home), "tools").disk
    disk.chmod(0o644)
    disk.write_bytes(disk.read_bytes() + b"x")
    assert run_command(["project", "create", "shop"]) == 1
    assert "has changed" in capsys.readouterr().err
    assert other.machines == []


def test_given_another_checksum_than_was_told_then_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(b"disk")
    with pytest.raises(InvalidImage, match=f"expected {'0' * 64}"):
        images.require_sha256(tmp_path / "disk.img", "0" * 64)


def test_given_a_project_with_a_clone_when_it_is_deleted_then_it_is_refused_until_the_clone_is_gone(
    host: VmHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["project", "delete", "shop"]) == 1
    assert "project 'shop' is in use by fix" in capsys.readouterr().err
    assert (host.paths(SHOP).generations / "1/disk.qcow2").exists()
    assert run_command(["delete", "fix"]) == 0
    assert run_command(["project", "delete", "shop"]) == 0


def test_given_a_clone_that_is_being_made_when_its_project_is_deleted_then_it_is_refused(host: VmHost) -> None:
    codes: list[int] = []

    def look(step: Step) -> None:
        if step is Step.LAYER_MADE:
            codes.append(run_command(["project", "delete", "shop"]))

    assert run_command(["delete", "fix"]) == 0
    create_task(replace(host, reached=look), "shop", "other")
    assert codes == [1]
    assert host.paths(SHOP).folder.exists()


def test_given_a_command_on_a_vm_when_another_one_comes_then_it_does_nothing(
    host: VmHost, other: OtherSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(host.layout, FIX):
        assert run_command(["delete", "fix"]) == 1
    assert "works on task 'fix'" in capsys.readouterr().err
    assert other.machines[-1].is_alive


def test_given_the_pid_of_a_vm_that_another_process_has_now_when_it_is_ended_then_that_one_lives_on() -> None:
    command = [sys.executable, "-c", "input()"]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE) as stranger,
        subprocess.Popen(command, stdin=subprocess.PIPE) as ours,
    ):
        ProcessIdentity(stranger.pid, "the boot before/12345").kill()
        ProcessIdentity.of(ours.pid).kill()
        assert ours.wait(10) == -9
        stranger.communicate(b"\n")
        assert stranger.returncode == 0


def test_given_an_operation_when_it_gets_further_then_that_is_written_down_before_the_next_thing_is_done(
    tmp_path: Path,
) -> None:
    written: list[tuple[Step, list[str]]] = []

    def look(step: Step) -> None:
        with watched.registry() as beside:
            written.append((step, [one.step for one in beside.unfinished()]))

    watched = replace(this_vm_host(tmp_path), reached=look)
    with watched.registry() as registry, operation(watched, registry, OperationKind.CREATE, FIX) as progress:
        progress.reached(Step.FOLDER_MADE)
        progress.reached(Step.STARTED)
        with progress.ending():
            pass
    assert written == [
        (Step.BEGUN, ["begun"]),
        (Step.FOLDER_MADE, ["folderMade"]),
        (Step.STARTED, ["started"]),
        (Step.RECORDED, []),
    ]


def test_given_a_variable_when_it_is_used_then_its_value_is_in_no_argument_and_in_no_file(
    host: VmHost, other: OtherSystem
) -> None:
    assert run_command(["env", "set", "TOKEN", SECRET]) == 0
    for words in (["run", "fix", "true"], ["ssh", "fix", "true"], ["project", "ssh", "shop"]):
        assert run_command(words) == 0
    assert any("VM_VARIABLE_TOKEN" in line for line in other.transcript)
    assert not any(SECRET in word for words in other.argument_lists for word in words)
    files = [path for path in host.layout.root.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in files)


def test_given_runs_and_sessions_then_the_ssh_agent_is_lent_to_sessions_alone(host: VmHost, other: OtherSystem) -> None:
    before = len(other.argument_lists)
    assert run_command(["run", "fix", "git", "push"]) == 0
    assert not any(Path(words[0]).name == "ssh" for words in other.argument_lists[before:])
    assert "-A" in login(host, FIX, forward_agent=True).command
    command = login(host, FIX, forward_agent=False).command
    assert "-A" not in command
    assert "-a" in command


def test_given_a_new_task_then_it_reaches_what_is_listed_and_has_no_network(host: VmHost, other: OtherSystem) -> None:
    words = other.machines[-1].words
    assert "-netdev" not in words
    assert Egress.ALLOWLIST.value in host.paths(FIX).config.read_text()


@pytest.mark.parametrize(
    ("make", "is_told"),
    [
        (lambda layout: (layout.base_images / ".new-1-tools").mkdir(), True),
        (lambda layout: (layout.vms / "agent-swarm-lost").mkdir(), False),
    ],
    ids=["half of an image", "an unknown VM"],
)
def test_given_leftovers_when_nobody_asks_for_unknown_vms_then_those_stay(
    tmp_path: Path, make: Callable[[Layout], object], is_told: bool
) -> None:
    host = this_vm_host(tmp_path)
    host.layout.prepare()
    make(host.layout)
    assert bool(cleaning.collect(host, unknown=False, is_rehearsal=False, now=NOW)) == is_told
    assert bool(cleaning.collect(host, unknown=True, is_rehearsal=False, now=NOW)) != is_told


def test_given_an_image_that_another_command_makes_then_gc_and_the_next_build_leave_it_alone(tmp_path: Path) -> None:
    host = this_vm_host(tmp_path)
    host.layout.prepare()
    with images.scratch(host.layout, "1-tools") as path:
        assert cleaning.collect(host, unknown=True, is_rehearsal=False, now=NOW) == []
        assert cleaning.take_back(host) == []
        assert path.exists()


def test_given_half_of_an_image_of_another_user_when_leftovers_are_cleared_then_it_is_told_and_hinders_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = this_vm_host(tmp_path)
    host.layout.prepare()
    (host.layout.base_images / ".new-debian-1-tools").mkdir()

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("agent_swarm.vm.images.file_locked", refuse)
    (told,) = cleaning.take_back(host)
    assert "sudo -E agent-swarm gc" in told.why
    assert told.path.exists()


def test_given_a_system_that_removes_nothing_that_may_not_be_written_when_a_vm_is_deleted_then_nothing_is_left(
    host: VmHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_windows(path: str, *, dir_fd: int | None = None) -> None:
        if not os.stat(path, dir_fd=dir_fd).st_mode & 0o200:
            raise PermissionError(f"{path} may not be written")
        unlink(path, dir_fd=dir_fd)

    unlink = os.unlink
    assert run_command(["checkpoint", "fix", "before"]) == 0
    monkeypatch.setattr(os, "unlink", as_windows)
    assert run_command(["delete", "fix"]) == 0
    assert run_command(["project", "delete", "shop"]) == 0
    assert list(host.layout.vms.iterdir()) == []
    assert not host.paths(FIX).snapshots.exists()


class Function:
    """A function that can be given attributes, as those of ctypes can."""

    restype: object = None

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *arguments: object) -> object:
        return self._call(*arguments)


class Kernel:
    """Windows's kernel32, as far as it tells about one process."""

    def __init__(self, code: int, *, is_there: bool = True) -> None:
        self.code = code
        self.is_there = is_there
        self.open = 0
        self.OpenProcess = Function(self._opened)

    def _opened(self, *_: object) -> int | None:
        self.open += self.is_there
        return 0x44 if self.is_there else None

    def GetExitCodeProcess(self, _: object, code: object) -> int:  # noqa: N802 - as it is called there
        code._obj.value = self.code  # type: ignore[attr-defined]
        return 1

    def GetProcessTimes(self, _: object, created: object, *others: object) -> int:  # noqa: N802 - as it is called there
        created._obj.value = 0x1DB0000000000  # type: ignore[attr-defined]
        assert len(others) == 3
        return 1

    def CloseHandle(self, _: object) -> None:  # noqa: N802 - as it is called there
        self.open -= 1


@pytest.mark.parametrize(
    ("kernel", "said"),
    [(Kernel(259), "0x1db0000000000"), (Kernel(0), ""), (Kernel(259, is_there=False), "")],
    ids=["runs", "has ended", "was never there"],
)
def test_given_windows_when_a_process_is_asked_for_then_it_is_known_by_when_it_began(kernel: Kernel, said: str) -> None:
    assert started_by_windows(4711, kernel) == said
    assert kernel.open == 0
