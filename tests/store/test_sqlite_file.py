"""The SQLite file: its lock, its durability, its schema."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.script import ScriptDirectory
from tests.store.databases import searching_apart

from agent_swarm.store.sql import schema, tables
from agent_swarm.store.sql.file_lock import StoreLockedError
from agent_swarm.store.sql.foreign import UnknownSchemaError
from agent_swarm.store.sql.sqlite import SqliteEngine, StoreUnusableError
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver

WRITER = """
import sys
from collections.abc import Iterator
from pathlib import Path
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver
engine = SqliteEngine(Path(sys.argv[1]))
engine.open()
swarm = Driver(engine)
while True:
    print(swarm.file(), flush=True)
"""


def test_given_an_open_store_when_a_second_process_opens_it_then_the_holder_is_named(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "swarm.sqlite")
    engine.open()
    script = (
        "import sys; from pathlib import Path\n"
        "from agent_swarm.store.sql.file_lock import StoreLockedError\n"
        "from agent_swarm.store.sql.sqlite import SqliteEngine\n"
        "try: SqliteEngine(Path(sys.argv[1])).open()\n"
        "except StoreLockedError as refusal: print(refusal.message, '|', refusal.hint)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "swarm.sqlite"], capture_output=True, text=True, check=True
    ).stdout
    assert f"in use by another server (process {os.getpid()})" in told
    assert "--data-dir" in told
    engine.close()


def test_given_a_closed_store_when_it_is_opened_again_then_the_lock_is_free(tmp_path: Path) -> None:
    for _ in range(2):
        engine = SqliteEngine(tmp_path / "swarm.sqlite")
        engine.open()
        with pytest.raises(StoreLockedError):
            SqliteEngine(tmp_path / "swarm.sqlite").open()
        engine.close()


def test_given_a_killed_writer_when_the_store_is_opened_again_then_no_acknowledged_task_is_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "swarm.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(50)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += writer.stdout.read().split()[:-1]  # the last line may be torn
    writer.wait()
    engine = SqliteEngine(path)
    engine.open()
    found = engine.read(lambda q: q.tasks(acknowledged))
    assert len(found) == len(acknowledged) >= 49
    head = engine.read(lambda q: q.head())
    events = engine.read(lambda q: q.events_after(0, limit=100_000))
    assert [event.seq for event in events] == list(range(1, head[0] + 1))
    engine.close()


def test_given_a_restart_when_the_store_opens_then_it_tells_the_last_instant(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "swarm.sqlite")
    engine.open()
    swarm = Driver(engine)
    swarm.file()
    engine.close()
    assert SqliteEngine(tmp_path / "swarm.sqlite").open() == swarm.now


def test_given_a_file_that_is_no_database_when_it_is_opened_then_the_remedy_is_told(tmp_path: Path) -> None:
    (tmp_path / "swarm.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnusableError, match="cannot be used"):
        SqliteEngine(tmp_path / "swarm.sqlite").open()


def test_given_a_database_of_a_newer_version_when_it_is_opened_then_it_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "swarm.sqlite"
    engine = SqliteEngine(path)
    engine.open()
    engine.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(UnknownSchemaError, match="9999"):
        SqliteEngine(path).open()


def test_given_a_database_of_something_else_when_it_is_opened_then_it_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "swarm.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()
    with pytest.raises(UnknownSchemaError, match="invoices"):
        SqliteEngine(path).open()


# --- schema -----------------------------------------------------------------------------------------------------------


def _migrated(url: str) -> sa.Engine:
    engine = sa.create_engine(url)
    config = schema.alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return engine


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'migrated.sqlite'}"
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        yield sa.make_url(url).set(drivername="postgresql+psycopg").render_as_string(False)


def test_given_all_migrations_when_the_tables_are_compared_then_there_is_no_drift(url: str) -> None:
    engine = _migrated(url)
    with engine.connect() as connection:
        assert compare_metadata(searching_apart(connection), tables.metadata) == []
        assert connection.execute(sa.select(tables.event_head.c.seq)).scalar() == 0
    engine.dispose()


def test_given_a_fresh_database_when_it_is_made_then_it_equals_a_migrated_one(tmp_path: Path) -> None:
    fresh = SqliteEngine(tmp_path / "fresh.sqlite")
    fresh.open()
    fresh.close()
    _migrated(f"sqlite:///{tmp_path / 'migrated.sqlite'}").dispose()
    assert _schema(tmp_path / "fresh.sqlite") == _schema(tmp_path / "migrated.sqlite")


def _schema(path: Path) -> set[tuple[str, str]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%' AND sql IS NOT NULL")
    told = {(name, "".join(sql.replace('"', "").split())) for name, sql in rows if not name.startswith("sqlite_")}
    connection.close()
    return told


def test_given_the_migrations_when_their_head_is_asked_then_it_is_the_one_the_program_stamps() -> None:
    assert ScriptDirectory.from_config(schema.alembic_config()).get_current_head() == schema.HEAD_REVISION
