"""A database file of another program stays byte for byte what it is, and nothing is made beside it."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_swarm.server.main import run_server
from agent_swarm.server.settings import ServerSettings
from agent_swarm.store.address import SqliteAddress
from agent_swarm.store.sql import migrating
from agent_swarm.store.sql.foreign import UnknownSchemaError, require_ours
from agent_swarm.store.sql.sqlite import SqliteEngine

NAME = "agent-swarm-db.sqlite"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def desplega_file(folder: Path, *, in_log: bool) -> Path:
    """The database as its server leaves it; `in_log`: as a killed one does, with all of it in the log."""
    source = folder / "made" / NAME
    source.parent.mkdir()
    connection = sqlite3.connect(source, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for table in ("swarm_config", "agent_tasks", "agents"):
        connection.execute(f"CREATE TABLE {table} (id TEXT PRIMARY KEY)")
    target = folder / "data"
    target.mkdir()
    if not in_log:
        connection.close()
    for path in source.parent.iterdir():
        if not path.name.endswith("-shm"):
            shutil.copyfile(path, target / path.name)
    connection.close()
    return target / NAME


@pytest.mark.parametrize("in_log", [False, True], ids=["closed", "killed"])
@pytest.mark.parametrize(
    "open_it",
    [
        lambda path: SqliteEngine(path).open(),
        lambda path: migrating.migrate(SqliteAddress(path)),
        require_ours,
    ],
    ids=["engine", "migrate", "look"],
)
def test_given_a_database_of_desplega_when_it_is_opened_then_it_is_refused_and_nothing_changes(
    tmp_path: Path, in_log: bool, open_it: Callable[[Path], object]
) -> None:
    path = desplega_file(tmp_path, in_log=in_log)
    before = contents(path.parent)
    with pytest.raises(UnknownSchemaError, match="desplega-ai/agent-swarm") as refused:
        open_it(path)
    assert f"agent-swarm import desplega {path.parent}/desplega.sqlite --data-dir {path.parent}" in refused.value.hint
    assert contents(path.parent) == before


def test_given_a_data_directory_of_desplega_when_a_server_starts_there_then_it_fails_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = desplega_file(tmp_path, in_log=True)
    before = contents(path.parent)
    assert run_server(ServerSettings(data_dir=path.parent, port=0)) == 1
    assert "agent-swarm import desplega" in capsys.readouterr().err
    assert contents(path.parent) == before


def test_given_our_own_database_when_it_is_looked_at_then_it_is_ours(tmp_path: Path) -> None:
    path = tmp_path / NAME
    require_ours(path)
    engine = SqliteEngine(path)
    engine.open()
    require_ours(path)
    engine.close()
    require_ours(path)
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at as one" * 20)
    require_ours(tmp_path / "text")
