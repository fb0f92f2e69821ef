"""Bringing a database to the newest revision while no server has it open, with a way back."""

import os
import shutil
import sqlite3
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from agent_swarm.store.address import DatabaseAddress, SqliteAddress
from agent_swarm.store.sql import reaching, schema, schema_lock
from agent_swarm.store.sql.file_lock import locked
from agent_swarm.store.sql.foreign import require_ours
from agent_swarm.store.sql.schema import Step

PURPOSE = "db migrate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What was done, or would be. `revision` is that of before, None for an empty database."""

    revision: str | None
    newest: str
    steps: tuple[Step, ...]
    backup: Path | None = None

    @property
    def is_due(self) -> bool:
        """The database is not at the newest revision."""
        return self.revision != self.newest


def plan(address: DatabaseAddress) -> Migration:
    """What `migrate` would do; changes nothing."""
    with reaching.reading(address, purpose=PURPOSE) as connection:
        return _plan(connection)


def migrate(address: DatabaseAddress) -> Migration:
    """Bring the database to the newest revision, or leave it as it was.

    An SQLite file is locked, and copied beside itself before it is changed. On PostgreSQL two at once take turns.
    Raises StoreLockedError, UnknownSchemaError, UnfinishedCopyError, SchemaBusyError or DatabaseUnreachableError.
    """
    if isinstance(address, SqliteAddress):
        require_ours(address.path)
    with _alone(address), reaching.writing(address, purpose=PURPOSE) as engine, engine.begin() as connection:
        schema_lock.wait_for_turn(connection)
        found = _plan(connection)
        if isinstance(address, SqliteAddress) and found.steps:
            found = replace(found, backup=back_up(address.path, f"before-{found.steps[0].revision}"))
        schema.bring_to_head(connection)
        return found


def back_up(path: Path, suffix: str) -> Path:
    """A copy of an SQLite file beside it, complete or not there; earlier ones stay."""
    names = (f"{path.name}.{suffix}{f'-{number}' if number > 1 else ''}" for number in count(1))
    target = next(place for name in names if not (place := path.with_name(name)).exists())
    unfinished = target.with_name(target.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    source, copy = sqlite3.connect(path), sqlite3.connect(unfinished)
    try:
        shutil.copymode(path, unfinished)
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    _to_disk(unfinished)
    unfinished.rename(target)
    _to_disk(target.parent)
    return target


def _plan(connection: sa.Connection) -> Migration:
    revision = schema.revision_of(connection)
    steps = () if revision is None else schema.steps_from(revision)
    return Migration(revision=revision, newest=schema.HEAD_REVISION, steps=steps)


def _alone(address: DatabaseAddress) -> AbstractContextManager[None]:
    if isinstance(address, SqliteAddress) and address.path.is_file():
        return locked(address.path, purpose=f"agent-swarm {PURPOSE}")
    return nullcontext()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
