"""Archives: files of events that need not stay in the database, packed, checked before anything of them is dropped.

An archive is an export. Its hash stands in a signed checkpoint, so that the file can be told from any other.
"""

import gzip
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from agent_swarm.audit.chain import EventRow
from agent_swarm.audit.exports import json_lines
from agent_swarm.audit.files import sync_folder

FOLDER: Final = "archives"
_READ_BYTES: Final = 1 << 20
_LEVEL: Final = 6


def name_of(from_seq: int, to_seq: int) -> str:
    """The file of events from there to there."""
    return f"events-{from_seq}-{to_seq}.jsonl.gz"


class ArchiveWriter:
    """An archive on its way: `add` rows, then `finish`; the file is there only then, and whole."""

    def __init__(self, path: Path, previous: str) -> None:
        self.path = path
        self._previous = previous
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._draft = path.with_name(f"{path.name}.draft")
        descriptor = os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._raw = open(descriptor, "wb")  # noqa: SIM115 - closed by `finish` and `give_up`
        self._packed = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, compresslevel=_LEVEL, mtime=0)

    def add(self, rows: Iterable[EventRow]) -> None:
        """Write rows that follow those before."""
        for line in json_lines(rows, self._previous):
            self._packed.write(line)
            self._previous = ""

    def finish(self) -> str:
        """Have the file on the disk, in its place; answers its SHA-256, read back."""
        self._packed.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        digest = sha256_of(self._draft)
        self._draft.replace(self.path)
        sync_folder(self.path.parent)
        return digest

    def give_up(self) -> None:
        """Leave nothing behind."""
        self._packed.close()
        self._raw.close()
        self._draft.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()
