"""Reading the SQLite file of desplega-ai/agent-swarm, of which not a byte is changed: a copy is opened."""

import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_swarm.importing.foreign import UnreadableSource
from agent_swarm.store.sql.foreign import DESPLEGA

Row = Mapping[str, Any]

SYSTEM = "desplega"
READ = ("agents", "swarm_repos", "agent_tasks", "scheduled_tasks", "swarm_config")  # those that have a home here
KEPT = ("workflows",)  # those that people made, and that have none yet


@dataclass(frozen=True, slots=True)
class Tables:
    """The rows of the tables that matter, by table; and how many rows the others have."""

    rows: Mapping[str, tuple[Row, ...]]
    others: Mapping[str, int]


def read_tables(path: Path) -> Tables:
    """All of it, as of one moment. Raises UnreadableSource."""
    if not path.is_file():
        raise UnreadableSource(f"{path} is not a file", hint="give the SQLite file of the other swarm's API")
    with tempfile.TemporaryDirectory(prefix="agent-swarm-import-") as folder:
        copy = _copied(path, Path(folder))
        try:
            with closing(sqlite3.connect(copy)) as connection:
                return _read(connection, path)
        except sqlite3.Error as exc:
            raise UnreadableSource(f"{path} cannot be read: {exc}", hint="is it whole, and an SQLite file?") from exc


def _copied(path: Path, folder: Path) -> Path:
    """The file and its log, which belong together: neither may change meanwhile."""
    files = [path, path.with_name(path.name + "-wal")]
    before = [_mark(file) for file in files]
    try:
        for file, mark in zip(files, before, strict=True):
            if mark is not None:
                shutil.copyfile(file, folder / file.name)
    except OSError as exc:
        raise UnreadableSource(f"{path} cannot be copied: {exc.strerror}", hint="check rights and room") from exc
    if [_mark(file) for file in files] != before:
        raise UnreadableSource(f"{path} was written to meanwhile", hint="stop the server that uses it, then try again")
    return folder / path.name


def _mark(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def _read(connection: sqlite3.Connection, path: Path) -> Tables:
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    names = {row["name"] for row in named}
    if not names >= DESPLEGA:
        raise UnreadableSource(
            f"{path} is no database of desplega-ai/agent-swarm: it lacks {', '.join(sorted(DESPLEGA - names))}",
            hint="give its agent-swarm-db.sqlite",
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise UnreadableSource(f"{path} is damaged: {problem}", hint="restore it from a backup, then import that")
    chosen = [name for name in (*READ, *KEPT) if name in names]
    rows = {name: tuple(dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')) for name in chosen}  # noqa: S608 - names of ours
    others = {
        name: connection.execute(f"SELECT count(*) FROM {_quoted(name)}").fetchone()[0]  # noqa: S608 - quoted
        for name in sorted(names - set(chosen))
    }
    return Tables(rows, {name: number for name, number in others.items() if number})


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
