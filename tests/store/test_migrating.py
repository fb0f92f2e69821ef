"""Migrations by command and by a server's start: one at a time, whole or not at all, with a way back."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.store.databases import KINDS, LATER, Make, contents, later_migrations, serving, stock, url_of

from agent_swarm.store.address import DatabaseAddress, SqliteAddress
from agent_swarm.store.sql import migrating, reaching, schema, schema_lock, status
from agent_swarm.store.sql.file_lock import StoreLockedError
from agent_swarm.store.sql.foreign import UnknownSchemaError
from agent_swarm.store.sql.postgres_connections import DatabaseUnreachableError
from agent_swarm.store.sql.schema_lock import SchemaBusyError
from agent_swarm.store.sql.status import SchemaState

pytestmark = pytest.mark.slow

MIGRATE = """
import sys
from pathlib import Path
from agent_swarm.store.address import parse
from agent_swarm.store.sql import migrating, schema

schema.MIGRATIONS, schema.HEAD_REVISION = Path(sys.argv[2]), sys.argv[3]
migrating.migrate(parse(sys.argv[1]))
"""


@pytest.fixture(params=KINDS)
def old(request: pytest.FixtureRequest, make: Make) -> DatabaseAddress:
    """A stocked database, of an older revision once `later` is there."""
    address = make(request.param)
    stock(address)
    return address


@pytest.fixture
def old_file(make: Make) -> SqliteAddress:
    """As `old`, and a file."""
    address = make("sqlite")
    assert isinstance(address, SqliteAddress)
    stock(address)
    return address


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program as it will be: with one migration more."""
    folder = later_migrations(tmp_path / "migrations")
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    monkeypatch.setattr(schema, "HEAD_REVISION", LATER)
    return folder


def flavours(address: DatabaseAddress) -> set[str]:
    """What only the later revision has."""
    with reaching.reading(address, purpose="test") as connection:
        if not sa.inspect(connection).has_table("taste"):
            assert "flavour" not in [column["name"] for column in sa.inspect(connection).get_columns("task")]
            return set()
        return {row.flavour for row in connection.execute(sa.text("SELECT flavour FROM task"))}


def test_given_an_older_database_when_it_is_migrated_then_it_is_at_the_newest_revision_with_all_its_rows(
    old: DatabaseAddress, later: Path
) -> None:
    before = contents(old)
    assert status.look(old).state is SchemaState.MIGRATION_DUE
    done = migrating.migrate(old)
    assert done.newest == status.look(old).revision == LATER
    assert [step.title for step in done.steps] == ["A column to come"]
    assert flavours(old) == {"sweet"}
    assert contents(old) == before
    assert not migrating.migrate(old).is_due
    with serving(old):
        pass


def test_given_an_sqlite_file_when_it_is_migrated_then_a_copy_of_before_lies_beside_it(
    old_file: SqliteAddress, later: Path
) -> None:
    before = contents(old_file)
    backup = old_file.path.with_name(f"{old_file.path.name}.before-{LATER}")
    done = migrating.migrate(old_file)
    assert done.backup == backup
    assert contents(SqliteAddress(backup)) == before
    assert flavours(SqliteAddress(backup)) == set()
    backup.replace(old_file.path)
    assert migrating.migrate(old_file).backup == backup


def test_given_a_backup_of_an_earlier_migration_when_another_is_made_then_the_earlier_one_stays(
    old_file: SqliteAddress, later: Path
) -> None:
    backup = old_file.path.with_name(f"{old_file.path.name}.before-{LATER}")
    backup.write_bytes(b"of an earlier one")
    assert migrating.migrate(old_file).backup == backup.with_name(f"{backup.name}-2")
    assert backup.read_bytes() == b"of an earlier one"


def test_given_a_migration_that_is_killed_in_the_middle_when_it_is_done_again_then_nothing_of_the_first_try_was_kept(
    old: DatabaseAddress, tmp_path: Path
) -> None:
    killing = later_migrations(tmp_path / "killing", waits="os.kill(os.getpid(), signal.SIGKILL)")
    before = contents(old)
    command = [sys.executable, "-c", MIGRATE, url_of(old), str(killing), LATER]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert flavours(old) == set()
    assert contents(old) == before
    with serving(old):
        pass
    whole = later_migrations(tmp_path / "whole")
    subprocess.run([sys.executable, "-c", MIGRATE, url_of(old), str(whole), LATER], check=True)
    assert flavours(old) == {"sweet"}
    assert contents(old) == before


def test_given_a_dry_run_then_what_would_be_done_is_told_and_nothing_is_done(
    old: DatabaseAddress, later: Path, tmp_path: Path
) -> None:
    files = sorted(tmp_path.iterdir())
    told = migrating.plan(old)
    assert [step.revision for step in told.steps] == [LATER]
    assert told.is_due
    assert flavours(old) == set()
    assert sorted(tmp_path.iterdir()) == files


def test_given_a_file_that_a_server_has_open_when_it_should_be_migrated_then_it_is_left_alone(
    old_file: SqliteAddress,
) -> None:
    with serving(old_file), pytest.raises(StoreLockedError, match=f"process {os.getpid()}"):
        migrating.migrate(old_file)


def test_given_many_servers_that_start_at_once_on_an_empty_postgresql_then_each_of_them_works(make: Make) -> None:
    failures: list[BaseException] = []
    for _ in range(5):
        address = make("postgresql")
        together = threading.Barrier(4)

        def start(address: DatabaseAddress = address, together: threading.Barrier = together) -> None:
            try:
                together.wait()
                with serving(address) as engine:
                    assert engine.read(lambda q: q.head())[0] == 0
            except BaseException as exc:
                failures.append(exc)

        servers = [threading.Thread(target=start) for _ in range(4)]
        for server in servers:
            server.start()
        for server in servers:
            server.join()
    assert failures == []


def test_given_two_migrations_at_once_on_postgresql_then_one_does_it_and_the_other_finds_it_done(
    make: Make, tmp_path: Path
) -> None:
    address = make("postgresql")
    stock(address)
    later = later_migrations(tmp_path / "migrations")
    both = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, url_of(address), str(later), LATER], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [(one.communicate()[1], one.returncode) for one in both] == [(b"", 0), (b"", 0)]
    assert flavours(address) == {"sweet"}


def test_given_somebody_at_the_tables_for_too_long_when_another_waits_then_it_is_told(make: Make) -> None:
    address = make("postgresql")
    with (
        reaching.writing(address, purpose="test") as engine,
        engine.begin() as first,
        engine.begin() as second,
    ):
        schema_lock.wait_for_turn(first)
        with pytest.raises(SchemaBusyError):
            schema_lock.wait_for_turn(second, patience=timedelta(milliseconds=20))
    with reaching.writing(address, purpose="test") as engine, engine.begin() as third:
        schema_lock.take_turn(third)


def test_given_an_empty_postgresql_database_when_it_is_migrated_then_its_tables_are_made(make: Make) -> None:
    address = make("postgresql")
    assert status.look(address).state is SchemaState.EMPTY
    assert migrating.migrate(address).revision is None
    assert status.look(address).state is SchemaState.READY


def test_given_what_cannot_be_migrated_when_it_should_be_then_it_is_left_alone(
    old_file: SqliteAddress, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseUnreachableError, match="no such file"):
        migrating.migrate(SqliteAddress(tmp_path / "absent.sqlite"))
    with sqlite3.connect(old_file.path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffff'")
    connection.close()
    with pytest.raises(UnknownSchemaError, match="ffff"):
        migrating.migrate(old_file)
    assert not list(tmp_path.glob("absent*"))
