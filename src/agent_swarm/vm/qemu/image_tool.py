"""`qemu-img`: overlays, conversions, and what an image is made of.

Layers are never changed once something lies on top of them; their files have no write bits, so that neither a wrong
command of ours nor a person's can do it by accident.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_swarm.vm.errors import EngineFailed, InvalidImage
from agent_swarm.vm.qemu import programs
from agent_swarm.vm.qemu.hosts import this_host

SEALED_MODE = 0o444


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What `qemu-img` says about one file."""

    format: str
    virtual_bytes: int
    backing: Path | None


def make_overlay(path: Path, *, backing: Path) -> None:
    """A new empty layer over `backing`, which it refers to by its absolute path."""
    _run("create", "-q", "-f", "qcow2", "-b", str(backing.resolve()), "-F", "qcow2", str(path))


def convert(source: Path, target: Path, *, source_format: str) -> None:
    """A copy as one qcow2 file without a backing file."""
    _run("convert", "-q", "-f", source_format, "-O", "qcow2", str(source), str(target))


def grow(path: Path, size_bytes: int) -> None:
    """Make the disk bigger; the guest sees it at its next start."""
    _run("resize", "-q", "-f", "qcow2", str(path), str(size_bytes))


def inspect(path: Path, *, image_format: str | None = None) -> ImageInfo:
    """What the file is; raises InvalidImage where qemu-img cannot make sense of it.

    Without a format it is guessed from the content, which may be anything: never open such an image for writing.
    """
    known = ["-f", image_format] if image_format else []
    done = _call("info", "--output=json", "-U", *known, str(path))
    if done.returncode != 0:
        raise InvalidImage(
            f"{path} is no disk image: {done.stderr.strip()}", hint="give a qcow2 or raw image of a disk"
        )
    body: dict[str, Any] = json.loads(done.stdout)
    backing = body.get("full-backing-filename") or body.get("backing-filename")
    return ImageInfo(
        format=body["format"], virtual_bytes=int(body["virtual-size"]), backing=Path(backing) if backing else None
    )


def check(path: Path) -> None:
    """Nothing where the qcow2 file is sound; raises InvalidImage."""
    done = _call("check", "-q", "-f", "qcow2", str(path))
    if done.returncode != 0:
        raise InvalidImage(f"{path} is damaged: {(done.stderr or done.stdout).strip()[-200:]}", hint="make it anew")


def chain(path: Path) -> list[Path]:
    """The layers of a disk: the file itself, what it lies on, and so on to the base."""
    found = [path]
    while (backing := inspect(found[-1], image_format="qcow2").backing) is not None:
        found.append(backing)
    return found


def seal(path: Path) -> None:
    """Nobody writes to this layer again."""
    path.chmod(SEALED_MODE)


def _run(*arguments: str) -> None:
    done = _call(*arguments)
    if done.returncode != 0:
        raise EngineFailed(f"qemu-img {arguments[0]} failed: {done.stderr.strip()[-300:]}")


def _call(*arguments: str) -> "subprocess.CompletedProcess[str]":
    program = programs.image_tool(this_host())
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False, env=environment)
