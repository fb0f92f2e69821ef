"""Reading the JSON folders of the Swarm plugin: `agents`, `tasks`, `chats`, `projects`, `swarms`.

Each file holds one record, a list of them, or an object with records under their ids. A file that is none of these is
a problem of its own and hides no other.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_swarm.importing.foreign import UnreadableSource

Row = Mapping[str, Any]

FOLDERS = ("swarms", "projects", "agents", "tasks", "chats")
LARGEST_BYTES = 64 * 1024 * 1024
CREDENTIALS = "credentials.env"
_LISTS = ("messages", "items")  # what an object that only wraps a list calls it, beside the folder's own name


@dataclass(frozen=True, slots=True)
class Unread:
    """A file, or a record in it, that cannot be read."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Folders:
    """The records by folder, each with the file it came from; and what could not be read."""

    rows: Mapping[str, tuple[Row, ...]]
    unread: tuple[Unread, ...] = field(default=())
    has_credentials: bool = False


def read_folders(root: Path) -> Folders:
    """Everything below `root`. Raises UnreadableSource where that holds none of the folders."""
    root = root if any((root / name).is_dir() for name in FOLDERS) else root / ".swarm"
    if not any((root / name).is_dir() for name in FOLDERS):
        raise UnreadableSource(
            f"{root.parent} holds none of the folders {', '.join(FOLDERS)}",
            hint="give the directory in which the plugin keeps its JSON files, such as /data/.swarm",
        )
    unread: list[Unread] = []
    rows = {name: tuple(_records(root / name, unread)) for name in FOLDERS}
    return Folders(rows, tuple(unread), (root / CREDENTIALS).exists())


def _records(folder: Path, unread: list[Unread]) -> Iterator[Row]:
    for path in sorted(folder.glob("*.json")):
        place = f"{folder.name}/{path.name}"
        try:
            if path.stat().st_size > LARGEST_BYTES:
                unread.append(Unread(place, f"it is larger than {LARGEST_BYTES:,} bytes"))
                continue
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is no JSON"
            unread.append(Unread(place, reason or "it cannot be read"))
            continue
        for number, record in enumerate(_found(content, path, folder.name)):
            if isinstance(record, Mapping):
                yield {"_place": place, **record}
            else:
                unread.append(Unread(f"{place}, record {number + 1}", "it is no JSON object"))


def _found(content: Any, path: Path, folder: str) -> list[Any]:
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        return [content]
    wrapped = next((content[name] for name in (folder, *_LISTS) if isinstance(content.get(name), list)), None)
    if wrapped is not None and folder != "swarms":
        shared = {name: value for name, value in content.items() if isinstance(value, str)}
        return [{**shared, **record} if isinstance(record, dict) else record for record in wrapped]
    if content and all(isinstance(value, dict) for value in content.values()):
        return [{"id": name, **value} for name, value in content.items()]
    return [{"id": path.stem, **content}]
