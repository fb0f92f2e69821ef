"""Flags: what stands somewhere and says "stop everything" for as long as it stands there.

A look at a flag finds it raised, gone, or unknown. Unknown neither stops nor lets go on: a store that does not answer
says nothing about the flag in it.
"""

import hashlib
import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from agent_swarm.protocol.limits import KILL_REASON_CHARS

FLAG_BYTES = 4096  # of a flag's content that are read


@dataclass(frozen=True, slots=True)
class Raised:
    """The flag stands; `fingerprint` changes when it is raised anew."""

    reason: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no flag."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It cannot be told."""

    why: str


Found = Raised | Gone | Unknown


class Flag(Protocol):
    """Something to look at. `name` is its source in the switch: it says where the flag is, and holds no secret."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str:
        """For figures: file or object."""
        ...

    async def look(self) -> Found: ...


@dataclass(frozen=True, slots=True)
class FileFlag:
    """A file: there, it stops everything, with its content as the reason. `host` tells the files of servers apart."""

    path: Path
    host: str
    kind: str = "file"

    @property
    def name(self) -> str:
        """Such as `file:build-1:/var/lib/swarm/KILL`."""
        return f"file:{self.host}:{self.path}"

    async def look(self) -> Found:
        """What is there now. A flag that cannot be read still stands."""
        try:
            found = self.path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return Gone()
        except OSError as exc:
            return Unknown(exc.strerror or type(exc).__name__)
        fingerprint = f"{found.st_ino}:{found.st_mtime_ns}:{found.st_size}"
        return Raised(_content_of(self.path) if stat.S_ISREG(found.st_mode) else "", fingerprint)


def _content_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return reason_in(file.read(FLAG_BYTES))
    except OSError:
        return ""


def judge_object(content: bytes, version: str) -> Found:
    """What an object says: its text is the reason. In JSON, `{"killed": false}` is no flag, and `reason` the reason."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and said.get("killed", True) is False:
        return Gone()
    reason = str(said.get("reason", ""))[:KILL_REASON_CHARS] if isinstance(said, dict) else reason_in(content)
    return Raised(reason, version or hashlib.sha256(content).hexdigest())


def reason_in(content: bytes) -> str:
    """The text of a flag as a reason: printable, on one line, bounded."""
    text = " ".join(content[:FLAG_BYTES].decode("utf-8", "replace").split())
    return "".join(char for char in text if char.isprintable())[:KILL_REASON_CHARS]


def parse_object_url(text: str) -> str:
    """An address of an object that `objects.object_flag` takes; raises ValueError for another one."""
    parts = urlsplit(text)
    is_file = parts.scheme == "file" and not parts.netloc and parts.path.startswith("/")
    is_http = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    if not is_file and not is_http:
        raise ValueError(text)
    return text
