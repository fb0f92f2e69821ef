"""Copies of databases: equal row by row, whole or nothing, and good to go on with."""

import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.store.databases import (
    ASKED,
    KINDS,
    LATER,
    Make,
    contents,
    later_migrations,
    run_sql,
    searching_apart,
    serving,
    stock,
    url_of,
)
from tests.store.test_stores_agree import EXAMPLES, StoreHistories, run_histories

from agent_swarm.domain.ids import new_id
from agent_swarm.store import operations as ops
from agent_swarm.store.address import DatabaseAddress, SqliteAddress, parse
from agent_swarm.store.records import TaskSpec
from agent_swarm.store.sql import reaching, schema, tables
from agent_swarm.store.sql.copying import rows
from agent_swarm.store.sql.copying.checking import CopyNotVerifiedError
from agent_swarm.store.sql.copying.database import (
    EncodingError,
    SourceNotReadyError,
    TargetNotEmptyError,
    copy_database,
)
from agent_swarm.store.sql.copying.fitting import UnfitValuesError
from agent_swarm.store.sql.copying.progress import Phase
from agent_swarm.store.sql.copying.rows import DamagedTextError
from agent_swarm.store.sql.file_lock import StoreLockedError
from agent_swarm.store.sql.postgres_connections import DatabaseUnreachableError
from agent_swarm.store.sql.schema_lock import SchemaBusyError
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.store.sql.unfinished import UnfinishedCopyError
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver
from agent_swarm.testing.invariants import audit, audit_tasks

pytestmark = pytest.mark.slow

WAYS = list(itertools.product(KINDS, KINDS))
KILLED = """
import os, signal, sys
from agent_swarm.store.address import parse
from agent_swarm.store.sql.copying.database import copy_database

def tell(phase, table, done, total):
    if (phase, table) == (sys.argv[3], sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

copy_database(parse(sys.argv[1]), parse(sys.argv[2]), progress=tell)
"""


@pytest.fixture(params=WAYS, ids=[" to ".join(way) for way in WAYS])
def way(request: pytest.FixtureRequest, make: Make) -> tuple[DatabaseAddress, DatabaseAddress]:
    """A stocked source and an empty target."""
    source, target = (make(kind) for kind in request.param)
    stock(source)
    return source, target


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest, make: Make) -> DatabaseAddress:
    return make(request.param)


@pytest.fixture
def source(make: Make) -> DatabaseAddress:
    """A stocked SQLite file."""
    made = make("sqlite")
    stock(made)
    return made


# --- equal ------------------------------------------------------------------------------------------------------------


def test_given_a_database_when_it_is_copied_then_every_row_is_there_and_the_source_is_as_it_was(
    way: tuple[DatabaseAddress, DatabaseAddress],
) -> None:
    before = contents(way[0])
    copied = copy_database(*way)
    assert all(before[table] for table in ("task", "attempt", "usage", "token", "idempotency", "dependency", "project"))
    assert contents(way[1]) == contents(way[0]) == before
    assert copied.rows == {table: len(found) for table, found in before.items()}
    assert copied.head.seq == len(before["event"])
    assert copied.events_since == 0


def test_given_a_copy_when_a_server_goes_on_with_it_then_nothing_was_forgotten_and_the_chain_goes_on(
    make: Make, target: DatabaseAddress
) -> None:
    source = make("sqlite" if not isinstance(target, SqliteAddress) else "postgresql")
    ada = stock(source)
    with serving(source) as engine:
        token = next(one for one in engine.read(lambda q: q.tokens()) if one.agent_id == ada)
        profile = engine.read(lambda q: q.agent(ada))
    assert profile is not None
    copied = copy_database(source, target)
    with serving(target) as engine:
        swarm = Driver(engine, profiles={ada: profile.profile}, instances={ada: profile.instance_id})
        again = ops.NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p"))
        created = swarm.do(ops.CreateTasks(tasks=(again,), actor="operator", idempotency=ASKED))
        assert created.task_ids != (again.spec.id,)
        assert engine.read(lambda q: q.head())[0] == copied.head.seq
        assert engine.read(lambda q: q.token_by_hash(token.hash)) == token
        swarm.complete(swarm.take(ada))
        first = engine.read(lambda q: q.events_after(copied.head.seq, limit=1))[0]
        assert first.seq == copied.head.seq + 1
        assert engine.read(audit) == []


