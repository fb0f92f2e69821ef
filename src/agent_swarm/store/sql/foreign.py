"""Database files of other programs: recognised before anything is opened, so that nothing is changed in them.

To open an SQLite file for writing makes files beside it, and to close it may write what lies in those into it. So the
file is looked at as it lies there, or as a copy.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Collection
from pathlib import Path

from agent_swarm.domain.errors import SwarmError

OURS = frozenset({"alembic_version", "unfinished_copy"})  # one of them is in every database of ours
DESPLEGA = frozenset({"swarm_config", "agent_tasks"})  # those of desplega-ai/agent-swarm are named like ours
_WAL = "-wal"


class UnknownSchemaError(SwarmError):
    """The database was written by another program, or by another version of this one."""

    code = "unknownSchema"


_USUAL = "agent-swarm-db.sqlite"  # in a data directory; the other system calls it so, too


def require_ours(path: Path) -> None:
    """Raise UnknownSchemaError, naming the remedy, for a database file of another program; changes nothing.

    What cannot be read as a database is left to whoever opens it.
    """
    try:
        names = tables_of(path)
    except (OSError, sqlite3.Error):
        return
    if names and not OURS & names:
        raise not_ours(names, path)


def not_ours(names: Collection[str], path: Path | None = None) -> UnknownSchemaError:
    """The refusal of a database with these tables."""
    if set(names) >= DESPLEGA:
        file = path or Path(_USUAL)
        moved = file.with_name("desplega.sqlite")
        into = f"--data-dir {file.parent}" if file.name == _USUAL else f"--database sqlite:{file}"
        return UnknownSchemaError(
            f"{file} is a database of desplega-ai/agent-swarm, and nothing in it was changed",
            hint=f"move it aside and import it: mv {file} {moved} && agent-swarm import desplega {moved} {into}",
        )
    return UnknownSchemaError(
        f"the database holds tables that are not Agent Swarm's: {', '.join(sorted(names)[:5])}",
        hint="point --data-dir at another directory",
    )


def tables_of(path: Path) -> frozenset[str]:
    """The tables of an SQLite file; none where it is missing or empty. Raises sqlite3.Error for what is no database."""
    if not path.is_file():
        return frozenset()
    names = _tables(path)
    wal = path.with_name(path.name + _WAL)
    if names or not wal.is_file() or not wal.stat().st_size:
        return names
    with tempfile.TemporaryDirectory(prefix="agent-swarm-") as folder:  # all of it may still be in the log
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(wal, copy.with_name(copy.name + _WAL))
        return _tables(copy, "rwc")


def _tables(path: Path, mode: str = "ro&immutable=1") -> frozenset[str]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)
    try:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return frozenset(name for (name,) in found)
    finally:
        connection.close()
