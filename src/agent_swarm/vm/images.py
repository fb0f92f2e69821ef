"""Base images: what projects start from. Each is a folder that never changes once it is there.

    base-images/<name>/image.json      what it is, and the SHA-256 of its parts
    base-images/<name>/disk.qcow2      0444
    base-images/<name>/vmlinuz         0444; where the kernel is started directly, without a boot loader
    base-images/<name>/initrd.img      0444

It appears in one step: everything is made beside it, then the folder gets its name.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from agent_swarm.faults import crash_point
from agent_swarm.vm import room
from agent_swarm.vm.errors import InvalidImage, NoBaseImage, VmExists
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.locks import file_locked
from agent_swarm.vm.machine import DirectBoot
from agent_swarm.vm.names import checked
from agent_swarm.vm.qemu import image_tool
from agent_swarm.vm.removing import remove_tree

DISK: Final = "disk.qcow2"
KERNEL: Final = "vmlinuz"
INITRD: Final = "initrd.img"
_MANIFEST = "image.json"
UNFINISHED: Final = ".new-"
DOWNLOAD: Final = ".download-"
COMMAND_LINE: Final = "kernel-command-line"
_DEFAULT_COMMAND_LINE = "root=/dev/vda rw console=ttyS0 quiet panic=-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """An image as its manifest describes it."""

    name: str
    folder: Path
    sha256: Mapping[str, str]
    kernel_command_line: str
    source: str
    created_at: str
    setup: str | None = None  # SHA-256 of the setup that ran in it, empty where none did; None: it came ready-made

    @property
    def disk(self) -> Path:
        """The layer that all others lie on."""
        return self.folder / DISK

    @property
    def boot(self) -> DirectBoot | None:
        """How its kernel is started; None where it has a boot loader."""
        if KERNEL not in self.sha256:
            return None
        return DirectBoot(
            kernel=self.folder / KERNEL, initrd=self.folder / INITRD, command_line=self.kernel_command_line
        )


def listed(layout: Layout) -> list[BaseImage]:
    """All images, the newest first; a folder that is none is passed over."""
    folders = layout.base_images.iterdir() if layout.base_images.is_dir() else ()
    found = [image for folder in folders if (image := _read(folder)) is not None]
    return sorted(found, key=lambda image: (image.created_at, image.name), reverse=True)


def choose(layout: Layout, name: str | None) -> BaseImage:
    """The image of that name, or the newest; raises NoBaseImage."""
    images = listed(layout)
    if not images:
        raise NoBaseImage("there is no base image", hint="make one first: agent-swarm init-base")
    if name is None:
        return images[0]
    found = next((image for image in images if image.name == name), None)
    if found is None:
        known = ", ".join(image.name for image in images)
        raise NoBaseImage(f"there is no base image {name!r}", hint=f"there are: {known}")
    return found


def verify(image: BaseImage) -> None:
    """Nothing where every part is what it was when it was taken in; raises InvalidImage."""
    for part, expected in image.sha256.items():
        actual = _sha256(image.folder / part)
        if actual != expected:
            raise InvalidImage(
                f"{image.folder / part} has changed: its SHA-256 is {actual[:12]}…, expected {expected[:12]}…",
                hint=f"nothing made of it can be trusted; remove {image.folder}, then: agent-swarm init-base",
            )


def take_in(
    layout: Layout,
    source: Path,
    *,
    name: str | None = None,
    sha256: str | None = None,
    origin: str = "",
    setup: str | None = None,
) -> BaseImage:
    """A new base image from a disk image, or a folder with a disk image, a kernel and its initrd.

    The guest has to run the agent. Raises InvalidImage, VmExists, NoRoom; then nothing has changed.
    """
    parts = parts_of(source)
    chosen = checked("base image", name or source.name.partition(".")[0] or "base")
    require_absent(layout, chosen)
    if sha256 is not None:
        require_sha256(parts[DISK], sha256)
    image_format = format_of(parts[DISK])
    layout.prepare()
    room.require_disk(layout.base_images, sum(path.stat().st_size for path in parts.values()))
    with scratch(layout, f"{os.getpid()}-{chosen}") as unfinished:
        crash_point("image.begun")
        image_tool.convert(parts[DISK], unfinished / DISK, source_format=image_format)
        for part in parts.keys() - {DISK}:
            shutil.copyfile(parts[part], unfinished / part)
        crash_point("image.copied")
        _finish(unfinished, layout.base_images / chosen, parts, _manifest(unfinished, source, parts, origin, setup))
        crash_point("image.named")
    return choose(layout, chosen)


@contextmanager
def scratch(layout: Layout, name: str) -> Iterator[Path]:
    """A folder beside the images, which is gone afterwards. `name` has this process's pid in it."""
    path = layout.base_images / f"{UNFINISHED}{name}"
    with being_made(layout, path):
        try:
            path.mkdir(mode=0o700)
            yield path
        finally:
            discard(layout, path)


@contextmanager
def being_made(layout: Layout, path: Path) -> Iterator[bool]:
    """Within, `path` is no leftover; the value says whether it is this command's."""
    with file_locked(_lock_of(layout, path)) as is_ours:
        yield is_ours


