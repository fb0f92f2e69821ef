"""Archives in the format that the kernel unpacks at boot: cpio, "newc"."""

from collections.abc import Iterable
from dataclasses import dataclass

FOLDER, FILE, LINK = 0o040755, 0o100755, 0o120777


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link of an archive."""

    name: str
    mode: int
    content: bytes = b""


def archive(entries: Iterable[Entry]) -> bytes:
    """The bytes of an archive with these entries, in their order."""
    listed = [*entries, Entry("TRAILER!!!", 0)]
    return b"".join(_encoded(number, entry) for number, entry in enumerate(listed, 1))


def _encoded(number: int, entry: Entry) -> bytes:
    name = entry.name.encode() + b"\0"
    numbers = (number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08x" % value for value in numbers)
    return _padded(header + name) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
