"""One table, four statements, one transaction per batch."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

_SCHEMA = """
CREATE TABLE IF NOT EXISTS task (
    id TEXT PRIMARY KEY, title TEXT, prompt TEXT, status TEXT, sort_key INTEGER, worker TEXT, fence INTEGER,
    lease_until INTEGER, progress TEXT, result TEXT);
CREATE INDEX IF NOT EXISTS ready ON task (sort_key, id) WHERE status = 'pending';
"""
_CREATE = """
INSERT INTO task (id, title, prompt, status, sort_key, fence)
SELECT value ->> 0, value ->> 1, value ->> 2, 'pending', value ->> 3, 0 FROM json_each(?)
"""
_CLAIM = """
UPDATE task SET status = 'claimed', fence = fence + 1, lease_until = ?
WHERE id IN (SELECT id FROM task WHERE status = 'pending' ORDER BY sort_key, id LIMIT ?)
RETURNING id, fence, title, prompt
"""
_PROGRESS = """
UPDATE task SET progress = told.value ->> 2 FROM json_each(?) AS told
WHERE task.id = told.value ->> 0 AND task.fence = told.value ->> 1 AND task.status = 'claimed'
"""
_FINISH = """
UPDATE task SET status = 'completed', result = told.value ->> 2, lease_until = NULL FROM json_each(?) AS told
WHERE task.id = told.value ->> 0 AND task.fence = told.value ->> 1 AND task.status = 'claimed'
"""


@dataclass(slots=True)
class Work:
    """What one batch does, in this order."""

    new: list[tuple[str, str, str, int]] = field(default_factory=list)
    progress: list[tuple[str, int, str]] = field(default_factory=list)
    finished: list[tuple[str, int, str]] = field(default_factory=list)
    claims: int = 0
    lease_until: int = 0


class Table:
    """The database; used by one thread."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_SCHEMA}")

    def apply(self, work: Work) -> list[Any]:
        """The tasks claimed: (id, fence, title, prompt)."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        if work.new:
            run(_CREATE, (orjson.dumps(work.new).decode(),))
        if work.progress:
            run(_PROGRESS, (orjson.dumps(work.progress).decode(),))
        if work.finished:
            run(_FINISH, (orjson.dumps(work.finished).decode(),))
        claimed = run(_CLAIM, (work.lease_until, work.claims)).fetchall() if work.claims else []
        run("COMMIT")
        return claimed
