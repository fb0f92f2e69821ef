"""Starting a VM until its agent answers, stopping it in good order, and getting a channel to its guest."""

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agent_swarm.vm import room
from agent_swarm.vm.egress import doorkeeper
from agent_swarm.vm.errors import GuestUnreachable, VmBusy
from agent_swarm.vm.guest.client import Channel
from agent_swarm.vm.guest.frames import Identity
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.locks import file_locked
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.names import VmRef
from agent_swarm.vm.qemu import lifecycle
from agent_swarm.vm.qemu.lifecycle import RunningVm
from agent_swarm.vm.registry import Registry

_ANSWER_SECONDS = 10.0
_CHANNEL_SECONDS = 10.0
_POLL_SECONDS = 0.05


def power_on(host: VmHost, machine: Machine, ref: VmRef) -> RunningVm:
    """Start the machine, which must not run; its guest has yet to boot. Raises NoRoom, EngineFailed."""
    room.require_memory(machine.memory_mb)
    running = host.provider().start(machine, host.paths(ref), host.layout.socket_folder(ref))
    doorkeeper.ensure(host.layout, machine, ref)
    return running


def greet(host: VmHost, machine: Machine, ref: VmRef, running: RunningVm) -> None:
    """Wait until the agent in the guest answers, and make the guest itself. Raises GuestUnreachable.

    It has its own randomness, name, machine id and the right time before anybody else can use it: a clone that kept
    those of what it was cloned from would make the same keys.
    """
    with channel(host, ref, running, answer_seconds=host.boot_seconds) as guest:
        guest.personalise(
            Identity(
                random=os.urandom(64),
                hostname=ref.hostname,
                machine_id=uuid.UUID(machine.uuid).hex,
                now_ns=time.time_ns(),
            )
        )


def ensure_running(host: VmHost, registry: Registry, ref: VmRef) -> RunningVm:
    """The VM, started where it did not run; its lock must be held. Raises what starting can raise."""
    machine = Machine.read(host.paths(ref).config)
    running = lifecycle.find(machine, host.paths(ref))
    if running is None:
        running = power_on(host, machine, ref)
        try:
            greet(host, machine, ref, running)
        except BaseException:
            lifecycle.end(machine, host.paths(ref))
            raise
    else:
        doorkeeper.ensure(host.layout, machine, ref)
    registry.set_status(ref, "running")
    return running


def stop(host: VmHost, registry: Registry, ref: VmRef) -> bool:
    """Stop the VM, whose lock must be held: by its own system, or by force after `stop_seconds`. Whether it ran."""
    paths = host.paths(ref)
    machine = Machine.read(paths.config)
    running = lifecycle.find(machine, paths)
    if running is not None:
        with suppress(GuestUnreachable, VmBusy), channel(host, ref, running, answer_seconds=5.0) as guest:
            guest.power_off()
        lifecycle.wait_ended(running.process, host.stop_seconds)
    lifecycle.end(machine, paths)
    registry.set_status(ref, "stopped")
    return running is not None


@contextmanager
def channel(
    host: VmHost, ref: VmRef, running: RunningVm, *, answer_seconds: float = _ANSWER_SECONDS
) -> Iterator[Channel]:
    """A channel to the guest that no other command uses; raises VmBusy where all are in use, GuestUnreachable."""
    with contextlib.ExitStack() as held:
        number = _free_channel(host, ref, running, held)
        yield held.enter_context(Channel.open(running.endpoints.channels[number], timeout=answer_seconds))


def _free_channel(host: VmHost, ref: VmRef, running: RunningVm, held: contextlib.ExitStack) -> int:
    folder = host.paths(ref).folder / "channels"
    folder.mkdir(mode=0o700, exist_ok=True)
    give_up_at = time.monotonic() + _CHANNEL_SECONDS
    while True:
        for number in range(len(running.endpoints.channels)):
            if held.enter_context(file_locked(folder / f"{number}.lock")):
                return number
        if time.monotonic() >= give_up_at:
            count = len(running.endpoints.channels)
            raise VmBusy(f"{count} commands talk to {ref} already", hint="wait until one of them has ended")
        time.sleep(_POLL_SECONDS)
