"""A swarm of real processes, ended with the test."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.store.base import Engine
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.faults.nursery import Nursery
from agent_swarm.testing.invariants import audit
from agent_swarm.testing.real_fleet import RealFleet
from agent_swarm.testing.real_swarm import RealSwarm


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Plain asyncio; one loop for all, because the nursery outlives a test."""
    return "asyncio"


@pytest.fixture(scope="session")
async def nursery() -> AsyncIterator[Nursery]:
    """Makes servers and workers in no time; a lease is 3 s."""
    async with Nursery(lease_seconds=3.0) as nursery:
        yield nursery


def check(engine: Engine) -> None:
    """The rules hold for what is in the database."""
    engine.open()
    try:
        assert engine.read(audit) == []
    finally:
        engine.close()


@contextmanager
def fleet_on(server: str, folder: Path, **options: Any) -> Iterator[RealFleet]:
    """Servers on one database of a PostgreSQL `server`, which the test starts and kills; `options` are RealFleet's.

    What they left there keeps the rules.
    """
    with postgres.database_with_tables(server) as url:
        fleet = RealFleet(folder, url, **options)
        try:
            yield fleet
        finally:
            fleet.close()
        check(PostgresEngine(url))


@contextmanager
def two_servers(folder: Path, seed: int, **variables: str) -> Iterator[RealFleet]:
    """Two servers on a PostgreSQL of their own."""
    with (
        postgres.server() as server,
        fleet_on(server, folder, servers=2, chance=random.Random(seed), variables=variables) as fleet,
    ):
        yield fleet


@pytest.fixture
def swarm(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RealSwarm]:
    """However it was treated, what it left on disk keeps the rules. The mark `lease` shortens its leases."""
    mark = request.node.get_closest_marker("lease")
    swarm = RealSwarm(tmp_path / "swarm") if mark is None else RealSwarm(tmp_path / "swarm", lease_seconds=mark.args[0])
    try:
        yield swarm
    finally:
        swarm.close()
    check(SqliteEngine(swarm.database))


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """Where a tool counts its effects, a line each."""
    return tmp_path / "counted"
