"""What kind of machine this is, and how QEMU is called on it. Pure but for `this_host`."""

import platform
import sys
from dataclasses import dataclass
from enum import StrEnum


class HostSystem(StrEnum):
    """The systems that VMs run on."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"


class Architecture(StrEnum):
    """Of the host and so of its guests: nothing is emulated that need not be."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"


class Accelerator(StrEnum):
    """What runs the guest's instructions: the processor by way of the system's hypervisor, or QEMU's translator."""

    KVM = "kvm"
    HVF = "hvf"
    WHPX = "whpx"
    TCG = "tcg"


@dataclass(frozen=True, slots=True)
class Host:
    """One kind of host."""

    system: HostSystem
    architecture: Architecture

    @property
    def provider(self) -> str:
        """The name under which its VMs stand in the registry: what people know the system's own way by."""
        return {HostSystem.LINUX: "kvm", HostSystem.MACOS: "macos", HostSystem.WINDOWS: "hyperv"}[self.system]

    @property
    def accelerators(self) -> tuple[Accelerator, ...]:
        """What may work here, best first; the last one works everywhere."""
        own = {
            HostSystem.LINUX: Accelerator.KVM,
            HostSystem.MACOS: Accelerator.HVF,
            HostSystem.WINDOWS: Accelerator.WHPX,
        }
        return (own[self.system], Accelerator.TCG)

    @property
    def emulator(self) -> str:
        """QEMU's program for guests of this architecture."""
        return f"qemu-system-{self.architecture}" + (".exe" if self.system is HostSystem.WINDOWS else "")

    @property
    def has_unix_sockets(self) -> bool:
        """Python has them there; on Windows it has not, and ports of the loopback stand in."""
        return self.system is not HostSystem.WINDOWS


_SYSTEMS = {"darwin": HostSystem.MACOS, "win32": HostSystem.WINDOWS}
_ARM = {"arm64", "aarch64"}


def this_host() -> Host:
    """The host that this process runs on."""
    architecture = Architecture.AARCH64 if platform.machine().lower() in _ARM else Architecture.X86_64
    return Host(_SYSTEMS.get(sys.platform, HostSystem.LINUX), architecture)
