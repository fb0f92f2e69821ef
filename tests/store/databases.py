"""Databases for the tests of commands on them: stocked ones of either kind, what is in them, and a revision to come."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import Requirements
from agent_swarm.store import operations as ops
from agent_swarm.store.address import DatabaseAddress, PostgresAddress, SqliteAddress
from agent_swarm.store.base import Engine
from agent_swarm.store.records import ProjectRecord, TaskSpec
from agent_swarm.store.sql import reaching, schema, searching, tables
from agent_swarm.store.sql.copying import rows
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.driver import Driver

KINDS = ("sqlite", "postgresql")
LATER = "9000"
ASKED = ops.Idempotency(subject="operator", route="POST /api/tasks", key="once", body_hash="b" * 64)

# With an `upgrade` that a test can stop in the middle: {waits} is put in between two of its steps.
MIGRATION = """
\"\"\"A column to come\"\"\"

import os
import signal

import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("task") as batch_op:
        batch_op.add_column(sa.Column("flavour", sa.Text()))
    op.execute("UPDATE task SET flavour = 'sweet'")
    {waits}
    op.create_table("taste", sa.Column("id", sa.Integer(), primary_key=True))
"""

Make = Callable[[str], DatabaseAddress]


@contextmanager
def serving(address: DatabaseAddress) -> Iterator[Engine]:
    """A server's engine on the database."""
    engine: Engine = (
        SqliteEngine(address.path, synchronous="off")
        if isinstance(address, SqliteAddress)
        else PostgresEngine(address.url)
    )
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def stock(address: DatabaseAddress, *, tasks: int = 5) -> str:
    """Fill a new database with some of everything; answers the AGENT_ID of a worker in it."""
    with serving(address) as engine:
        swarm = Driver(engine)
        ada = swarm.register("ada", capabilities=("harness.shell",))
        swarm.do(ops.CreateProject(project=ProjectRecord(id=new_id(), name="shop", repo_url="/shop"), actor="operator"))
        spec = TaskSpec(id=new_id(), title="a\tb\\N\n'\"", prompt="größe \\. 𝄞", labels=("x",))
        swarm.do(ops.CreateTasks(tasks=(ops.NewTask(spec=spec),), actor="operator", idempotency=ASKED))
        first = swarm.file(priority=90)
        swarm.file(after=(first,))
        swarm.file(requires=Requirements(tags=frozenset({"gpu"})))
        for _ in range(tasks):
            swarm.file()
        swarm.complete(swarm.take(ada))
        held = swarm.take(ada)
        swarm.do(
            ops.BookUsage(
                task_id=held.task_id, attempt=1, seq=1, input_tokens=5, output_tokens=1, cost_micros=7, model="m"
            )
        )
        swarm.take(ada)
    return ada


def contents(address: DatabaseAddress) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in an order that compares."""
    with reaching.reading(address, purpose="test") as connection:
        return {
            table.name: sorted((row for chunk in rows.read(connection, table) for row in chunk), key=repr)
            for table in tables.metadata.sorted_tables
        }


def run_sql(address: DatabaseAddress, *statements: str) -> None:
    """Change a database behind everybody's back."""
    with reaching.writing(address, purpose="test") as engine, engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def later_migrations(folder: Path, *, waits: str = "pass") -> Path:
    """A folder of migrations with one more than the program has."""
    shutil.copytree(schema.MIGRATIONS, folder)
    text = MIGRATION.format(head=schema.HEAD_REVISION, waits=waits)
    (folder / "versions" / f"{LATER}_a_column_to_come.py").write_text(text, encoding="utf-8")
    return folder


def url_of(address: DatabaseAddress) -> str:
    """The address as somebody types it."""
    return address.url if isinstance(address, PostgresAddress) else address.shown


def searching_apart(connection: sa.Connection) -> MigrationContext:
    """For comparing tables with the metadata: the index of words is made by `searching`, which has tests of its own."""

    def is_compared(name: str | None, kind: str, _: object) -> bool:
        return not (name or "").startswith(searching.NAME) or kind not in ("table", "index")

    return MigrationContext.configure(connection, opts={"include_name": is_compared})
