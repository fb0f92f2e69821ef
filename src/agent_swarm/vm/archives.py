"""Files and folders as a stream of tar, to a guest and from one.

What comes from a guest is data of a stranger: it decides what is in the files, and nothing else. Names that lead out of
the target, devices and hard links are refused, links are made last, so that nothing is ever written through one.
"""

import io
import os
import queue
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from agent_swarm.vm.errors import GuestRefused, VmError

_CHUNKS_AHEAD: Final = 16
_CHUNK_BYTES: Final = 65536


def packed(source: Path, name: str) -> Iterator[bytes]:
    """The bytes of an archive with `source` in it, under `name`, as it is read; raises VmError where that cannot be."""
    if not source.exists():
        raise VmError(f"there is no file or folder {source}", hint="check the path")
    if not os.access(source, os.R_OK):
        raise VmError(f"{source} may not be read", hint="make it readable for you")
    return _pump(lambda file: _pack(source, name, file))


def _pack(source: Path, name: str, file: "_Writer") -> None:
    with tarfile.open(mode="w|", fileobj=file, format=tarfile.GNU_FORMAT, bufsize=_CHUNK_BYTES) as archive:
        archive.add(source, arcname=name, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Whose it was on the host means nothing in the guest."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


class _Writer(io.RawIOBase):
    """A file whose content goes to a queue, of which somebody takes it in another thread."""

    def __init__(self, chunks: "queue.Queue[bytes | BaseException | None]", has_stopped: threading.Event) -> None:
        self._chunks = chunks
        self._has_stopped = has_stopped

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        content = bytes(data)  # type: ignore[call-overload]
        while not self._has_stopped.is_set():
            try:
                self._chunks.put(content, timeout=0.2)
                return len(content)
            except queue.Full:
                continue
        raise BrokenPipeError


def _pump(write: "Callable[[_Writer], None]") -> Iterator[bytes]:
    chunks: queue.Queue[bytes | BaseException | None] = queue.Queue(_CHUNKS_AHEAD)
    has_stopped = threading.Event()
    writer = _Writer(chunks, has_stopped)

    def work() -> None:
        try:
            write(writer)
            chunks.put(None)
        except BrokenPipeError:
            pass
        except BaseException as exc:
            chunks.put(exc)

    threading.Thread(target=work, name="pack", daemon=True).start()
    try:
        while (chunk := chunks.get()) is not None:
            if isinstance(chunk, BaseException):
                raise VmError(f"cannot read what is to be copied: {chunk}") from chunk
            yield chunk
    finally:
        has_stopped.set()


@contextmanager
def unpacking(place: Path) -> Iterator[Callable[[bytes], object]]:
    """A sink for an archive with one file or folder in it, which becomes `place`. Raises GuestRefused, VmError."""
    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def work() -> None:
        with open(reading, "rb") as stream:
            try:
                _unpack(stream, place)
            except BaseException as exc:
                failures.append(exc)
            while stream.read(_CHUNK_BYTES):  # whoever writes is not to be stopped in the middle
                pass

    thread = threading.Thread(target=work, name="unpack", daemon=True)
    thread.start()
    try:
        with open(writing, "wb", buffering=0) as sink:
            yield sink.write
    finally:
        thread.join()
    for failure in failures:
        if isinstance(failure, GuestRefused):
            raise failure
        raise VmError(
            f"cannot write {place}: {failure}", hint="check the target, and whether the disk is full"
        ) from failure


def _unpack(stream: "io.BufferedReader", place: Path) -> None:
    links: list[tuple[Path, str]] = []
    root: str | None = None
    with tarfile.open(mode="r|", fileobj=stream) as archive:
        for member in archive:
            parts = [part for part in PurePosixPath(member.name).parts if part != "."]
            root = root if root is not None else (parts[0] if parts else "")
            inner = parts[1:] if parts and parts[0] == root else parts
            if member.name.startswith("/") or ".." in parts or (root and parts[:1] != [root]):
                raise GuestRefused(f"the guest sent a file that leads out of the target: {member.name!r}")
            _put(archive, member, place.joinpath(*inner), links)
    for path, target in links:
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def _put(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, links: list[tuple[Path, str]]) -> None:
    if member.isdir():
        path.mkdir(exist_ok=True)
    elif member.issym():
        links.append((path, member.linkname))
    elif member.isfile():
        content = archive.extractfile(member)
        assert content is not None
        if path.is_symlink():
            path.unlink()
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        path.chmod(member.mode & 0o755 | 0o600)
    else:
        raise GuestRefused(f"the guest sent {member.name!r}, which is neither file, folder nor symbolic link")
