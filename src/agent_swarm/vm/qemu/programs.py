"""Finds QEMU's programs, and the firmware that comes with them."""

import os
import shutil
from pathlib import Path

from agent_swarm.vm.errors import EngineMissing
from agent_swarm.vm.qemu.hosts import Architecture, Host, HostSystem

# Where installers put them without telling PATH.
_ELSEWHERE = {
    HostSystem.LINUX: (),
    HostSystem.MACOS: ("/opt/homebrew/bin", "/usr/local/bin", "/opt/local/bin"),
    HostSystem.WINDOWS: (r"C:\Program Files\qemu",),
}

HOW_TO_INSTALL = {
    HostSystem.LINUX: "sudo apt install qemu-system-x86 qemu-utils (or -arm), or your distribution's packages of QEMU",
    HostSystem.MACOS: "brew install qemu",
    HostSystem.WINDOWS: "winget install SoftwareFreedomConservancy.QEMU",
}

# By what the packages of Debian, Homebrew and others call it, relative to the emulator's folder or absolute.
_FIRMWARE = (
    "../share/qemu/edk2-aarch64-code.fd",
    "share/edk2-aarch64-code.fd",
    "/usr/share/AAVMF/AAVMF_CODE.fd",
    "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd",
)


def emulator(host: Host) -> Path:
    """The program that runs VMs; raises EngineMissing."""
    return _program(host, host.emulator)


def image_tool(host: Host) -> Path:
    """`qemu-img`; raises EngineMissing."""
    return _program(host, "qemu-img" + (".exe" if host.system is HostSystem.WINDOWS else ""))


def firmware(host: Host, emulator_path: Path) -> Path | None:
    """What starts a guest's boot loader, where the emulator does not bring its own; None where there is none."""
    if host.architecture is Architecture.X86_64:
        return None
    here = emulator_path.resolve().parent
    return next((found for name in _FIRMWARE if (found := (here / name).resolve()).exists()), None)


def _program(host: Host, name: str) -> Path:
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *_ELSEWHERE[host.system]])
    found = shutil.which(name, path=folders)
    if found is None:
        raise EngineMissing(f"{name} is not installed", hint=f"install QEMU: {HOW_TO_INSTALL[host.system]}")
    return Path(found)
