"""The server that the tests of this folder call."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.server import world as worlds

from agent_swarm.testing import postgres


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[worlds.World]:
    async with worlds.opened(tmp_path) as world:
        yield world


@pytest.fixture(scope="session")
def one_postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(
    params=[
        "memory",
        pytest.param("sqlite", marks=pytest.mark.slow),
        pytest.param("postgresql", marks=pytest.mark.slow),
    ]
)
async def world_on_every_store(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[worlds.World]:
    """A server on the store in memory, on SQLite, and on PostgreSQL."""
    if request.param == "postgresql":
        with postgres.database_with_tables(request.getfixturevalue("one_postgres_server")) as url:
            async with worlds.opened(tmp_path, address=url) as world:
                yield world
        return
    address = "memory:" if request.param == "memory" else tmp_path / "swarm.sqlite"
    async with worlds.opened(tmp_path, address=address) as world:
        yield world


@pytest.fixture
async def live(world: worlds.World) -> AsyncIterator[worlds.Live]:
    """The same server on a real socket of the loopback interface."""
    async with worlds.served(world) as live:
        yield live