def discard(layout: Layout, path: Path) -> None:
    """Remove what was to become an image, and its lock, which this command has and no other one will want."""
    remove_tree(path)
    with suppress(OSError):  # Windows removes no file that is open
        _lock_of(layout, path).unlink()


def unfinished(layout: Layout) -> list[Path]:
    """What commands that died left of images they were making."""
    return sorted(layout.base_images.glob(f"{UNFINISHED}*")) if layout.base_images.is_dir() else []


def downloads(layout: Layout) -> list[Path]:
    """What has come of images that were being fetched, and are not used yet."""
    return sorted(layout.base_images.glob(f"{DOWNLOAD}*")) if layout.base_images.is_dir() else []


def require_absent(layout: Layout, name: str) -> None:
    """Nothing where an image may have this name; raises InvalidVmName, VmExists."""
    if (layout.base_images / checked("base image", name)).exists():
        raise VmExists(f"there is a base image {name!r}", hint="give the new one another name: --name")


def require_sha256(disk: Path, expected: str) -> None:
    """Nothing where the file's SHA-256 is this one; raises InvalidImage."""
    if (actual := _sha256(disk)) != expected.lower():
        raise InvalidImage(f"the SHA-256 of {disk} is {actual}, expected {expected.lower()}", hint="get the image anew")


def parts_of(source: Path) -> dict[str, Path]:
    """The files of an image: its disk, for some its kernel and initrd. Raises InvalidImage."""
    if source.is_file():
        return {DISK: source}
    if not source.is_dir():
        raise InvalidImage(f"there is no file or folder {source}", hint="give a disk image, or a folder with one")
    disk = next((source / name for name in (DISK, "disk.raw", "disk.img") if (source / name).is_file()), None)
    if disk is None:
        raise InvalidImage(f"{source} holds no disk.qcow2, disk.raw or disk.img", hint="give a disk image instead")
    kernel = {name: source / name for name in (KERNEL, INITRD) if (source / name).is_file()}
    if len(kernel) == 1:
        raise InvalidImage(f"{source} holds {next(iter(kernel))} alone", hint=f"it takes {KERNEL} and {INITRD}")
    return {DISK: disk, **kernel}


def format_of(disk: Path) -> str:
    """qcow2 or raw; anything that looks like a page or a text is refused, and so is an image on top of another one."""
    with disk.open("rb") as file:
        start = file.read(4096)
    if start[:4] != b"QFI\xfb":
        if not start.strip(b"\0") and disk.stat().st_size < 1 << 20:
            raise InvalidImage(f"{disk} is empty", hint="get the image anew")
        if start.lstrip()[:1] in (b"<", b"{") or (start.isascii() and b"\0" not in start):
            raise InvalidImage(
                f"{disk} is no disk image, it begins with {start.lstrip()[:40]!r}",
                hint="it may be an error page: get the image anew",
            )
        return "raw"
    info = image_tool.inspect(disk, image_format="qcow2")
    if info.backing is not None:
        raise InvalidImage(f"{disk} lies on another image, {info.backing}", hint="flatten it first: qemu-img convert")
    image_tool.check(disk)
    return "qcow2"


def command_line_of(source: Path) -> str:
    """With what an image's kernel is started."""
    own = (source if source.is_dir() else source.parent) / COMMAND_LINE
    return own.read_text(encoding="utf-8").strip() if own.is_file() else _DEFAULT_COMMAND_LINE


def _lock_of(layout: Layout, path: Path) -> Path:
    return layout.root / "locks" / f"{path.name}.lock"


def _manifest(
    unfinished: Path, source: Path, parts: Mapping[str, Path], origin: str, setup: str | None
) -> dict[str, Any]:
    return {
        "sha256": {part: _sha256(unfinished / part) for part in sorted(parts)},
        "kernelCommandLine": command_line_of(source) if KERNEL in parts else "",
        "source": origin or str(source),
        "createdAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "setup": setup,
    }


def _finish(unfinished: Path, target: Path, parts: Mapping[str, Path], manifest: Mapping[str, Any]) -> None:
    (unfinished / _MANIFEST).write_text(json.dumps(dict(manifest), indent=2), encoding="utf-8")
    for part in parts:
        image_tool.seal(unfinished / part)
    crash_point("image.sealed")
    try:
        unfinished.rename(target)
    except OSError as exc:
        raise VmExists(f"there is a base image {target.name!r}", hint="give the new one another name: --name") from exc


def _read(folder: Path) -> BaseImage | None:
    if folder.name.startswith("."):
        return None
    with suppress(OSError, ValueError, KeyError, TypeError):
        body: dict[str, Any] = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return BaseImage(
            name=folder.name,
            folder=folder,
            sha256=dict(body["sha256"]),
            kernel_command_line=str(body["kernelCommandLine"]),
            source=str(body["source"]),
            created_at=str(body["createdAt"]),
            setup=body.get("setup"),
        )
    return None


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise InvalidImage(f"cannot read {path}: {exc.strerror}", hint="get the image anew") from exc
