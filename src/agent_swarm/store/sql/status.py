"""What can be told about a database without a server: which schema it has, what is in it, who has it open.

It is read in one transaction that changes nothing.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from agent_swarm.store.address import DatabaseAddress, SqliteAddress
from agent_swarm.store.sql import reaching, schema, tables
from agent_swarm.store.sql.foreign import UnknownSchemaError
from agent_swarm.store.sql.unfinished import UnfinishedCopyError
from agent_swarm.store.sql.writer_memory import Head

PURPOSE = "db status"
ESTIMATED_FROM_BYTES = 64 * 2**20  # of a table on PostgreSQL: to count it takes longer than people look


class SchemaState(StrEnum):
    """What the program could do with the tables as they are."""

    READY = "ready"
    EMPTY = "empty"
    MIGRATION_DUE = "migrationDue"
    UNKNOWN_SCHEMA = "unknownSchema"
    UNFINISHED_COPY = "unfinishedCopy"


@dataclass(frozen=True, slots=True)
class RowCount:
    """How many rows a table has; `estimated` by the database's own statistics."""

    table: str
    rows: int
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus:
    """A database as it stands. What its schema does not let us read is empty; `note` then says why."""

    database: str
    engine: str  # with its version
    state: SchemaState
    revision: str | None
    newest: str
    note: str = ""
    servers: tuple[str, ...] = ()
    rows: tuple[RowCount, ...] = ()
    tasks: dict[str, int] = field(default_factory=dict)
    head: Head | None = None
    size_bytes: int = 0


def look(address: DatabaseAddress) -> DatabaseStatus:
    """The database at `address`; raises DatabaseUnreachableError."""
    with reaching.reading(address, purpose=PURPOSE) as connection:
        state, revision, note = _schema(connection)
        content = _content(connection) if state in (SchemaState.READY, SchemaState.MIGRATION_DUE) else {}
        return DatabaseStatus(
            database=address.shown,
            engine=_engine(connection),
            state=state,
            revision=revision,
            newest=schema.HEAD_REVISION,
            note=note,
            servers=reaching.servers_on(address, connection),
            size_bytes=_size(address, connection),
            **content,
        )


def _schema(connection: sa.Connection) -> tuple[SchemaState, str | None, str]:
    revision = None
    try:
        revision = schema.revision_of(connection)
        if revision is None:
            return SchemaState.EMPTY, None, "a server makes the tables at its start"
        due = schema.steps_from(revision)
    except UnfinishedCopyError as exc:
        return SchemaState.UNFINISHED_COPY, None, f"{exc.message}; {exc.hint}"
    except UnknownSchemaError as exc:
        return SchemaState.UNKNOWN_SCHEMA, revision, f"{exc.message}; {exc.hint}"
    if due:
        return SchemaState.MIGRATION_DUE, revision, "; ".join(f"{step.revision} {step.title}" for step in due)
    return SchemaState.READY, revision, ""


def _content(connection: sa.Connection) -> dict[str, Any]:
    there = set(sa.inspect(connection).get_table_names())
    head, task = tables.event_head.c, tables.task.c
    row = connection.execute(sa.select(head.seq, head.hash, head.at)).one()
    counted = connection.execute(sa.select(task.status, sa.func.count()).group_by(task.status).order_by(task.status))
    return {
        "rows": tuple(_count(connection, table) for table in tables.metadata.sorted_tables if table.name in there),
        "tasks": {str(status): int(number) for status, number in counted},
        "head": Head(row.seq, row.hash, row.at),
    }


def _count(connection: sa.Connection, table: sa.Table) -> RowCount:
    if connection.dialect.name == "postgresql":
        size, estimate = connection.execute(
            sa.text("SELECT pg_relation_size(oid), reltuples::bigint FROM pg_class WHERE oid = to_regclass(:name)"),
            {"name": table.name},
        ).one()
        if size >= ESTIMATED_FROM_BYTES and estimate >= 0:
            return RowCount(table.name, estimate, estimated=True)
    return RowCount(table.name, connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _engine(connection: sa.Connection) -> str:
    if connection.dialect.name == "sqlite":
        return f"SQLite {connection.execute(sa.text('SELECT sqlite_version()')).scalar_one()}"
    return f"PostgreSQL {connection.execute(sa.text('SHOW server_version')).scalar_one()}"


def _size(address: DatabaseAddress, connection: sa.Connection) -> int:
    if isinstance(address, SqliteAddress):
        files = (address.path, address.path.with_name(address.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())
    return int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())
