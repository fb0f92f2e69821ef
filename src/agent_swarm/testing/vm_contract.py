"""What every provider of VMs promises, as tests on a guest that really boots.

A test module for a provider subclasses `VmProviderContract` and supplies the fixtures `provider`, `machine` (whose
guest runs the agent), `vm_paths` and `sockets`. A guest boots twice.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from agent_swarm.vm.errors import EngineFailed
from agent_swarm.vm.guest.client import Channel
from agent_swarm.vm.guest.frames import Command
from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.machine import Egress, Machine
from agent_swarm.vm.provider import VmCapability, VmProvider
from agent_swarm.vm.qemu.lifecycle import RunningVm, wait_ended

BOOT_SECONDS = 120.0


def said_by(running: RunningVm, *argv: str, channel: int = 0) -> str:
    """What a command in the guest prints; it has to end well."""
    out: list[bytes] = []
    with Channel.open(running.endpoints.channels[channel], timeout=BOOT_SECONDS) as guest:
        ended = guest.run(Command(argv=argv, env={}), stdout=out.append, stderr=out.append)
    assert ended.code == 0, b"".join(out)
    return b"".join(out).decode()


class VmProviderContract:
    """Start, find, end; the suite is short because guests take long to boot."""

    def test_given_a_machine_when_it_is_started_then_it_runs_until_it_is_ended(
        self, provider: VmProvider, machine: Machine, vm_paths: VmPaths, sockets: Path
    ) -> None:
        assert provider.find(machine, vm_paths) is None
        provider.end(machine, vm_paths)  # nothing to do

        running = provider.start(machine, vm_paths, sockets)
        assert provider.find(machine, vm_paths) == running
        assert said_by(running, "echo", "hello") == "hello\n"
        said_by(running, "sh", "-c", "echo kept > /etc/kept; sync")

        provider.end(machine, vm_paths)
        assert provider.find(machine, vm_paths) is None
        assert not running.process.is_running()

        again = provider.start(machine, vm_paths, sockets)
        assert said_by(again, "cat", "/etc/kept") == "kept\n"
        if VmCapability.EGRESS_NONE in provider.capabilities and machine.egress is Egress.NONE:
            assert said_by(again, "ls", "/sys/class/net") == "lo\n"
        with Channel.open(again.endpoints.channels[1], timeout=BOOT_SECONDS) as guest:
            guest.power_off()
        assert wait_ended(again.process, BOOT_SECONDS)
        assert provider.find(machine, vm_paths) is None

    def test_given_a_machine_started_by_a_process_that_has_ended_then_another_one_finds_and_ends_it(
        self, provider: VmProvider, machine: Machine, vm_paths: VmPaths, sockets: Path
    ) -> None:
        machine.write(vm_paths.config)
        starter = subprocess.run(
            [sys.executable, "-c", self.starting(), str(vm_paths.folder), str(sockets)],
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        assert starter.returncode == 0, starter.stderr
        running = provider.find(machine, vm_paths)
        assert running is not None
        vm_paths.process.unlink()  # as if it had died before it could write it down
        assert provider.find(machine, vm_paths) == running
        provider.end(machine, vm_paths)
        assert not running.process.is_running()

    def test_given_a_machine_that_cannot_be_started_then_what_the_engine_said_is_told(
        self, provider: VmProvider, machine: Machine, vm_paths: VmPaths, sockets: Path
    ) -> None:
        vm_paths.disk.write_bytes(b"this is no disk")
        with pytest.raises(EngineFailed, match=r"QEMU did not start: .*qcow2"):
            provider.start(machine, vm_paths, sockets)
        assert provider.find(machine, vm_paths) is None

    @staticmethod
    def starting() -> str:
        """A program that starts the machine of the folder and with the sockets' folder given, and ends."""
        raise NotImplementedError
