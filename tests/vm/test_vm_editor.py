"""VS Code on a VM: what it is called with, and that ssh finds the VM by its entry; the test has a `code` of its own."""

import subprocess
from pathlib import Path

import pytest
from tests.vm.conftest import SMALL

from agent_swarm.vm import editor
from agent_swarm.vm.errors import EngineMissing, UnknownVm, VmError
from agent_swarm.vm.guest.frames import Command
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.inside import guest_of
from agent_swarm.vm.names import project_ref
from agent_swarm.vm.projects import create_project, delete_project

SHOP = project_ref("shop")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in for `code` writes what it is called with."""
    calls, folder = tmp_path / "calls", tmp_path / "bin"
    folder.mkdir()
    (folder / "code").write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {calls}\n")
    (folder / "code").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return calls


def test_given_no_vs_code_then_it_is_said_how_to_get_its_command_and_nothing_is_started(
    vm_host: VmHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissing, match="`code` is not on PATH") as refused:
        editor.command(vm_host, SHOP, "/", config=tmp_path / "config", configure=True)
    assert "Install 'code' command in PATH" in refused.value.hint
    assert not (tmp_path / "config").exists()


def test_given_no_such_vm_then_nothing_is_written(vm_host: VmHost, tmp_path: Path, calls: Path) -> None:
    with pytest.raises(UnknownVm):
        editor.command(vm_host, SHOP, "/", config=tmp_path / "config", configure=True)
    assert not (tmp_path / "config").exists()


@pytest.mark.slow
def test_given_a_vm_when_vs_code_is_opened_then_ssh_finds_it_by_the_entry_that_goes_with_it(
    tiny_host: VmHost, tmp_path: Path, calls: Path
) -> None:
    create_project(tiny_host, "shop", size=SMALL)
    key = "mkdir -p /etc/ssh && echo 'ssh-ed25519 AAAA of-the-guest' > /etc/ssh/ssh_host_ed25519_key.pub"
    with guest_of(tiny_host, SHOP) as guest:
        guest.run(Command(argv=["sh", "-c", key], env={}), stdout=print, stderr=print)
    config = tmp_path / "ssh dir/config"
    config.parent.mkdir()
    config.write_text("Host other\n  User somebody\n")
    config.chmod(0o640)
    line = f'Include "{tiny_host.layout.vms}/*/ssh_config"'

    with pytest.raises(VmError, match="ssh does not know project-shop") as refused:
        editor.command(tiny_host, SHOP, "/home/worker", config=config, configure=False)
    assert line in refused.value.hint
    assert config.read_text() == "Host other\n  User somebody\n"

    opened = editor.command(tiny_host, SHOP, "/srv/a b", config=config, configure=True)
    assert config.read_text() == f"{line}\n\nHost other\n  User somebody\n"
    assert config.stat().st_mode & 0o777 == 0o640
    subprocess.run(opened, check=True)
    assert calls.read_text().splitlines() == ["--remote", "ssh-remote+project-shop", "/srv/a b"]
    assert editor.command(tiny_host, SHOP, "/srv/a b", config=config, configure=False) == opened  # it is known now

    asked = subprocess.run(["ssh", "-G", "-F", config, "project-shop"], capture_output=True, text=True, check=True)
    settings = dict(row.split(" ", 1) for row in asked.stdout.splitlines())
    assert settings["user"] == "worker"
    assert settings["stricthostkeychecking"] == "true"
    assert "agent_swarm.vm.bridge" in settings["proxycommand"]
    assert (tiny_host.paths(SHOP).folder / "known_hosts").read_text() == "project-shop ssh-ed25519 AAAA of-the-guest\n"
    delete_project(tiny_host, "shop")
    asked = subprocess.run(["ssh", "-G", "-F", config, "project-shop"], capture_output=True, text=True, check=True)
    assert "agent_swarm" not in asked.stdout