@pytest.mark.parametrize("kind", KINDS)
def test_given_a_copy_when_its_schema_is_compared_then_it_is_that_of_a_database_a_server_made(
    make: Make, source: DatabaseAddress, kind: str
) -> None:
    made, copied = make(kind), make(kind)
    with serving(made):
        pass
    copy_database(source, copied)
    assert _schema_of(copied) == _schema_of(made)


def _schema_of(address: DatabaseAddress) -> Any:
    with reaching.reading(address, purpose="test") as connection:
        drift = compare_metadata(searching_apart(connection), tables.metadata)
        inspector = sa.inspect(connection)
        indexes = {name: sorted(map(_told, inspector.get_indexes(name))) for name in inspector.get_table_names()}
        return drift, indexes, schema.revision_of(connection)


def _told(index: Any) -> str:
    options = {name: str(value) for name, value in index.pop("dialect_options", {}).items()}
    return f"{index} {options}"


@pytest.mark.parametrize("kind", KINDS)
def test_given_rows_in_every_table_when_they_are_copied_there_and_back_then_each_value_is_what_it_was(
    make: Make, kind: str
) -> None:
    source, there, back = make(kind), make(_other(kind)), make(kind)
    stock(source)
    fill_empty_tables(source)
    copy_database(source, there)
    copy_database(there, back)
    assert [table for table, found in values_of(source).items() if not found] == []
    assert values_of(source) == values_of(there) == values_of(back)
    with serving(back) as engine:
        assert engine.read(audit_tasks) == []  # the rows are no messages


def values_of(address: DatabaseAddress) -> dict[str, list[Any]]:
    """What is in a database, not read as a copy reads it."""
    with reaching.reading(address, purpose="test") as connection:
        return {
            table.name: sorted(map(repr, connection.execute(sa.select(*table.c))))
            for table in tables.metadata.sorted_tables
        }


def fill_empty_tables(address: DatabaseAddress) -> None:
    """Have a row with the widest values, and one with as little as may be, in each table that has none yet."""
    with reaching.writing(address, purpose="test") as engine, engine.begin() as connection:
        for table in tables.metadata.sorted_tables:
            if not rows.count(connection, table):
                connection.execute(table.insert(), _rows_for(table))


def _rows_for(table: sa.Table) -> list[dict[str, Any]]:
    if table is tables.chain_state:  # one row, which says where the chain of events begins: it has to be true
        return [{"id": 1, "number": 2**62, "anchor_seq": 0, "anchor_hash": "0" * 64}]
    full = {column.name: _widest(column) for column in table.c}
    return [full, {column.name: None if column.nullable else _least(column) for column in table.c}]


def _widest(column: "sa.Column[Any]") -> Any:
    if isinstance(column.type, sa.String):
        text = "ä\t\\N\n\"'\x7f𝄞 " * 50
        return text[: column.type.length or 400]
    return 2**63 - 1 if isinstance(column.type, sa.BigInteger) else 2**31 - 1


def _least(column: "sa.Column[Any]") -> Any:
    if isinstance(column.type, sa.String):
        return ""
    return -(2**63) if isinstance(column.type, sa.BigInteger) else -(2**31)


def _other(kind: str) -> str:
    return next(one for one in KINDS if one != kind)


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=lambda table: table.name)
def test_given_a_table_when_its_columns_are_looked_at_then_a_copy_knows_how_to_carry_each(table: sa.Table) -> None:
    """Another type of column has to be taught to `store/sql/copying` (`rows`, `fitting`) first."""
    unknown = [column.name for column in table.c if not isinstance(column.type, sa.String | sa.Integer)]
    assert unknown == []


