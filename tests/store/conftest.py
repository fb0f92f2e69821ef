"""Every store, under one name: the suites of this folder run on each of them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.store.databases import Make

from agent_swarm.store.address import DatabaseAddress, SqliteAddress, parse
from agent_swarm.store.base import Engine
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.sql import driver as statement_driver
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver
from agent_swarm.testing.invariants import audit


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test did, no statement was made anew at each use: compiling takes longer than running, and is kept."""
    texts: Counter[tuple[sa.Dialect, str]] = Counter()
    prepare = statement_driver.prepare

    def counted(statement: sa.Executable, dialect: sa.Dialect) -> statement_driver.Prepared:
        prepared = prepare(statement, dialect)
        texts[dialect, prepared.sql] += 1
        return prepared

    monkeypatch.setattr(statement_driver, "prepare", counted)
    yield
    few = 3  # some differ only in what SQLite has no words for, such as the locking of rows
    assert [text for (_, text), times in texts.items() if times > few] == []


@contextmanager
def opened(engine: Engine) -> Iterator[Engine]:
    engine.open()
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "memory":
        with opened(MemoryEngine()) as memory:
            yield memory
    elif request.param == "sqlite":
        with opened(SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")) as sqlite:
            yield sqlite
    else:
        server = request.getfixturevalue("postgres_server")
        with postgres.database_with_tables(server) as url, opened(PostgresEngine(url)) as engine:
            yield engine


@pytest.fixture
def swarm(engine: Engine) -> Iterator[Driver]:
    """The rules hold for whatever a test did."""
    yield Driver(engine)
    assert engine.read(audit) == []


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """`make("sqlite")`, `make("postgresql")`: the address of an empty database, or of a file that is not there."""
    kept: list[Any] = []
    numbers = iter(range(100))

    def made(kind: str) -> DatabaseAddress:
        if kind == "sqlite":
            return SqliteAddress(tmp_path / f"{next(numbers)}.sqlite")
        database = postgres.database(request.getfixturevalue("postgres_server"))
        kept.append(database)
        return parse(database.__enter__())

    yield made
    for database in kept:
        database.__exit__(None, None, None)
