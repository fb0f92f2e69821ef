"""The command line of QEMU for one VM on one kind of host. Pure; golden tests hold those that cannot run here.

A guest has a disk, a clock, a source of randomness, a serial console that goes to a file, a network card unless it is
to have none, and `CHANNELS` ports to its agent. It has no display, no USB, no sound, nothing by default.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.machine import Egress, Machine
from agent_swarm.vm.qemu.endpoints import Endpoint, escaped
from agent_swarm.vm.qemu.hosts import Accelerator, Architecture, Host

CHANNELS: Final = 8  # that many commands talk to one guest at a time
CHANNEL_NAME: Final = "org.agent-swarm"  # of the ports, as the agent in the guest looks for them


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """QEMU as it was found and tried out here.

    `is_confined` says that it can filter its own system calls; `firmware` is for guests that bring a boot loader, and
    x86 has its own.
    """

    host: Host
    accelerator: Accelerator
    program: Path
    is_confined: bool = False
    firmware: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the running VM can be reached from this host."""

    qmp: Endpoint
    channels: Sequence[Endpoint]
    egress: Endpoint | None = None  # of a guest whose way out is a list of hosts


def command_line(engine: Engine, machine: Machine, paths: VmPaths, endpoints: Endpoints) -> list[str]:
    """The program and all its arguments."""
    return [
        str(engine.program),
        *("-name", machine.vm_id, "-uuid", machine.uuid),
        *processor(engine.host, engine.accelerator),
        *("-smp", str(machine.cpus), "-m", f"{machine.memory_mb}M"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-rtc", "base=utc"),
        *_boot(engine, machine),
        *_disk(machine.disk),
        *_seed(machine.seed),
        *("-object", "rng-builtin,id=random", "-device", "virtio-rng-pci,rng=random"),
        *_network(machine),
        *_channels(endpoints),
        *("-chardev", f"socket,id=qmp,{endpoints.qmp.option},server=on,wait=off"),
        *("-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"file,id=console,path={escaped(paths.console)}", "-serial", "chardev:console"),
        *("-pidfile", str(paths.pid_file)),
        *confinement(engine),
    ]


def processor(host: Host, accelerator: Accelerator) -> list[str]:
    """The kind of machine, what runs its instructions, and which processor the guest sees."""
    machine = "virt" if host.architecture is Architecture.AARCH64 else "q35"
    return ["-machine", machine, "-accel", _acceleration(host, accelerator), "-cpu", _processor(host, accelerator)]


def _acceleration(host: Host, accelerator: Accelerator) -> str:
    if accelerator is Accelerator.TCG:
        return "tcg,thread=multi"
    if accelerator is Accelerator.WHPX and host.architecture is Architecture.X86_64:
        return "whpx,kernel-irqchip=off"  # with its own one, guests lose interrupts before QEMU 11 (lima 4808)
    return accelerator.value


def _processor(host: Host, accelerator: Accelerator) -> str:
    if accelerator is Accelerator.TCG:
        return "max"
    if accelerator is Accelerator.WHPX and host.architecture is Architecture.X86_64:
        return "qemu64"  # it has no `host`, and `max` ends with an unexpected exit of the processor (lima 931)
    return "host"


def _boot(engine: Engine, machine: Machine) -> list[str]:
    if machine.boot is not None:
        return [
            *("-kernel", str(machine.boot.kernel), "-initrd", str(machine.boot.initrd)),
            *("-append", machine.boot.command_line),
        ]
    if engine.firmware is None:
        return []
    drive = f"if=pflash,format=raw,unit=0,readonly=on,file={escaped(engine.firmware)}"
    return ["-drive", drive]


def _disk(disk: Path) -> list[str]:
    """JSON, which has no trouble with commas in paths. Blocks that the guest discards are given back to the host."""
    file = {"driver": "file", "node-name": "disk-file", "filename": str(disk), "discard": "unmap"}
    layer = {"driver": "qcow2", "node-name": "disk", "file": "disk-file", "discard": "unmap"}
    return [
        *("-blockdev", json.dumps(file), "-blockdev", json.dumps(layer)),
        *("-device", "virtio-blk-pci,drive=disk,id=disk0"),
    ]


def _seed(seed: Path | None) -> list[str]:
    if seed is None:
        return []
    disc = {"driver": "raw", "node-name": "seed", "read-only": True, "file": {"driver": "file", "filename": str(seed)}}
    return ["-blockdev", json.dumps(disc), "-device", "virtio-blk-pci,drive=seed,id=disk1"]


def _network(machine: Machine) -> list[str]:
    if machine.egress is not Egress.OPEN:
        return []
    card = f"virtio-net-pci,netdev=net0,mac={machine.mac_address},romfile="
    return ["-netdev", "user,id=net0", "-device", card]


def _channels(endpoints: Endpoints) -> list[str]:
    ports = [(f"channel-{number}", str(number), endpoint) for number, endpoint in enumerate(endpoints.channels)]
    if endpoints.egress is not None:
        ports.append(("egress", "egress", endpoints.egress))
    found = ["-device", "virtio-serial-pci,id=channels,max_ports=31"]
    for chardev, name, endpoint in ports:
        found += ["-chardev", f"socket,id={chardev},{endpoint.option},server=on,wait=off"]
        found += ["-device", f"virtserialport,bus=channels.0,chardev={chardev},name={CHANNEL_NAME}.{name}"]
    return found


def confinement(engine: Engine) -> list[str]:
    """On Linux only the system calls that a running VM has a use for: a guest that breaks out cannot start programs."""
    if not engine.is_confined:
        return []
    return ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
