"""What cannot be done is said in one line with the remedy, and changes nothing: no room, no QEMU, a host that was
restarted, names that are taken, things that are not there."""

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.vm.conftest import SMALL
from tests.vm.test_vm_kills import known

from agent_swarm.domain.errors import SwarmError
from agent_swarm.vm import reconcile, room
from agent_swarm.vm.checkpoints import checkpoint, restore
from agent_swarm.vm.errors import EngineMissing, InUse, NoRoom, UnknownCheckpoint, UnknownVm, VmBusy, VmExists
from agent_swarm.vm.host import VmHost, this_vm_host
from agent_swarm.vm.locks import locked
from agent_swarm.vm.names import project_ref, task_ref
from agent_swarm.vm.processes import ProcessIdentity
from agent_swarm.vm.projects import create_project, delete_project
from agent_swarm.vm.tasks import create_task, delete_task, start_task

pytestmark = pytest.mark.slow

Usage = namedtuple("Usage", "total used free")
Work = Callable[[VmHost], object]


@pytest.fixture
def stopped(tiny_host: VmHost) -> VmHost:
    """A project and a task that are stopped."""
    known(tiny_host, project_ref("shop"))
    known(tiny_host, task_ref("fix"))
    return tiny_host


def everything(host: VmHost) -> object:
    """All that is known and all that lies about, but for what locks leave."""
    with host.registry() as registry:
        rows = (registry.projects(), registry.tasks(), registry.unfinished())
    files = {
        path: path.stat().st_size
        for folder in (host.layout.vms, host.layout.root / "snapshots", host.layout.base_images)
        for path in folder.rglob("*")
    }
    return rows, files


def refused(host: VmHost, work: Work, error: type[SwarmError], said: str) -> None:
    before = everything(host)
    with pytest.raises(error, match=said) as raised:
        work(host)
    assert raised.value.hint
    assert "\n" not in f"{raised.value.message}{raised.value.hint}"
    assert everything(host) == before


@pytest.mark.parametrize(
    ("work", "error", "said"),
    [
        (lambda host: create_project(host, "SHOP", size=SMALL), VmExists, "project 'SHOP' exists"),
        (lambda host: create_task(host, "shop", "Fix"), VmExists, "task 'Fix' exists"),
        (lambda host: create_task(host, "other", "new"), UnknownVm, "no project 'other'"),
        (lambda host: start_task(host, "other"), UnknownVm, "no task 'other'"),
        (lambda host: delete_project(host, "shop"), InUse, "in use by fix"),
        (lambda host: restore(host, "fix", "before"), UnknownCheckpoint, "task 'fix' has no checkpoint"),
        (lambda host: restore(host, "fix"), UnknownCheckpoint, "no checkpoint"),
    ],
    ids=["project twice", "task twice", "no project", "no task", "has clones", "no checkpoint", "no checkpoint at all"],
)
def test_given_what_cannot_be_when_it_is_asked_for_then_it_is_refused_and_all_is_as_it_was(
    stopped: VmHost, work: Work, error: type[SwarmError], said: str
) -> None:
    refused(stopped, work, error, said)


@pytest.mark.parametrize(
    "work",
    [lambda host: create_project(host, "new", size=SMALL), lambda host: create_task(host, "shop", "new")],
    ids=["project", "task"],
)
@pytest.mark.parametrize("what", ["disk", "memory"])
def test_given_no_room_when_a_vm_is_made_then_it_is_refused_and_all_is_as_it_was(
    stopped: VmHost, work: Work, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:  # after this the project has its generation, as it may
        patched.setattr(room, "available_memory_mb", lambda: 1)
        with pytest.raises(NoRoom):
            create_task(stopped, "shop", "first")
    if what == "disk":
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 1 << 20))
        refused(stopped, work, NoRoom, "has 1 MiB left, 1024 MiB are needed")
    else:
        monkeypatch.setattr(room, "available_memory_mb", lambda: 100)
        refused(stopped, work, NoRoom, "100 MiB of memory are left, the VM is to have 128 MiB")


def test_given_no_qemu_when_a_vm_is_wanted_then_it_is_said_what_to_install_and_all_is_as_it_was(
    stopped: VmHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    without = this_vm_host(stopped.layout.root)
    refused(without, lambda host: create_project(host, "new", size=SMALL), EngineMissing, "is not installed")
    refused(without, lambda host: start_task(host, "fix"), EngineMissing, "is not installed")
    assert [row.status for row in reconcile.tasks(without)] == ["stopped"]


def test_given_a_host_that_was_restarted_when_vms_are_listed_then_none_runs_and_nobody_elses_process_is_touched(
    stopped: VmHost,
) -> None:
    paths = stopped.paths(task_ref("fix"))
    own = ProcessIdentity.of(1)  # a pid that is in use after the restart, by something else
    replace(own, started="the-boot-before/12345").write(paths.process)
    gone = {"qmp": str(paths.folder / "gone"), "channels": [str(paths.folder / "gone")] * 8, "egress": None}
    (paths.folder / "endpoints.json").write_text(json.dumps(gone))
    with stopped.registry() as registry:
        registry.set_status(task_ref("fix"), "running")
    assert [row.status for row in reconcile.tasks(stopped)] == ["stopped"]
    with stopped.registry() as registry:
        assert registry.get(task_ref("fix")).status == "stopped"
    made = checkpoint(stopped, "fix", "after-the-restart")
    assert restore(stopped, "fix") == made
    delete_task(stopped, "fix")
    assert own.is_running()


def test_given_a_command_at_work_when_another_comes_then_each_kind_of_it_is_told_whose(stopped: VmHost) -> None:
    with locked(stopped.layout, task_ref("fix")):
        for work in (
            lambda host: delete_task(host, "fix"),
            lambda host: checkpoint(host, "fix", "one"),
            lambda host: restore(host, "fix", "one"),
        ):
            refused(stopped, work, VmBusy, r"another command \(pid \d+\) works on task 'fix'")
