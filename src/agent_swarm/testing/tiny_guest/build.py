"""Makes the tiny guest out of two Debian packages and the agent: a kernel, an initial file system, a disk.

    python -m agent_swarm.testing.tiny_guest.build FOLDER

`FOLDER` gets `vmlinuz`, `initrd.img` and `disk.raw`, and keeps the packages. Needs apt, dpkg-deb, mke2fs and a C
compiler that can link statically; no root.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent_swarm.vm.building import initrd
from agent_swarm.vm.guest import agent_program

KERNEL_PACKAGE: Final = "linux-image-cloud-amd64"  # names the newest one with its version
BUSYBOX_PACKAGE: Final = "busybox-static"
DISK_BYTES: Final = 64 << 20
KERNEL_COMMAND_LINE: Final = "console=ttyS0 quiet panic=-1 root=/dev/vda"
TOOLS: Final = ("apt-get", "dpkg-deb", "mke2fs", "cc")
PARTS: Final = ("vmlinuz", "initrd.img", "disk.raw")

SECOND = """#!/bin/busybox sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
chown -R worker:worker /home/worker
ip link set lo up
[ -e /sys/class/net/eth0 ] && udhcpc -i eth0 -n -q -f -s /etc/udhcpc.script >/dev/null 2>&1 &
if [ -b /dev/vdb ]; then # what cloud-init does in a bigger guest
    insmod /modules/cdrom.ko
    insmod /modules/isofs.ko
    mount -t iso9660 -o ro /dev/vdb /mnt && sh /mnt/user-data
fi
exec /usr/local/sbin/agent-swarm-guest
"""
LEASE = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/24" dev "$interface"
ip route add default via "$router"
echo "nameserver $dns" > /etc/resolv.conf
"""
PEOPLE = "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000::/home/worker:/bin/sh\n"
GROUPS = "root:x:0:\nadm:x:4:worker\nworker:x:1000:\n"


class CannotBuild(Exception):
    """This machine lacks something that the tiny guest is made of; the message says what."""


def main(arguments: Sequence[str] = sys.argv[1:]) -> int:
    """Build it in the folder given; 1 where that cannot be done here."""
    try:
        print(built(Path(*arguments)))  # noqa: T201 - a program for people
    except CannotBuild as exc:
        print(f"no tiny guest: {exc}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def built(folder: Path) -> Path:
    """The folder with the tiny guest in it, built anew where what it is made of has changed; raises CannotBuild."""
    stamp, wanted = folder / "made-of", _made_of()
    if stamp.exists() and stamp.read_text() == wanted and all((folder / part).exists() for part in PARTS):
        return folder
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise CannotBuild(f"{', '.join(missing)} not installed")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tiny-guest-") as scratch:
        _build(folder, Path(scratch))
    stamp.write_text(wanted)
    return folder


def _made_of() -> str:
    sources = [Path(__file__), Path(initrd.__file__), *sorted(agent_program.SOURCES.iterdir())]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def _build(folder: Path, scratch: Path) -> None:
    unpacked = scratch / "unpacked"
    packages = folder / "packages"
    packages.mkdir(exist_ok=True)
    if len(list(packages.glob("*.deb"))) != 2:
        _download(packages)
    for package in packages.glob("*.deb"):
        _run("dpkg-deb", "-x", package, unpacked)
    agent = scratch / "agent"
    try:
        agent_program.compile_static(agent)
    except OSError as exc:
        raise CannotBuild(str(exc)) from exc
    (folder / "initrd.img").write_bytes(initrd.built(unpacked / "bin/busybox", unpacked / "lib/modules"))
    shutil.copyfile(next((unpacked / "boot").glob("vmlinuz-*")), folder / "vmlinuz")
    root = _file_system(scratch / "root", unpacked / "bin/busybox", agent)
    (root / "modules").mkdir()
    for name in ("cdrom", "isofs"):
        shutil.copy(next((unpacked / "lib/modules").rglob(f"{name}.ko")), root / "modules")
    _make_disk(folder / "disk.raw", root)


def _download(packages: Path) -> None:
    """The two packages, by apt; its lists are fetched where they lack them and this user may do that."""
    try:
        wanted = (_kernel_package(), BUSYBOX_PACKAGE)
    except CannotBuild:
        _run("apt-get", "update", "-qq")
        wanted = (_kernel_package(), BUSYBOX_PACKAGE)
    for left in packages.iterdir():
        left.unlink()
    _run("apt-get", "download", *wanted, cwd=packages)


def _kernel_package() -> str:
    asked = _run("apt-cache", "depends", KERNEL_PACKAGE)
    found = re.search(r"Depends: (linux-image-\S+-cloud-amd64)", asked)
    if found is None:
        raise CannotBuild(f"apt knows no {KERNEL_PACKAGE}: run apt-get update")
    return found[1]


def _file_system(root: Path, busybox: Path, agent: Path) -> Path:
    """The files of the disk."""
    for name in (
        "bin",
        "sbin",
        "usr/local/sbin",
        "etc",
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "mnt",
        "root",
        "home/worker/project",
    ):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(busybox, root / "bin/busybox")
    for applet in _run(busybox, "--list").split():
        if applet not in ("busybox", "init"):
            os.symlink("busybox", root / "bin" / applet)
    shutil.copy(agent, root / "usr/local/sbin/agent-swarm-guest")
    for path, text in {"sbin/init": SECOND, "etc/udhcpc.script": LEASE}.items():
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    (root / "etc/passwd").write_text(PEOPLE)
    (root / "etc/group").write_text(GROUPS)
    return root


def _make_disk(path: Path, files: Path) -> None:
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(DISK_BYTES)
    options = "root_owner=0:0,lazy_itable_init=1"
    _run("mke2fs", "-q", "-t", "ext4", "-b", "1024", "-E", options, "-d", files, path)


def _run(*arguments: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotBuild(f"{arguments[0]} said: {done.stderr.strip()[-300:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
