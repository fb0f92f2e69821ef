"""A copy of the tree that guards are taken out of; the tree itself is never touched."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.guards.guard import Guard
from scripts.guards.trial import Change, TrialDiedError, Trials

_PARTS = ("src", "tests", "scripts", "docs", "pyproject.toml", "README.md")
_ALL_PASSED, _SOME_FAILED = 0, 1  # exit codes of pytest
_SECONDS, _ALL_SECONDS = 120, 900  # for the tests of one guard, and of all of them


class SourceNotFoundError(Exception):
    """The text of a guard is not in its file once."""


class Copy:
    """One copy, in which one mutant at a time is tried."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        leave_out = shutil.ignore_patterns("__pycache__")
        for part in _PARTS:
            if (root / part).is_dir():
                shutil.copytree(root / part, folder / part, ignore=leave_out)
            elif (root / part).exists():
                shutil.copy(root / part, folder / part)
        self._trials = Trials(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._trials.__exit__(kind, value, traceback)

    def try_without(self, guard: Guard) -> str:
        """Take the guard out and run its tests: `killed`, `survived`, or why neither can be said."""
        with self._without(guard) as change:
            try:
                code = self._pytest(guard.tests, are_slow=guard.is_slow, change=change)
            except TrialDiedError as exc:
                return str(exc)
        return {_ALL_PASSED: "survived", _SOME_FAILED: "killed"}.get(code, f"pytest ended with {code}")

    def failure(self, guards: Sequence[Guard]) -> str:
        """What pytest says where tests of these guards fail while every one of them stands; nothing where all pass."""
        for are_slow in (False, True):
            tests = sorted({test for guard in guards if guard.is_slow == are_slow for test in guard.tests})
            says = self._folder / "standing.txt"
            if tests and self._pytest(tests, are_slow=are_slow, seconds=_ALL_SECONDS, says=says) != _ALL_PASSED:
                return says.read_text(encoding="utf-8", errors="replace")
        return ""

    @contextmanager
    def _without(self, guard: Guard) -> Iterator[Change]:
        path = self._folder.resolve() / guard.path
        whole = path.read_text(encoding="utf-8")
        found = whole.count(guard.source)
        if found != 1:
            raise SourceNotFoundError(f"its source is {found} times in {guard.path}; adapt scripts/guards/table.py")
        try:
            change = Change(str(path), before=whole, after=whole.replace(guard.source, guard.mutant))
            self._write(path, change.after)
            yield change
        finally:
            self._write(path, whole)

    def _write(self, path: Path, text: str) -> None:
        """Write, and forget what was compiled: two versions of one second and one size look alike."""
        path.write_text(text, encoding="utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def _pytest(
        self,
        tests: Sequence[str],
        *,
        are_slow: bool,
        seconds: float = _SECONDS,
        says: Path | None = None,
        change: Change | None = None,
    ) -> int:
        chosen = () if are_slow else ("-m", "not slow")
        code = self._trials.run((*chosen, *tests), seconds=seconds, says=says, change=change)
        return _SOME_FAILED if code is None else code  # a mutant that hangs is noticed, too
