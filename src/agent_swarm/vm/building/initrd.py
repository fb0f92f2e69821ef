"""What a guest's kernel starts with: it loads the few drivers that a VM of ours needs, and hands over to the disk.

A distribution's own takes up to fifteen megabytes, and seconds to unpack where QEMU translates; this one has two.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent_swarm.vm.building.cpio import FILE, FOLDER, LINK, Entry, archive

# What a guest drives; what these need besides is found in them.
DRIVERS: Final = ("virtio_pci", "virtio_console", "virtio_blk", "virtio-rng", "virtio_net")

FIRST: Final = """#!/bin/busybox sh
busybox mount -t devtmpfs dev /dev
for module in {modules}; do busybox insmod /modules/$module.ko; done
busybox mount -t ext4 /dev/vda /disk
busybox mount -o move /dev /disk/dev
exec busybox switch_root /disk /sbin/init
"""


def built(busybox: Path, modules: Path) -> bytes:
    """The archive, with a static busybox and drivers from below `modules`; KeyError names one that is not there."""
    drivers = _in_order({path.stem: path for path in modules.rglob("*.ko")})
    first = FIRST.format(modules=" ".join(drivers))
    return archive(
        [
            *(Entry(name, FOLDER) for name in ("bin", "dev", "disk", "modules")),
            Entry("bin/busybox", FILE, busybox.read_bytes()),
            Entry("bin/sh", LINK, b"busybox"),
            Entry("init", FILE, first.encode()),
            *(Entry(f"modules/{name}.ko", FILE, content) for name, content in drivers.items()),
        ]
    )


def _in_order(known: Mapping[str, Path]) -> dict[str, bytes]:
    """The drivers and what they need, each after what it needs itself."""
    found: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name not in found:
            content = known[name].read_bytes()
            needed = re.search(rb"\0depends=([^\0]*)\0", content)
            for other in needed[1].decode().split(",") if needed and needed[1] else ():
                add(other)
            found[name] = content

    for name in DRIVERS:
        add(name)
    return found
