"""The files of a workspace, as text that can be compared: a name for each, and what it is and holds."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

MOST_FILES = 200_000
_PIECE_BYTES = 1024 * 1024


def tree_of(folder: Path) -> dict[str, str]:
    """`{"src/a.py": "100644 <sha256>"}`; a link's content is where it leads. Git's own files are left out.

    Blocks; files beyond MOST_FILES are not looked at.
    """
    found: dict[str, str] = {}
    for path in _files(folder):
        if len(found) == MOST_FILES:
            break
        found[os.fsencode(path.relative_to(folder)).decode("utf-8", "replace")] = _described(path)
    return found


def differences(recorded: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One line for each file that is not the same, such as `changed: src/a.py`."""
    lines = []
    for name in sorted({*recorded, *now}):
        if recorded.get(name) != now.get(name):
            what = "missing" if name not in now else "new" if name not in recorded else "changed"
            lines.append(f"{what}: {name}")
    return lines


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]
        for name in sorted((*links, *files)):
            if name != ".git":
                yield Path(here, name)


def _described(path: Path) -> str:
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return f"120000 {hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()}"
        if not stat.S_ISREG(mode):
            return "special"
        digest = hashlib.sha256()
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
        return f"{'100755' if mode & stat.S_IXUSR else '100644'} {digest.hexdigest()}"
    except OSError as exc:
        return f"unreadable {exc.strerror}"
