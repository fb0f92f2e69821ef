"""QEMU's command lines, word for word; for macOS and Windows they are all that can be tried here."""

from pathlib import Path

import pytest

from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.machine import DirectBoot, Egress, Machine
from agent_swarm.vm.qemu.command_line import Endpoints, Engine, command_line
from agent_swarm.vm.qemu.endpoints import Endpoint
from agent_swarm.vm.qemu.hosts import Accelerator, Architecture, Host, HostSystem
from agent_swarm.vm.qemu.probe import probe_command_line

UUID = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
FOLDER = Path("/vms/agent-swarm-fix")
BOOT = DirectBoot(kernel=Path("/base/vmlinuz"), initrd=Path("/base/initrd.img"), command_line="root=/dev/vda")

COMMON = """
-name agent-swarm-fix -uuid 0197a1c2-5b7e-7c3d-9e4f-0123456789ab
{processor}
-smp 2 -m 4096M
-nodefaults -no-user-config -display none -rtc base=utc
{boot}
-blockdev {{"driver":"file","node-name":"disk-file","filename":"{disk}","discard":"unmap"}}
-blockdev {{"driver":"qcow2","node-name":"disk","file":"disk-file","discard":"unmap"}}
-device virtio-blk-pci,drive=disk,id=disk0
-object rng-builtin,id=random -device virtio-rng-pci,rng=random
{network}
-device virtio-serial-pci,id=channels,max_ports=31
-chardev socket,id=channel-0,{channel},server=on,wait=off
-device virtserialport,bus=channels.0,chardev=channel-0,name=org.agent-swarm.0
-chardev socket,id=qmp,{qmp},server=on,wait=off
-mon chardev=qmp,mode=control
-chardev file,id=console,path={console} -serial chardev:console
-pidfile {pid}
{confinement}
"""
UNIX = {"channel": "path=/run/x/channel-0", "qmp": "path=/run/x/qmp"}
TCP = {"channel": "host=127.0.0.1,port=7001", "qmp": "host=127.0.0.1,port=7000"}
CARD = "-netdev user,id=net0 -device virtio-net-pci,netdev=net0,mac=52:54:00:01:97:a1,romfile="
CONFINED = "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
X86, ARM = Architecture.X86_64, Architecture.AARCH64
LINUX, MACOS, WINDOWS = HostSystem.LINUX, HostSystem.MACOS, HostSystem.WINDOWS


def words(text: str) -> list[str]:
    return text.split()


def spoken(engine: Engine, *, boot: DirectBoot | None, egress: Egress, seed: Path | None = None) -> list[str]:
    """The command line without its program, each word without blanks inside."""
    paths = VmPaths(FOLDER, FOLDER, FOLDER)
    machine = Machine(
        vm_id="agent-swarm-fix", uuid=UUID, cpus=2, memory_mb=4096, disk=paths.disk, boot=boot, egress=egress, seed=seed
    )
    if engine.host.has_unix_sockets:
        qmp, channel, way = (Endpoint(Path(f"/run/x/{name}")) for name in ("qmp", "channel-0", "egress"))
    else:
        qmp, channel, way = (Endpoint(port=port) for port in (7000, 7001, 7002))
    endpoints = Endpoints(qmp=qmp, channels=[channel], egress=way if egress is Egress.ALLOWLIST else None)
    program, *rest = command_line(engine, machine, paths, endpoints)
    assert program == str(engine.program)
    return [word.replace(" ", "") for word in rest]


@pytest.mark.parametrize(
    ("system", "architecture", "accelerator", "processor"),
    [
        (LINUX, X86, Accelerator.KVM, "-machine q35 -accel kvm -cpu host"),
        (LINUX, X86, Accelerator.TCG, "-machine q35 -accel tcg,thread=multi -cpu max"),
        (LINUX, ARM, Accelerator.KVM, "-machine virt -accel kvm -cpu host"),
        (MACOS, ARM, Accelerator.HVF, "-machine virt -accel hvf -cpu host"),
        (MACOS, X86, Accelerator.HVF, "-machine q35 -accel hvf -cpu host"),
        (MACOS, ARM, Accelerator.TCG, "-machine virt -accel tcg,thread=multi -cpu max"),
        (WINDOWS, X86, Accelerator.WHPX, "-machine q35 -accel whpx,kernel-irqchip=off -cpu qemu64"),
        (WINDOWS, ARM, Accelerator.WHPX, "-machine virt -accel whpx -cpu host"),
        (WINDOWS, X86, Accelerator.TCG, "-machine q35 -accel tcg,thread=multi -cpu max"),
    ],
)
def test_given_a_kind_of_host_then_the_command_line_is_this_one(
    system: HostSystem, architecture: Architecture, accelerator: Accelerator, processor: str
) -> None:
    host = Host(system, architecture)
    engine = Engine(host=host, accelerator=accelerator, program=Path("/bin/qemu"), is_confined=system is LINUX)
    expected = COMMON.format(
        processor=processor,
        boot="-kernel /base/vmlinuz -initrd /base/initrd.img -append root=/dev/vda",
        disk=FOLDER / "disk.qcow2",
        network=CARD,
        console=FOLDER / "console.log",
        pid=FOLDER / "pid",
        confinement=CONFINED if system is LINUX else "",
        **(TCP if system is WINDOWS else UNIX),
    )
    assert spoken(engine, boot=BOOT, egress=Egress.OPEN) == words(expected)


