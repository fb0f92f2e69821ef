"""Generations of a project: its disk as it was at a stop, never changed afterwards. Tasks are clones of one.

    vms/project-<name>/generations/<n>/disk.qcow2         0444
    vms/project-<name>/generations/<n>/generation.json    what it is, and how the project's disk looked then

A project that has been worked on since gets a new generation at its next stop; clones keep theirs.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent_swarm.vm import layers
from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.qemu import image_tool

_MANIFEST = "generation.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One generation, as its manifest describes it."""

    number: int
    folder: Path
    sha256: str
    created_at: str
    fresh_disk: str  # the project's disk right after; where it looks the same, nothing has been written since

    @property
    def disk(self) -> Path:
        """The layer that clones lie on."""
        return self.folder / "disk.qcow2"


def listed(paths: VmPaths) -> list[Generation]:
    """All generations, the newest first."""
    folders = paths.generations.iterdir() if paths.generations.is_dir() else ()
    found = [generation for folder in folders if (generation := _read(folder)) is not None]
    return sorted(found, key=lambda generation: generation.number, reverse=True)


def current(paths: VmPaths) -> Generation | None:
    """The newest generation, where nothing was written to the project's disk since; None otherwise."""
    newest = next(iter(listed(paths)), None)
    return newest if newest is not None and newest.fresh_disk == _look_of(paths.disk) else None


def next_number(paths: VmPaths) -> int:
    """The number of the next generation."""
    numbers = [int(folder.name) for folder in paths.generations.glob("[0-9]*")] if paths.generations.is_dir() else []
    return max(numbers, default=0) + 1


def set_aside(paths: VmPaths, number: int) -> None:
    """The project's disk becomes the layer of a generation; `finish_sealing` does the rest."""
    layers.set_aside(paths, paths.generations / str(number) / "disk.qcow2")


def finish_sealing(paths: VmPaths, number: int) -> None:
    """Make the generation whole where its layer is in its place; nothing where it is not. It may be called twice."""
    folder = paths.generations / str(number)
    layers.finish_setting_aside(paths, folder / "disk.qcow2")
    if not (folder / "disk.qcow2").exists():
        with suppress(OSError):
            folder.rmdir()
        return
    if not (folder / _MANIFEST).exists():
        _write(paths, folder)


def verify(generation: Generation) -> bool:
    """Whether its layer is what it was when it was sealed."""
    return generation.disk.is_file() and _sha256(generation.disk) == generation.sha256


def _write(paths: VmPaths, folder: Path) -> None:
    body = {
        "sha256": _sha256(folder / "disk.qcow2"),
        "backing": str(image_tool.inspect(folder / "disk.qcow2", image_format="qcow2").backing),
        "createdAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "freshDisk": _look_of(paths.disk),
    }
    unfinished = folder / f".{_MANIFEST}.{os.getpid()}"
    unfinished.write_text(json.dumps(body, indent=2), encoding="utf-8")
    unfinished.replace(folder / _MANIFEST)


def _read(folder: Path) -> Generation | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        body: dict[str, Any] = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return Generation(
            number=int(folder.name),
            folder=folder,
            sha256=str(body["sha256"]),
            created_at=str(body["createdAt"]),
            fresh_disk=str(body["freshDisk"]),
        )
    return None


def _look_of(disk: Path) -> str:
    """Whether a disk was written to shows in its size and in when it was."""
    with suppress(OSError):
        found = disk.stat()
        return f"{found.st_size} {found.st_mtime_ns}"
    return "missing"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
