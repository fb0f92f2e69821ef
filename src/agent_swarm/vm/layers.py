"""The layers of a VM's disk: an empty one on top of one that no longer changes.

A layer is set aside by giving it its lasting name, and a new empty one takes its place. Between the two the VM has no
disk; `finish_setting_aside` may be called at any point and leaves both.
"""

from pathlib import Path

from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.qemu import image_tool

_UNFINISHED = ".disk.new"


def put_on_top(paths: VmPaths, backing: Path) -> None:
    """The VM's disk is an empty layer over `backing` from now on; what it was before is gone."""
    unfinished = paths.folder / _UNFINISHED
    unfinished.unlink(missing_ok=True)
    image_tool.make_overlay(unfinished, backing=backing)
    unfinished.replace(paths.disk)


def set_aside(paths: VmPaths, target: Path) -> None:
    """Give the VM's disk its lasting place; it is written to no more."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths.disk.rename(target)


def finish_setting_aside(paths: VmPaths, target: Path) -> None:
    """Where the disk was set aside to `target`, seal it and put an empty layer on top; nothing where it was not."""
    if not target.exists():
        return
    image_tool.seal(target)
    if not paths.disk.exists():
        put_on_top(paths, target)


def remove_unfinished(paths: VmPaths) -> None:
    """Take away a layer that was about to take its place."""
    (paths.folder / _UNFINISHED).unlink(missing_ok=True)
