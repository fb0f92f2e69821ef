"""A whole database into an empty one.

The source is read in one transaction, so as it was in one moment. All of the target is written in one transaction, too,
indexes, verification and the stamp of the revision included: what is interrupted leaves an empty database with the mark
that a copy was begun (`unfinished`), with which no server starts, and can be begun anew.
"""

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial

import sqlalchemy as sa

from agent_swarm.domain.errors import Conflict, SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.time import SECOND
from agent_swarm.store.address import DatabaseAddress, PostgresAddress, SqliteAddress
from agent_swarm.store.sql import reaching, schema, schema_lock, searching, tables, unfinished
from agent_swarm.store.sql.copying import checking, fitting, rows
from agent_swarm.store.sql.copying.progress import Phase, Progress, silent
from agent_swarm.store.sql.file_lock import locked
from agent_swarm.store.sql.unfinished import Beginning
from agent_swarm.store.sql.writer_memory import Head

PURPOSE = "db copy"

# A rollback journal holds nothing of new pages, so the file is written once; the cache bounds the memory.
_BULK = ("PRAGMA journal_mode=DELETE", "PRAGMA synchronous=FULL", "PRAGMA cache_size=-65536")


class SourceNotReadyError(SwarmError):
    """What is to be copied is of another revision, empty, or in use."""

    code = "sourceNotReady"


class TargetNotEmptyError(Conflict):
    """There is something in the database that a copy should go into."""

    code = "targetNotEmpty"


class EncodingError(SwarmError):
    """A PostgreSQL database cannot hold every text, for its encoding is not UTF-8."""

    code = "databaseEncoding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What is in the target now. `events_since` were written to the source meanwhile and are not."""

    rows: dict[str, int]
    head: Head
    events_since: int = 0


def copy_database(
    source: DatabaseAddress, target: DatabaseAddress, *, online: bool = False, progress: Progress = silent
) -> Copied:
    """Copy all of `source` into `target`, and verify it. With `online` servers may go on to write to the source.

    Raises SourceNotReadyError, TargetNotEmptyError, UnfitValuesError, CopyNotVerifiedError, StoreLockedError,
    SchemaBusyError, UnknownSchemaError or DatabaseUnreachableError; then nothing was copied.
    """
    if source == target:
        raise TargetNotEmptyError(f"{source.shown} cannot be copied to itself", hint="name an empty database with --to")
    with _kept(source), reaching.reading(source, purpose=PURPOSE) as origin:
        _require_ready(source, origin, online=online)
        if isinstance(source, SqliteAddress) and isinstance(target, PostgresAddress):
            fitting.check(origin, source.shown, progress)
        with _opened(target) as engine:
            beginning = _begin(engine, source, target)
            with engine.begin() as connection:
                schema_lock.take_turn(connection)
                if unfinished.marked(connection) != beginning:
                    raise _not_empty(target, "another copy into it was begun")
                copied = _fill(connection, origin, progress)
                return replace(copied, events_since=_events_since(source, copied.head, online=online))


def _begin(engine: sa.Engine, source: DatabaseAddress, target: DatabaseAddress) -> Beginning:
    """Mark the empty target, for good: from here on no server opens it before it is whole."""
    beginning = Beginning(id=new_id(), source=source.shown, begun_at=int(time.time() * SECOND))
    with engine.begin() as connection:
        schema_lock.take_turn(connection)
        _require_empty(target, connection)
        unfinished.mark(connection, beginning)
    return beginning


def _fill(connection: sa.Connection, origin: sa.Connection, progress: Progress) -> Copied:
    """Everything from the tables to the stamp, which comes last."""
    expected = {table.name: rows.count(origin, table) for table in tables.metadata.sorted_tables}
    for table in tables.metadata.sorted_tables:
        connection.execute(sa.schema.CreateTable(table))
        moved = partial(progress, Phase.COPY, table.name, total=expected[table.name])
        with closing(rows.read(origin, table)) as chunks:
            rows.write(connection, table, chunks, moved)
    indexes = [index for table in tables.metadata.sorted_tables for index in table.indexes]
    for number, index in enumerate(indexes):
        progress(Phase.INDEX, str(index.name), number, len(indexes))
        index.create(connection)
    progress(Phase.INDEX, searching.NAME, len(indexes), len(indexes))
    searching.make(connection)
    head = checking.verify(connection, expected, progress)
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("ANALYZE"))
    unfinished.unmark(connection)
    schema.stamp(connection)
    return Copied(rows=expected, head=head)


def _require_ready(source: DatabaseAddress, origin: sa.Connection, *, online: bool) -> None:
    revision = schema.revision_of(origin)
    if revision is None:
        raise SourceNotReadyError(f"{source.shown} is empty", hint="name the database to copy with --from")
    if schema.steps_from(revision):
        raise SourceNotReadyError(
            f"{source.shown} is at revision {revision}, expected {schema.HEAD_REVISION}",
            hint="migrate first: agent-swarm db migrate --database …",
        )
    _require_utf8(source, origin)
    if isinstance(source, PostgresAddress) and not online and (servers := reaching.servers_on(source, origin)):
        raise SourceNotReadyError(
            f"{source.shown} is open by servers: {'; '.join(servers)}",
            hint="stop them, or copy with --online: what they write from now on is not copied",
        )


def _require_empty(target: DatabaseAddress, connection: sa.Connection) -> None:
    _require_utf8(target, connection)
    if others := set(sa.inspect(connection).get_table_names()) - {unfinished.NAME}:
        raise _not_empty(target, f"it holds the tables {', '.join(sorted(others)[:5])}")


def _require_utf8(address: DatabaseAddress, connection: sa.Connection) -> None:
    if isinstance(address, PostgresAddress):
        encoding = connection.execute(sa.text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise EncodingError(
                f"{address.shown} has the encoding {encoding}, expected UTF8",
                hint="make it with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
            )


def _not_empty(target: DatabaseAddress, what: str) -> TargetNotEmptyError:
    return TargetNotEmptyError(
        f"nothing is copied into {target.shown}: {what}",
        hint="name an empty database, or a file that is not there, with --to",
    )


def _events_since(source: DatabaseAddress, head: Head, *, online: bool) -> int:
    """How many events the source has that the copy has not; a write without an event moves the instant of the head."""
    with reaching.reading(source, purpose=PURPOSE) as connection:
        now = checking.head_of(connection)
    if now != head and not online:
        raise SourceNotReadyError(
            f"{source.shown} was written while it was copied; nothing was copied",
            hint="see with agent-swarm db status who has it open, and copy again",
        )
    return now.seq - head.seq


@contextmanager
def _opened(target: DatabaseAddress) -> Iterator[sa.Engine]:
    """Connections to the target; an SQLite file is made where there is none, for its owner's eyes, and locked."""
    with ExitStack() as kept:
        if isinstance(target, SqliteAddress):
            if not target.path.parent.is_dir():
                raise reaching.unreachable(target, f"there is no directory {target.path.parent}")
            kept.enter_context(_kept(target))
            with suppress(FileExistsError):
                os.close(os.open(target.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield kept.enter_context(reaching.writing(target, purpose=PURPOSE, pragmas=_BULK))


def _kept(address: DatabaseAddress) -> AbstractContextManager[None]:
    """Servers are kept away from an SQLite file meanwhile; one that has it open is named in the refusal."""
    if isinstance(address, SqliteAddress) and address.path.parent.is_dir():
        return locked(address.path, purpose=f"agent-swarm {PURPOSE}")
    return nullcontext()
