"""`scripts/make-docs`: writes the pages and the contracts, or says which are not current.

A contract is not written anew over a break that nobody has written down.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.contract.frozen import CONTRACTS, refusals
from scripts.docs.pages import all_paths, current


def main(arguments: Sequence[str], root: Path) -> int:
    """Answers the exit code."""
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("usage: scripts/make-docs [--check]\n")
        return 2
    stale = {path: text for path, text in _wanted(root).items() if not _is(root / path, text)}
    if arguments:
        for path in stale:
            sys.stderr.write(f"{path} is not current; run scripts/make-docs\n")
        return 1 if stale else 0
    refused = refusals(root)
    for path, text in stale.items():
        if path in refused:
            sys.stderr.write(f"{refused[path]}\n")
        else:
            (root / path).write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path}\n")
    return 1 if refused else 0


def _wanted(root: Path) -> Mapping[str, str]:
    pages = {path: current(root, path) for path in all_paths()}
    return {**pages, **{contract.path: contract.render() for contract in CONTRACTS}}


def _is(target: Path, text: str) -> bool:
    return target.exists() and target.read_text(encoding="utf-8") == text