class CopiedHistories(StoreHistories):
    """Copies what a history left to PostgreSQL and back."""

    server: ClassVar[str]
    folder: ClassVar[Path]
    numbers: ClassVar[Any] = itertools.count()

    def __init__(self) -> None:
        self.source = SqliteAddress(self.folder / f"{next(self.numbers)}.sqlite")
        super().__init__(SqliteEngine(self.source.path, synchronous="off"))

    @rule(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
    def file_any_text(self, text: str) -> None:
        spec = TaskSpec(id=new_id(), title=text, prompt=text[::-1], labels=(text,), priority=len(text))
        self.apply(ops.CreateTasks(tasks=(ops.NewTask(spec=spec),), actor="operator"))

    def teardown(self) -> None:
        super().teardown()
        back = SqliteAddress(self.source.path.with_suffix(".back"))
        with postgres.database(self.server) as url:
            copy_database(self.source, parse(url))
            copy_database(parse(url), back)
            assert contents(parse(url)) == contents(back) == contents(self.source)


def test_given_any_history_when_it_is_copied_there_and_back_then_it_is_equal_row_by_row(postgres_server: str) -> None:
    CopiedHistories.server, CopiedHistories.folder = postgres_server, Path(tempfile.mkdtemp(prefix="swarm-copies-"))
    try:
        run_histories(CopiedHistories, examples=max(1, EXAMPLES // 6))
    finally:
        shutil.rmtree(CopiedHistories.folder)


# --- whole or nothing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["copy event", "index ix_task_claim", "verify event"])
def test_given_a_copy_that_is_killed_when_a_server_opens_the_target_then_it_refuses_until_the_copy_is_begun_anew(
    at: str, source: DatabaseAddress, target: DatabaseAddress
) -> None:
    command = [sys.executable, "-c", KILLED, url_of(source), url_of(target), *at.split()]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with pytest.raises(UnfinishedCopyError, match="not finished") as refused, serving(target):
        pass
    assert source.shown in refused.value.message
    assert "agent-swarm db copy" in refused.value.hint
    with pytest.raises(UnfinishedCopyError):
        copy_database(target, SqliteAddress(Path(f"{source.shown.removeprefix('sqlite:')}.other")))
    copy_database(source, target)
    assert contents(target) == contents(source)
    with serving(target):
        pass


@pytest.mark.parametrize("stop_in", [Phase.COPY, Phase.INDEX, Phase.VERIFY])
def test_given_ctrl_c_when_a_copy_is_under_way_then_it_ends_at_once_and_can_be_begun_anew(
    stop_in: Phase, way: tuple[DatabaseAddress, DatabaseAddress]
) -> None:
    def interrupt(phase: Phase, table: str, done: int, total: int) -> None:
        if phase is stop_in:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_database(*way, progress=interrupt)
    copy_database(*way)
    assert contents(way[1]) == contents(way[0])


def test_given_a_row_that_gets_lost_when_the_copy_is_verified_then_it_is_undone(
    source: DatabaseAddress, target: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    write: Callable[..., int] = rows.write
    monkeypatch.setattr(
        rows, "write", lambda to, table, chunks, moved: write(to, table, [chunk[1:] for chunk in chunks], moved)
    )
    with pytest.raises(CopyNotVerifiedError, match="the source 1"):
        copy_database(source, target)
    with pytest.raises(UnfinishedCopyError), serving(target):
        pass


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE event SET data = '{}' WHERE seq = 3", "event 3 is not what its hash says"),
        ("UPDATE event SET seq = 1000 WHERE seq = 3", "event 3 is missing: the next one is 4"),
        ("DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)", "the chain ends with event"),
    ],
)
def test_given_a_log_that_was_changed_by_hand_when_it_is_copied_then_the_copy_is_undone_and_the_event_is_named(
    change: str, told: str, source: DatabaseAddress, target: DatabaseAddress
) -> None:
    run_sql(source, change)
    with pytest.raises(CopyNotVerifiedError, match=told):
        copy_database(source, target)
    with pytest.raises(UnfinishedCopyError), serving(target):
        pass


# --- what the other database cannot hold ------------------------------------------------------------------------------


def test_given_the_character_nul_when_it_should_go_to_postgresql_then_its_place_is_told_and_the_remedy_helps(
    source: DatabaseAddress, make: Make
) -> None:
    task_id = contents(source)["task"][0][0]
    run_sql(source, f"UPDATE task SET title = 'ä' || char(0, 98, 0) || 'c' WHERE id = '{task_id}'")
    target = make("postgresql")
    with pytest.raises(UnfitValuesError) as refused:
        copy_database(source, target)
    assert refused.value.details["values"] == [f"task.title of the row id = '{task_id}' holds the character NUL"]
    with serving(target):  # it was not touched
        pass
    (remedy,) = refused.value.details["remedies"]
    assert remedy in refused.value.hint
    run_sql(source, remedy, remedy, remedy)
    assert next(row for row in contents(source)["task"] if row[0] == task_id)[1] == "äbc"
    copy_database(source, make("postgresql"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE task SET status = 'a status that is too long'", "task.status of the row id = '.*' is longer than"),
        ("UPDATE task SET fence = 3000000000", "task.fence of the row .* is out of the column's range"),
        ("UPDATE usage SET input_tokens = 'many'", "usage.input_tokens of the row task_id = '.*' AND attempt = 1"),
        ("UPDATE prompt SET text = x'00'", "prompt.text of the row .* is not of the column's type"),
    ],
)
def test_given_a_value_that_the_program_never_writes_when_it_should_go_to_postgresql_then_its_place_is_told(
    change: str, told: str, source: DatabaseAddress, make: Make
) -> None:
    run_sql(source, change)
    with pytest.raises(UnfitValuesError, match=told):
        copy_database(source, make("postgresql"))


def test_given_many_unfit_values_when_they_are_told_then_the_list_has_an_end(
    make: Make, source: DatabaseAddress
) -> None:
    stock(source, tasks=30)
    run_sql(source, "UPDATE task SET title = char(0)")
    with pytest.raises(UnfitValuesError, match="more than 20 values") as refused:
        copy_database(source, make("postgresql"))
    assert len(refused.value.details["values"]) == 20


def test_given_the_character_nul_when_it_is_copied_to_sqlite_then_it_is_kept(
    source: DatabaseAddress, make: Make
) -> None:
    run_sql(source, "UPDATE task SET title = 'a' || char(0) || 'b'")
    target = make("sqlite")
    copy_database(source, target)
    assert contents(target) == contents(source)


def test_given_text_that_is_damaged_when_it_is_copied_then_its_place_is_told_and_not_the_text(
    source: DatabaseAddress, target: DatabaseAddress
) -> None:
    task_id = contents(source)["prompt"][0][0]
    run_sql(source, f"UPDATE prompt SET text = CAST(x'666fff' AS TEXT) WHERE task_id = '{task_id}'")
    with pytest.raises(DamagedTextError, match=f"prompt.text of the row .*{task_id}.* is no UTF-8") as refused:
        copy_database(source, target)
    assert "fo" not in refused.value.message.partition("prompt.text")[2].replace("of", "")


def test_given_a_database_that_is_not_in_utf8_when_it_is_the_target_then_it_is_refused(
    source: DatabaseAddress, postgres_server: str
) -> None:
    name = f"latin_{os.urandom(4).hex()}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    target = parse(sa.make_url(postgres_server).set(database=name).render_as_string(hide_password=False))
    try:
        with pytest.raises(EncodingError, match="LATIN1, expected UTF8"):
            copy_database(source, target)
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name}")


# --- refused ----------------------------------------------------------------------------------------------------------


def test_given_a_target_with_something_in_it_when_a_copy_should_go_there_then_it_is_left_alone(
    source: DatabaseAddress, target: DatabaseAddress, make: Make
) -> None:
    with serving(target):
        pass
    before = contents(target)
    with pytest.raises(TargetNotEmptyError, match="it holds the tables"):
        copy_database(source, target)
    assert contents(target) == before
    with pytest.raises(TargetNotEmptyError, match="itself"):
        copy_database(source, source)


def test_given_an_older_source_when_it_should_be_copied_then_it_is_to_be_migrated_first(
    way: tuple[DatabaseAddress, DatabaseAddress], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", later_migrations(tmp_path / "migrations"))
    monkeypatch.setattr(schema, "HEAD_REVISION", LATER)
    with pytest.raises(SourceNotReadyError) as refused:
        copy_database(*way)
    assert "agent-swarm db migrate" in refused.value.hint


def test_given_a_source_that_is_not_there_or_empty_when_it_should_be_copied_then_that_is_told(
    make: Make, target: DatabaseAddress
) -> None:
    with pytest.raises(DatabaseUnreachableError, match="there is no such file"):
        copy_database(make("sqlite"), target)
    with pytest.raises(SourceNotReadyError, match="is empty"):
        copy_database(make("postgresql"), target)


def test_given_a_file_that_a_server_has_open_when_it_should_be_copied_then_the_server_is_named(
    source: DatabaseAddress, target: DatabaseAddress
) -> None:
    with serving(source), pytest.raises(StoreLockedError, match=f"process {os.getpid()}"):
        copy_database(source, target)


def test_given_servers_on_postgresql_when_it_should_be_copied_then_only_online_and_the_gap_is_told(make: Make) -> None:
    source = make("postgresql")
    stock(source)
    with serving(source) as engine:
        swarm = Driver(engine)
        swarm.file()
        with pytest.raises(SourceNotReadyError, match=f":{os.getpid()}, "):
            copy_database(source, make("sqlite"))

        def work_on(phase: Phase, table: str, done: int, total: int) -> None:
            if (phase, table, done) == (Phase.COPY, "event", total):  # its task and prompt would be copied later
                swarm.file()

        target = make("sqlite")
        copied = copy_database(source, target, online=True, progress=work_on)
        assert copied.events_since == 1
        assert len(contents(target)["event"]) == copied.head.seq == engine.read(lambda q: q.head())[0] - 1
    with serving(target) as engine:
        assert engine.read(audit) == []


def test_given_a_server_that_starts_meanwhile_when_it_has_written_then_nothing_is_copied(
    make: Make, target: DatabaseAddress
) -> None:
    source = make("postgresql")
    stock(source)

    def write(phase: Phase, table: str, done: int, total: int) -> None:
        if (phase, table) == (Phase.COPY, "task"):
            with serving(source) as engine:
                Driver(engine).file()

    with pytest.raises(SourceNotReadyError, match="was written while it was copied"):
        copy_database(source, target, progress=write)
    copy_database(source, target)
    assert contents(target) == contents(source)


def test_given_a_copy_under_way_when_somebody_else_wants_the_target_then_they_are_refused(
    source: DatabaseAddress, target: DatabaseAddress, make: Make
) -> None:
    other = make("sqlite")
    stock(other)
    met = []

    def intrude(phase: Phase, table: str, done: int, total: int) -> None:
        if (phase, table) == (Phase.COPY, "task"):
            with pytest.raises((StoreLockedError, UnfinishedCopyError)) as server, serving(target):
                pass
            with pytest.raises((StoreLockedError, SchemaBusyError)) as copy:
                copy_database(other, target)
            met.append((server, copy))

    copy_database(source, target, progress=intrude)
    assert len(met) == 1
    assert contents(target) == contents(source)


def test_given_a_new_file_when_it_is_copied_to_then_only_its_owner_may_read_it(
    source: DatabaseAddress, make: Make
) -> None:
    target = make("sqlite")
    copy_database(source, target)
    assert isinstance(target, SqliteAddress)
    assert target.path.stat().st_mode & 0o077 == 0
    assert sqlite3.connect(target.path).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
