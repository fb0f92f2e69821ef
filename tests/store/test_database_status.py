"""What is told about a database without a server, and that looking leaves no trace."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.store.databases import KINDS, Make, contents, run_sql, serving, stock

from agent_swarm.store.address import SqliteAddress, parse
from agent_swarm.store.sql import reaching, schema, status, unfinished
from agent_swarm.store.sql.file_lock import locked
from agent_swarm.store.sql.postgres_connections import DatabaseUnreachableError
from agent_swarm.store.sql.status import SchemaState, look
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver

pytestmark = pytest.mark.slow

WRITE_AND_DIE = """
import os, signal, sys
from tests.store.databases import stock
from agent_swarm.store.sql.engine import SqlEngine
from agent_swarm.store.address import parse
SqlEngine.close = lambda _self: os.kill(os.getpid(), signal.SIGKILL)
stock(parse(sys.argv[1]))
"""


def files(folder: Path) -> dict[str, bytes]:
    """Everything in it."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("kind", KINDS)
def test_given_a_database_when_it_is_looked_at_then_what_it_holds_is_told(kind: str, make: Make) -> None:
    address = make(kind)
    stock(address)
    told = look(address)
    held = contents(address)
    assert (told.state, told.revision) == (SchemaState.READY, schema.HEAD_REVISION)
    assert {one.table: one.rows for one in told.rows} == {table: len(rows) for table, rows in held.items()}
    assert not any(one.estimated for one in told.rows)
    assert sum(told.tasks.values()) == len(held["task"])
    assert told.tasks["completed"] == 1
    assert told.head is not None
    assert (told.head.seq, told.head.hash) == (len(held["event"]), max(held["event"])[-1])
    assert told.size_bytes > 4096
    assert told.servers == ()
    with serving(address):
        (server,) = look(address).servers
        assert str(os.getpid()) in server


def test_given_an_sqlite_file_when_it_is_looked_at_then_nothing_is_left_behind(make: Make, tmp_path: Path) -> None:
    address = make("sqlite")
    stock(address)
    before = files(tmp_path)
    look(address)
    assert files(tmp_path) == before


def test_given_no_file_when_it_is_looked_at_then_none_is_made(tmp_path: Path) -> None:
    for missing in (tmp_path / "absent.sqlite", tmp_path / "absent" / "db.sqlite"):
        with pytest.raises(DatabaseUnreachableError, match="no such file"):
            look(SqliteAddress(missing))
    with pytest.raises(DatabaseUnreachableError, match="directory"):
        look(SqliteAddress(tmp_path))
    assert files(tmp_path) == {}


def test_given_an_empty_file_when_it_is_looked_at_then_it_stays_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    assert look(SqliteAddress(tmp_path / "empty.sqlite")).state is SchemaState.EMPTY
    assert files(tmp_path) == {"empty.sqlite": b""}


def test_given_a_server_that_was_killed_when_its_file_is_looked_at_then_the_log_counts_and_stays_as_it_is(
    tmp_path: Path,
) -> None:
    address = SqliteAddress(tmp_path / "swarm.sqlite")
    killed = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, address.shown], check=False)
    assert killed.returncode == -signal.SIGKILL
    kept = ("swarm.sqlite", "swarm.sqlite-wal")
    before = {name: files(tmp_path)[name] for name in kept}
    assert before["swarm.sqlite-wal"]
    told = look(address)
    assert told.tasks["completed"] == 1
    assert told.servers == ()
    assert {name: files(tmp_path)[name] for name in kept} == before


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ("UPDATE alembic_version SET version_num = 'ffff'", "revision ffff, which this version does not know"),
        ("DROP TABLE alembic_version", "tables that are not Agent Swarm's"),
    ],
)
def test_given_a_schema_of_somebody_else_when_it_is_looked_at_then_it_is_unknown(
    change: str, note: str, make: Make
) -> None:
    address = make("sqlite")
    stock(address)
    run_sql(address, change)
    told = look(address)
    assert told.state is SchemaState.UNKNOWN_SCHEMA
    assert note in told.note
    assert told.rows == ()


def test_given_an_unfinished_copy_when_it_is_looked_at_then_that_is_told(tmp_path: Path) -> None:
    address = SqliteAddress(tmp_path / "half.sqlite")
    sqlite3.connect(address.path).close()
    run_sql(
        address,
        f"CREATE TABLE {unfinished.NAME} (id TEXT, source TEXT, begun_at INTEGER)",
        f"INSERT INTO {unfinished.NAME} VALUES ('x', 'sqlite:/old', 0)",
    )
    told = look(address)
    assert told.state is SchemaState.UNFINISHED_COPY
    assert "sqlite:/old" in told.note


def test_given_a_file_that_somebody_locks_when_it_is_looked_at_then_they_are_named(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = make("sqlite")
    assert isinstance(address, SqliteAddress)
    stock(address)
    monkeypatch.setattr(reaching, "_BUSY_SECONDS", 0)
    with (
        locked(address.path, purpose="agent-swarm db copy"),
        reaching.writing(address, purpose="test", pragmas=("PRAGMA journal_mode=DELETE",)) as engine,
        engine.connect() as connection,
    ):
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnreachableError, match=f"locked .process {os.getpid()}, agent-swarm db copy has"):
            look(address)


def test_given_a_file_that_is_no_database_when_it_is_looked_at_then_it_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"not a database" * 1000)
    with pytest.raises(DatabaseUnreachableError, match="not a database"):
        look(SqliteAddress(tmp_path / "notes.txt"))


def test_given_a_large_table_on_postgresql_when_it_is_looked_at_then_its_rows_are_estimated_and_marked(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = make("postgresql")
    stock(address)
    monkeypatch.setattr(status, "ESTIMATED_FROM_BYTES", 1)
    assert not any(one.estimated for one in look(address).rows)  # nothing was analyzed yet, so all was counted
    run_sql(address, "ANALYZE")
    rows = {one.table: one for one in look(address).rows}
    assert rows["task"].estimated
    assert rows["task"].rows == len(contents(address)["task"])
    assert not rows["requirement_class"].estimated or rows["requirement_class"].rows > 0


def test_given_a_postgresql_that_is_not_there_or_does_not_let_in_then_that_is_told_without_the_password(
    postgres_server: str,
) -> None:
    with pytest.raises(DatabaseUnreachableError) as absent:
        look(parse("postgresql://ada:hunter2@127.0.0.1:1/swarm"))
    with pytest.raises(DatabaseUnreachableError) as unknown, postgres.database(postgres_server) as url:
        look(parse(url.replace("/test_", "/absent_")))
    assert "refused" in absent.value.message
    assert "does not exist" in unknown.value.message
    assert "hunter2" not in absent.value.message + absent.value.hint


def test_given_two_servers_on_postgresql_when_one_leaves_then_the_other_is_still_told(make: Make) -> None:
    address = make("postgresql")
    with serving(address) as first:
        with serving(address):
            pass
        Driver(first).file()
        assert len(look(address).servers) == 1
