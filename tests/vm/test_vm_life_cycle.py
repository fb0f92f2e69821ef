"""Projects, their clones and checkpoints, with guests that really run."""

import os
import signal
from pathlib import Path

import pytest
from tests.vm.conftest import SMALL

from agent_swarm.vm import generations, inside, reconcile
from agent_swarm.vm.checkpoints import checkpoint, checkpoints_of, restore
from agent_swarm.vm.errors import GuestRefused, InUse, UnknownCheckpoint, UnknownVm, VmExists
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.names import VmRef, project_ref, task_ref
from agent_swarm.vm.processes import ProcessIdentity
from agent_swarm.vm.projects import create_project, delete_project, stop_project
from agent_swarm.vm.qemu import image_tool
from agent_swarm.vm.ssh import login
from agent_swarm.vm.tasks import create_task, delete_task, start_task, stop_task

pytestmark = pytest.mark.slow


def said(host: VmHost, ref: VmRef, *argv: str) -> str:
    """What a command in the guest prints; it has to end well."""
    out = bytearray()
    streams = inside.Streams(stdin=(), stdout=out.extend, stderr=out.extend)
    ended = inside.run(host, ref, argv, {}, streams)
    assert ended.code == 0, out
    return out.decode()


def qemu_of(host: VmHost, ref: VmRef) -> ProcessIdentity:
    process = ProcessIdentity.read(host.paths(ref).process)
    assert process is not None
    return process


def test_given_a_project_when_it_is_edited_later_then_clones_keep_what_it_was(
    tiny_host: VmHost, tmp_path: Path
) -> None:
    host, shop = tiny_host, project_ref("shop")
    assert create_project(host, "shop", size=SMALL).origin == "tiny"
    with pytest.raises(VmExists):
        create_project(host, "Shop", size=SMALL)
    said(host, shop, "sh", "-c", "echo one > version; sync")

    assert create_task(host, "shop", "fix").origin == "project-shop/generations/1"
    assert [row.status for row in reconcile.projects(host)] == ["stopped"]
    fix = task_ref("fix")
    assert said(host, fix, "cat", "version") == "one\n"
    assert said(host, fix, "hostname") == "fix\n"
    said(host, fix, "sh", "-c", "echo fixed > version; sync")

    said(host, shop, "sh", "-c", "cat version && echo two > version")  # starts it again; the clone's word is not in it
    did_run, generation = stop_project(host, "shop")
    assert (did_run, generation.number) == (True, 2)
    assert stop_project(host, "shop") == (False, generation)  # nothing was written since
    assert all(generations.verify(one) for one in generations.listed(host.paths(shop)))
    assert generation.disk.stat().st_mode & 0o777 == 0o444

    create_task(host, "shop", "next")
    assert said(host, task_ref("next"), "cat", "version") == "two\n"
    assert said(host, fix, "cat", "version") == "fixed\n"

    with pytest.raises(InUse, match="in use by fix, next"):
        delete_project(host, "shop")
    for name in ("fix", "next"):
        delete_task(host, name)
    delete_project(host, "shop")
    assert list(host.layout.vms.iterdir()) == []
    with pytest.raises(UnknownVm):
        delete_project(host, "shop")


def test_given_a_task_then_copies_checkpoints_and_kills_leave_what_they_should(
    tiny_host: VmHost, tmp_path: Path
) -> None:
    host, fix = tiny_host, task_ref("fix")
    create_project(host, "shop", size=SMALL)
    create_task(host, "shop", "fix")

    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/data").write_bytes(os.urandom(300_000))
    (folder / "link").symlink_to("deep/data")
    inside.copy_in(host, folder, fix, ".")
    inside.copy_in(host, folder / "deep/data", fix, "renamed")
    inside.copy_out(host, fix, "notes", tmp_path / "back")
    assert (tmp_path / "back/deep/data").read_bytes() == (folder / "deep/data").read_bytes()
    assert (tmp_path / "back/link").readlink() == Path("deep/data")
    assert said(host, fix, "sh", "-c", "cmp renamed notes/deep/data && ls -l renamed | cut -d' ' -f1") == "-rw-r--r--\n"

    with pytest.raises(GuestRefused, match="not ready for SSH: cat: can't open"):  # the tiny guest has no sshd
        login(host, fix, forward_agent=False)
    assert (host.paths(project_ref("shop")).folder / "ssh_key").stat().st_mode & 0o777 == 0o600
    assert said(host, fix, "wc", "-l", ".ssh/authorized_keys").split()[0] == "1"

    assert checkpoint(host, "fix", "before").name == "before"
    digest = said(host, fix, "sha256sum", "renamed")  # it runs again
    with pytest.raises(VmExists):
        checkpoint(host, "fix", "before")
    said(host, fix, "sh", "-c", "rm -r notes renamed; echo x > after; sync")
    with pytest.raises(UnknownCheckpoint, match="no checkpoint 'other'"):
        restore(host, "fix", "other")
    restore(host, "fix", "before")
    assert [row.status for row in reconcile.tasks(host)] == ["stopped"]
    assert said(host, fix, "sha256sum", "renamed") == digest
    assert "after" not in said(host, fix, "ls")
    assert [one.name for one in checkpoints_of(host, "fix")] == ["before"]
    assert len(image_tool.chain(host.paths(fix).disk)) == 4  # the disk, the checkpoint, the generation, the base image

    os.kill(qemu_of(host, fix).pid, signal.SIGKILL)
    while qemu_of(host, fix).is_running():
        pass
    assert [row.status for row in reconcile.tasks(host)] == ["stopped"]
    start_task(host, "fix")
    assert said(host, fix, "sha256sum", "renamed") == digest
    assert stop_task(host, "fix")
    assert not stop_task(host, "fix")


def test_given_guests_then_no_two_have_the_same_randomness_and_identity(tiny_host: VmHost) -> None:
    create_project(tiny_host, "shop", size=SMALL)
    for name in ("a", "b"):
        create_task(tiny_host, "shop", name)
    seen = [
        said(tiny_host, task_ref(name), "sh", "-c", "head -c 16 /dev/urandom | md5sum; cat /etc/machine-id")
        for name in ("a", "b")
    ]
    assert not set(seen[0].split()) & (set(seen[1].split()) - {"-"})


def test_given_a_vm_without_its_files_then_it_is_called_broken_and_can_be_deleted(vm_host: VmHost) -> None:
    from agent_swarm.vm.registry import VmRow

    with vm_host.registry() as registry:
        registry.add(
            VmRow(ref=project_ref("shop"), project="shop", provider="kvm", origin="x", status="running", created_at="")
        )
    assert [row.status for row in reconcile.projects(vm_host)] == ["broken"]
    delete_project(vm_host, "shop")
    assert reconcile.projects(vm_host) == []
    assert Layout(vm_host.layout.root) == vm_host.layout
