"""A base image of Debian packages, made here: a tree by mmdebstrap, a disk by mke2fs, the agent by a C compiler.

Building takes root, since the files of the tree belong to it; running the VMs does not.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent_swarm.faults import crash_point
from agent_swarm.vm import images, room
from agent_swarm.vm.building import initrd
from agent_swarm.vm.errors import EngineFailed, EngineMissing, VmExists
from agent_swarm.vm.guest import agent_program
from agent_swarm.vm.images import BaseImage
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.names import checked

DEFAULT_SUITE: Final = "bookworm"
PACKAGES: Final = (
    *("systemd-sysv", "udev", "dbus", "libnss-myhostname", "iproute2", "openssh-server", "sudo", "e2fsprogs"),
    *("ca-certificates", "curl", "git", "procps", "less", "kmod", "busybox-static"),
)
ROOM_BYTES: Final = 4 << 30

_TOOLS: Final = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "cc": "gcc libc6-dev"}
_LEFT_OUT: Final = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
_SCRIPT: Final = Path(__file__).with_name("debian-root.sh")
_SMALLEST_DISK: Final = 2 << 30


def build(layout: Layout, *, name: str, suite: str = DEFAULT_SUITE, include: Sequence[str] = ()) -> BaseImage:
    """A new base image: that Debian, these packages besides. Raises EngineMissing, EngineFailed, NoRoom, VmExists."""
    checked("base image", name)
    if any(image.name == name for image in images.listed(layout)):
        raise VmExists(f"there is a base image {name!r}", hint="give the new one another name: --name")
    _require_tools()
    layout.prepare()
    room.require_disk(layout.base_images, ROOM_BYTES)
    with images.scratch(layout, f"debian-{os.getpid()}-{name}") as scratch:
        _build(scratch, suite, (*PACKAGES, *include))
        crash_point("debian.packed")
        image = images.take_in(layout, scratch / "image", name=name)
    _give_back(layout, image)
    return image


def _give_back(layout: Layout, image: BaseImage) -> None:
    """Where sudo was used for this alone, what was made is the user's."""
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if not (user.isdecimal() and group.isdecimal()):
        return
    for path in (layout.root, *(path for path in layout.root.iterdir() if path.is_dir()), *image.folder.rglob("*")):
        os.chown(path, int(user), int(group), follow_symlinks=False)
    os.chown(image.folder, int(user), int(group))


def _require_tools() -> None:
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    if missing:
        raise EngineMissing(
            f"{' '.join(missing)} not installed", hint=f"to build Debian here: sudo apt install {' '.join(missing)}"
        )
    if os.geteuid() != 0:
        raise EngineMissing(
            "building a Debian image takes root",
            hint="run it once with sudo and AGENT_SWARM_HOME set to your own folder, or take in an image: --image",
        )


def _build(scratch: Path, suite: str, packages: Sequence[str]) -> None:
    root, image, agent = scratch / "root", scratch / "image", scratch / "agent"
    image.mkdir()
    try:
        agent_program.compile_static(agent)
    except OSError as exc:
        raise EngineFailed(str(exc), hint="install gcc and libc6-dev") from exc
    _run("mmdebstrap", *_options(packages), f'--customize-hook=sh {_SCRIPT} "$1" {agent} {image}', suite, root)
    (image / images.INITRD).write_bytes(initrd.built(root / "bin/busybox", root / "lib/modules"))
    crash_point("debian.filled")
    used = sum(path.lstat().st_blocks * 512 for path in root.rglob("*"))
    with (image / "disk.raw").open("wb") as file:
        file.truncate(max(_SMALLEST_DISK, 2 * used))
    _run("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", root, image / "disk.raw")


def _options(packages: Sequence[str]) -> list[str]:
    return [
        *("--mode=root", "--variant=minbase", "--quiet", f"--include={','.join(packages)}"),
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
    ]


def _run(*arguments: str | Path) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        said = " / ".join((done.stderr or done.stdout).strip().splitlines()[-4:])
        raise EngineFailed(f"{arguments[0]} failed: {said}", hint="correct that, and try again: nothing is left of it")
