"""A history for all tests of this folder, made once, and databases for those that make their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.audit import history
from tests.audit.history import State

from agent_swarm.store.address import DatabaseAddress, SqliteAddress, parse
from agent_swarm.testing import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[DatabaseAddress, Path]:
    """An SQLite database with a history, and the folder with its checkpoints; not to be changed."""
    folder = tmp_path_factory.mktemp("grown")
    address = SqliteAddress(folder / "swarm.sqlite")
    history.with_notary(address, folder, history.grow)
    return address, folder


@pytest.fixture(scope="module")
def state(grown: tuple[DatabaseAddress, Path]) -> State:
    return history.read_state(grown[0])


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseAddress]:
    """An empty database of either kind."""
    if request.param == "sqlite":
        yield SqliteAddress(tmp_path / "swarm.sqlite")
    else:
        with postgres.database_with_tables(request.getfixturevalue("postgres_server")) as url:
            yield parse(url)
