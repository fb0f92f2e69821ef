"""`scripts/make-docs`: writes the pages, or says which are not current."""

import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.docs.pages import all_paths, current


def main(arguments: Sequence[str], root: Path) -> int:
    """Answers the exit code."""
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("usage: scripts/make-docs [--check]\n")
        return 2
    stale = [path for path in all_paths() if not _is_current(root, path)]
    if arguments:
        for path in stale:
            sys.stderr.write(f"{path} is not current; run scripts/make-docs\n")
        return 1 if stale else 0
    for path in stale:
        (root / path).write_text(current(root, path), encoding="utf-8")
        sys.stdout.write(f"wrote {path}\n")
    return 0


def _is_current(root: Path, path: str) -> bool:
    target = root / path
    return target.exists() and target.read_text(encoding="utf-8") == current(root, path)
