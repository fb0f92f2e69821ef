"""Which transcripts hold lines that no stream has yet, remembered in files: one small mark per transcript.

A mark holds the number of the first such line. It is written before the lines are, and removed when all are shared, so
that a process that dies in between shares them at its next start; what was shared already is shared again and skipped.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

Key = tuple[str, int]  # a task's id, the number of an attempt


class Unsent:
    """The marks below one directory. Writers are threads, and the one who shares asks from another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._marks: dict[Key, int] = {}
        self._growths: Counter[Key] = Counter()
        self._writers: Counter[Key] = Counter()

    def load(self) -> dict[Key, int]:
        """The marks that are left from earlier, by transcript; call it first."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._folder.iterdir():
            try:
                task_id, attempt = path.name.split(".")
                self._marks[task_id, int(attempt)] = int(path.read_text("ascii"))
            except (ValueError, OSError):
                path.unlink(missing_ok=True)  # cut off by a crash before any line was written
        return dict(self._marks)

    def first(self, key: Key) -> int | None:
        """The first line that may not be shared; None where all are."""
        return self._marks.get(key)

    def growth(self, key: Key) -> int:
        """A number that changes when lines are written."""
        return self._growths[key]

    @contextmanager
    def growing(self, key: Key, first: int) -> Iterator[None]:
        """While lines from `first` on are written."""
        with self._lock:
            self._writers[key] += 1
            self._growths[key] += 1
            if key not in self._marks:
                self._path(key).write_text(str(first), "ascii")
                self._marks[key] = first
        try:
            yield
        finally:
            with self._lock:
                self._writers[key] -= 1
                self._growths[key] += 1  # whoever looked in between may have seen half of it

    def settle(self, key: Key, growth: int) -> bool:
        """Forget the mark: all is shared that was written at `growth`. False where more was, or is being, written."""
        with self._lock:
            if self._writers[key] or self._growths[key] != growth:
                return False
            self._path(key).unlink(missing_ok=True)
            self._marks.pop(key, None)
            del self._growths[key], self._writers[key]
            return True

    def _path(self, key: Key) -> Path:
        return self._folder / f"{key[0]}.{key[1]}"
