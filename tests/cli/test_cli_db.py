"""`agent-swarm db`, as people and scripts run it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.cli.conftest import Run, started
from tests.store.databases import LATER, contents, later_migrations, run_sql, serving, stock

from agent_swarm.cli.db.addressed import FILE_NAME, chosen
from agent_swarm.store.address import DatabaseAddressError, PostgresAddress, SqliteAddress, parse
from agent_swarm.store.sql import schema
from agent_swarm.testing import postgres

pytestmark = pytest.mark.slow

LATER_PROGRAM = """
import sys
from pathlib import Path
from agent_swarm.store.sql import schema
schema.MIGRATIONS, schema.HEAD_REVISION = Path(sys.argv.pop(1)), sys.argv.pop(1)
from agent_swarm.cli.main import main
main()
"""
INTERRUPTED = """
import os, signal, sys
from agent_swarm.store.sql.copying import rows
write = rows.write
def interrupted(to, table, chunks, moved):
    if table.name == "task":
        os.kill(os.getpid(), signal.SIGINT)
    return write(to, table, chunks, moved)
rows.write = interrupted
from agent_swarm.cli.main import main
main()
"""


@pytest.fixture
def file(tmp_path: Path) -> SqliteAddress:
    """A stocked SQLite file in a data directory."""
    address = SqliteAddress(tmp_path / "data" / FILE_NAME)
    stock(address)
    return address


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    with postgres.database(postgres_server) as url:
        yield url


# --- status -----------------------------------------------------------------------------------------------------------


def test_given_a_running_server_when_its_database_is_looked_at_then_people_and_programs_are_told(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    folder = str(tmp_path / "data")
    with started(environment, "api", "--port", "0", "--data-dir", folder) as server:
        assert server.stdout is not None
        server.stdout.readline()
        told = run("db", "status", "--data-dir", folder)
        read = run("db", "status", "--json", env={"DATA_DIR": folder})
        server.terminate()
        server.wait()
    assert (told.code, told.err, read.code, read.err) == (0, "", 0, "")
    assert f"database  sqlite:{folder}/{FILE_NAME}" in told.out
    assert f"servers   process {server.pid}" in told.out
    assert f"schema    {schema.HEAD_REVISION}, the newest" in told.out
    answer = json.loads(read.out)
    assert (answer["state"], answer["servers"]) == ("ready", [f"process {server.pid}"])
    assert answer["head"]["seq"] >= 1
    assert run("db", "status", "--data-dir", folder).out.count("servers   none") == 1


def test_given_databases_in_every_state_when_they_are_looked_at_then_the_exit_code_tells(
    run: Run, file: SqliteAddress, url: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    database = ("db", "status", "--database")
    assert run(*database, url).code == 4
    assert run(*database, file.shown).code == 0
    assert run(*database, "absent.sqlite").code == 3
    assert run(*database, "mysql://db/swarm").code == 2
    folder = later_migrations(tmp_path / "migrations")
    program = [sys.executable, "-c", LATER_PROGRAM, str(folder), LATER, "db", "status", "--database", file.shown]
    later = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert (later.returncode, later.stderr) == (4, "")
    assert f"{schema.HEAD_REVISION}; the newest is {LATER}: agent-swarm db migrate" in later.stdout
    assert f"{LATER} A column to come" in later.stdout
    run_sql(file, "UPDATE alembic_version SET version_num = 'ffff'")
    assert run(*database, file.shown).code == 5
    assert not (tmp_path / "absent.sqlite").exists()


# --- migrate ----------------------------------------------------------------------------------------------------------


def test_given_an_older_database_when_it_is_migrated_then_the_backup_is_named_and_a_dry_run_does_nothing(
    file: SqliteAddress, tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = later_migrations(tmp_path / "migrations")

    def later(*arguments: str) -> "subprocess.CompletedProcess[str]":
        program = [sys.executable, "-c", LATER_PROGRAM, str(folder), LATER, "db", *arguments, "--database", file.shown]
        return subprocess.run(program, env=environment, capture_output=True, text=True, check=True)

    dry = later("migrate", "--dry-run")
    assert f"would be migrated from {schema.HEAD_REVISION} to {LATER}" in dry.stdout
    backup = file.path.with_name(f"{FILE_NAME}.before-{LATER}")
    assert not backup.exists()
    done = json.loads(later("migrate", "--json").stdout)
    assert done["backup"] == str(backup)
    assert done["changed"]
    assert backup.is_file()
    again = later("migrate")
    assert again.stdout == f"{file.shown} is at {LATER}, the newest revision\n"


def test_given_a_running_server_when_its_file_should_be_migrated_or_copied_then_it_is_named(
    run: Run, file: SqliteAddress
) -> None:
    with serving(file):
        refused = [run("db", "migrate", "--database", file.shown), run("db", "copy", "--from", file.shown, "--to", "x")]
    assert [one.code for one in refused] == [1, 1]
    assert all(f"process {os.getpid()}" in one.err for one in refused)


# --- copy -------------------------------------------------------------------------------------------------------------


def test_given_a_database_when_it_is_copied_to_postgresql_and_back_then_it_is_told_that_it_was_verified(
    run: Run, file: SqliteAddress, url: str, tmp_path: Path
) -> None:
    there = run("db", "copy", "--from", file.shown, "--to", url)
    assert (there.code, there.out.count("\n")) == (0, 2), there.err
    assert f"copied {file.shown} to {parse(url).shown}" in there.out
    assert "verified: every table has the rows of the source" in there.out
    assert "transcripts are files and were not copied" in there.err
    back = run("db", "copy", "--from", url, "--to", "back.sqlite", "--json")
    assert (back.code, back.err) == (0, "")
    answer = json.loads(back.out)
    assert answer["verified"]
    assert answer["rows"] == {table: len(rows) for table, rows in contents(file).items()}
    assert contents(SqliteAddress(tmp_path / "back.sqlite")) == contents(file)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_given_ctrl_c_when_a_copy_is_under_way_then_it_says_so_and_the_server_refuses_what_is_there(
    kind: str, run: Run, file: SqliteAddress, url: str, environment: dict[str, str], tmp_path: Path
) -> None:
    target = str(tmp_path / "new" / FILE_NAME) if kind == "sqlite" else url
    (tmp_path / "new").mkdir()
    program = [sys.executable, "-c", INTERRUPTED, "db", "copy", "--from", file.shown, "--to", target]
    stopped = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert stopped.returncode == 130
    assert stopped.stderr == "interrupted: nothing was copied; run it again to begin anew\n"
    assert run("db", "status", "--database", target).code == 6
    assert run("db", "migrate", "--database", target).code == 6
    if kind == "sqlite":
        refused = run("api", "--port", "0", "--data-dir", str(tmp_path / "new"))
        assert refused.code == 1
        assert f"the copy of {file.shown} into this database" in refused.err
    assert run("db", "copy", "--from", file.shown, "--to", target).code == 0
    assert contents(parse(target)) == contents(file)


def test_given_text_that_postgresql_cannot_hold_when_it_is_copied_then_row_and_remedy_are_told(
    run: Run, file: SqliteAddress, url: str
) -> None:
    run_sql(file, "UPDATE project SET repo_url = 'a' || char(0)")
    refused = run("db", "copy", "--from", file.shown, "--to", url)
    assert refused.code == 1
    assert "project.repo_url of the row id = " in refused.err
    assert "holds the character NUL" in refused.err
    assert "UPDATE project SET" in refused.err
    assert "Traceback" not in refused.err
    assert run("db", "status", "--database", url).code == 4


# --- addresses --------------------------------------------------------------------------------------------------------


def with_password(url: str) -> str:
    """The same database, by an address with a password, which the server does not ask for."""
    return sa.make_url(url).set(password="hunter2").render_as_string(hide_password=False)


def test_given_a_password_on_the_command_line_then_it_works_with_a_warning_and_is_shown_nowhere(
    run: Run, url: str
) -> None:
    told = run("db", "status", "--database", with_password(url))
    assert told.code == 4
    assert told.err.count("\n") == 1
    assert told.err.startswith("warning: other users of this machine can read the password")
    assert "hunter2" not in told.out + told.err


def test_given_a_password_in_a_file_or_a_variable_then_there_is_nothing_to_warn_of(
    run: Run, url: str, tmp_path: Path
) -> None:
    (tmp_path / "address").write_text(f"{with_password(url)}\n")
    for told in (
        run("db", "status", "--database", "@address"),
        run("db", "status", env={"AGENT_SWARM_DATABASE_URL": with_password(url)}),
    ):
        assert (told.code, told.err) == (4, "")
        assert "hunter2" not in told.out
    assert run("db", "status", "--database", "@absent").code == 2


def test_given_a_password_file_of_libpq_when_postgresql_asks_then_it_is_used(run: Run, tmp_path: Path) -> None:
    with postgres.server() as server:
        if "TEST_POSTGRES_URL" in os.environ:
            pytest.skip("the settings of somebody else's server are not ours to change")
        folder = Path(str(sa.make_url(server).query["host"]))
        run_sql(parse(server), "ALTER USER swarm PASSWORD 'hunter2'")
        (folder / "data" / "pg_hba.conf").write_text("local all swarm scram-sha-256\n")
        run_sql(parse(server), "SELECT pg_reload_conf()")
        passwords = tmp_path / "pgpass"
        passwords.write_text("*:*:*:swarm:hunter2\n")
        passwords.chmod(0o600)
        status = ("db", "status", "--database", server)
        asked = run(*status, env={"PGPASSFILE": "/dev/null"})
        assert asked.code == 3
        assert "no password supplied" in asked.err
        assert run(*status, env={"PGPASSFILE": str(passwords)}).code == 4
        assert run(*status, env={"PGPASSWORD": "hunter2"}).code == 4


def test_given_nothing_typed_then_variable_file_and_data_directory_are_asked_in_this_order(tmp_path: Path) -> None:
    assert chosen(None, tmp_path, {}) == SqliteAddress(tmp_path / FILE_NAME)
    assert chosen(None, None, {"DATA_DIR": str(tmp_path)}) == SqliteAddress(tmp_path / FILE_NAME)
    (tmp_path / "config.toml").write_text('[server]\nport = 1\ndatabase_url = "postgresql://db/one"\n')
    assert chosen(None, tmp_path, {}) == PostgresAddress("postgresql://db/one", "postgresql://db/one")
    told = {"AGENT_SWARM_DATABASE_URL": "postgresql://db/two"}
    assert chosen(None, tmp_path, told).shown == "postgresql://db/two"
    assert chosen("three.sqlite", tmp_path, told).shown == "sqlite:three.sqlite"
    with pytest.raises(DatabaseAddressError):
        chosen("", tmp_path, told)