def test_given_a_guest_with_a_boot_loader_on_arm_then_it_gets_firmware_and_on_x86_none() -> None:
    arm = Engine(
        host=Host(MACOS, ARM), accelerator=Accelerator.HVF, program=Path("/bin/qemu"), firmware=Path("/fw/code,1.fd")
    )
    line = spoken(arm, boot=None, egress=Egress.OPEN)
    assert "if=pflash,format=raw,unit=0,readonly=on,file=/fw/code,,1.fd" in line
    x86 = Engine(host=Host(WINDOWS, X86), accelerator=Accelerator.WHPX, program=Path("/bin/qemu"))
    line = spoken(x86, boot=None, egress=Egress.OPEN)
    assert "-drive" not in line
    assert "-kernel" not in line


def test_given_a_guest_that_is_to_have_no_network_then_it_has_no_card() -> None:
    engine = Engine(host=Host(LINUX, X86), accelerator=Accelerator.KVM, program=Path("/bin/qemu"))
    line = spoken(engine, boot=BOOT, egress=Egress.NONE)
    assert "-netdev" not in line
    assert not any("virtio-net" in word for word in line)


@pytest.mark.parametrize(
    ("system", "accelerator", "address"),
    [
        (LINUX, Accelerator.KVM, "path=/run/x/egress"),
        (MACOS, Accelerator.HVF, "path=/run/x/egress"),
        (WINDOWS, Accelerator.WHPX, "host=127.0.0.1,port=7002"),
    ],
)
def test_given_a_guest_with_a_list_of_hosts_then_it_has_a_port_for_them_and_no_card(
    system: HostSystem, accelerator: Accelerator, address: str
) -> None:
    engine = Engine(host=Host(system, X86), accelerator=accelerator, program=Path("/bin/qemu"))
    line = " ".join(spoken(engine, boot=BOOT, egress=Egress.ALLOWLIST))
    assert f"-chardev socket,id=egress,{address},server=on,wait=off" in line
    assert "-device virtserialport,bus=channels.0,chardev=egress,name=org.agent-swarm.egress" in line
    assert "-netdev" not in line
    assert "virtio-net" not in line


def test_given_a_disc_for_the_first_boot_then_it_is_a_second_disk_that_is_only_read() -> None:
    engine = Engine(host=Host(MACOS, ARM), accelerator=Accelerator.HVF, program=Path("/bin/qemu"))
    line = " ".join(spoken(engine, boot=None, egress=Egress.OPEN, seed=Path("/base/seed, one.iso")))
    file = '"file":{"driver":"file","filename":"/base/seed,one.iso"}'
    assert f'-blockdev {{"driver":"raw","node-name":"seed","read-only":true,{file}}}' in line
    assert "-device virtio-blk-pci,drive=seed,id=disk1" in line


def test_given_the_systems_then_each_has_its_accelerator_first_and_translation_last() -> None:
    for system, best, name in (
        (LINUX, Accelerator.KVM, "kvm"),
        (MACOS, Accelerator.HVF, "macos"),
        (WINDOWS, Accelerator.WHPX, "hyperv"),
    ):
        host = Host(system, X86)
        assert host.accelerators == (best, Accelerator.TCG)
        assert host.provider == name
    assert Host(WINDOWS, X86).emulator == "qemu-system-x86_64.exe"
    assert Host(MACOS, ARM).emulator == "qemu-system-aarch64"


def test_given_a_probe_on_arm_then_its_guest_is_a_kernel_and_on_x86_a_disk(tmp_path: Path) -> None:
    arm = Engine(host=Host(MACOS, ARM), accelerator=Accelerator.HVF, program=Path("/bin/qemu"))
    line = probe_command_line(arm, tmp_path / "arm")
    assert line[line.index("-kernel") + 1] == str(tmp_path / "arm")
    assert (tmp_path / "arm").read_bytes().hex() == ("415fa05221040071e1ffff540080b05200018072020000d400000014")
    x86 = Engine(host=Host(WINDOWS, X86), accelerator=Accelerator.WHPX, program=Path("/bin/qemu"))
    line = probe_command_line(x86, tmp_path / "x86")
    assert "isa-debug-exit,iobase=0xf4,iosize=4" in line
    assert (tmp_path / "x86").read_bytes()[510:512] == b"\x55\xaa"
