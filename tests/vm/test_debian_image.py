"""A Debian that is built here, booted, cloned and used; the one test with a guest of a usual size."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.vm.conftest import lacking
from tests.vm.test_vm_life_cycle import said

from agent_swarm.vm import images, setup_script
from agent_swarm.vm.building import cloud, debian
from agent_swarm.vm.errors import EngineFailed, EngineMissing, VmExists
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.names import project_ref, task_ref
from agent_swarm.vm.projects import Size, create_project
from agent_swarm.vm.ssh import login
from agent_swarm.vm.tasks import create_task, stop_task

SUDO = "sudo -n id -u; hostname; git --version | cut -c1-11; df -h --output=size / | tail -1; systemctl is-active ssh"


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_given_a_debian_built_here_when_it_is_cloned_then_it_is_a_machine_of_its_own(vm_host: VmHost) -> None:
    try:
        image = debian.build(vm_host.layout, name="debian")
    except (EngineMissing, EngineFailed) as exc:  # no network, perhaps
        lacking(f"{exc.message}; {exc.hint}")
    assert image.boot is not None
    create_project(vm_host, "shop", size=Size(cpus=2, memory_mb=768, disk_gb=6))
    assert (
        said(vm_host, project_ref("shop"), "sh", "-c", "id -un; pwd; echo kept > project/kept").split()[0] == "worker"
    )
    create_task(vm_host, "shop", "fix")
    who, name, git, size, sshd = said(vm_host, task_ref("fix"), "sh", "-c", SUDO).strip().splitlines()
    assert (who, name, git, sshd) == ("0", "fix", "git version", "active")
    assert size.strip().startswith("5.")  # the file system fills the disk that it was given
    assert said(vm_host, task_ref("fix"), "cat", "project/kept") == "kept\n"
    for ref in (project_ref("shop"), task_ref("fix")):
        for variables in ({}, {"TOKEN": "a 'b' $c", "PATH": "/bin"}):
            asked = 'echo "$(hostname) by ssh <$TOKEN> $PATH"; env | grep -c ^VM_VARIABLE; exit 7'
            found = login(vm_host, ref, forward_agent=False, command=[asked], variables=variables)
            assert not any("a 'b' $c" in word for word in found.command)
            done = subprocess.run(
                found.command,
                env=found.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            first, second = done.stdout.splitlines()
            assert first.startswith(f"{ref.name} by ssh <{variables.get('TOKEN', '')}> "), done.stderr
            assert first.endswith(" /bin") == bool(variables)
            assert (second, done.returncode) == ("0", 7), done.stderr
    assert stop_task(vm_host, "fix")


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(1500)
def test_given_a_debian_with_cloud_init_when_a_base_image_is_built_of_it_then_that_is_at_rest_and_works(
    vm_host: VmHost,
) -> None:
    try:
        source = debian.build(vm_host.layout, name="source", include=["cloud-init"])
    except (EngineMissing, EngineFailed) as exc:
        lacking(f"{exc.message}; {exc.hint}")
    vm_host.layout.root.joinpath("setup.sh").write_text("#!/bin/sh\napt-get --version | head -1 > /etc/set-up-by\n")
    size = Size(cpus=2, memory_mb=768, disk_gb=6)
    steps: list[str] = []
    told = cloud.Told(step=steps.append, output=lambda _: None)
    setup = setup_script.written_once(vm_host.layout)
    made = cloud.build(vm_host, source.folder, name="cloud", setup=setup, told=told, size=size)
    assert len(steps) == 3
    assert made.setup == setup.sha256
    create_project(vm_host, "shop", base="cloud", size=size)
    asked = "cut -c1-3 /etc/set-up-by; systemctl is-active cloud-init; ls -d project; hostname"
    found = said(vm_host, project_ref("shop"), "sh", "-c", f"{asked}; sudo -n id -u").split()
    assert found == ["apt", "inactive", "project", "shop", "0"]
    found_login = login(vm_host, project_ref("shop"), forward_agent=False, command=["echo", "by", "ssh"])
    done = subprocess.run(
        found_login.command, env=found_login.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.stdout == b"by ssh\n", done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_given_sudo_was_used_then_what_was_made_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path / "home")
    layout.prepare()
    folder = layout.base_images / "debian"
    folder.mkdir()
    manifest = folder / "image.json"
    manifest.write_text('{"sha256": {}, "kernelCommandLine": "", "source": "", "createdAt": ""}')
    monkeypatch.setenv("SUDO_UID", "12345")
    monkeypatch.setenv("SUDO_GID", "12346")
    debian._give_back(layout, images.choose(layout, "debian"))
    for path in (layout.root, layout.base_images, layout.vms, folder, manifest):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


def test_given_no_mmdebstrap_then_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissing, match="mmdebstrap e2fsprogs gcc libc6-dev not installed"):
        debian.build(Layout(tmp_path / "home"), name="debian")
    assert not (tmp_path / "home/base-images").exists()


def test_given_an_image_of_that_name_then_nothing_is_built(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    layout.prepare()
    folder = layout.base_images / "debian"
    folder.mkdir()
    (folder / "image.json").write_text('{"sha256": {}, "kernelCommandLine": "", "source": "", "createdAt": ""}')
    with pytest.raises(VmExists):
        debian.build(layout, name="debian")
