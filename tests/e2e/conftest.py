"""A swarm of real processes, ended with the test."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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


@contextmanager
def two_servers(folder: Path, seed: int, **variables: str) -> Iterator[RealFleet]:
    """Two servers on one PostgreSQL, which the test starts and kills; what they left there keeps the rules."""
    with postgres.server() as server, postgres.database_with_tables(server) as url:
        fleet = RealFleet(folder, url, servers=2, chance=random.Random(seed), variables=variables)
        try:
            yield fleet
        finally:
            fleet.close()
        engine = PostgresEngine(url)
        engine.open()
        try:
            assert engine.read(audit) == []
        finally:
            engine.close()


@pytest.fixture
def swarm(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RealSwarm]:
    """However it was treated, what it left on disk keeps the rules. The mark `lease` shortens its leases."""
    mark = request.node.get_closest_marker("lease")
    swarm = RealSwarm(tmp_path / "swarm") if mark is None else RealSwarm(tmp_path / "swarm", lease_seconds=mark.args[0])
    try:
        yield swarm
    finally:
        swarm.close()
    engine = SqliteEngine(swarm.database)
    engine.open()
    try:
        assert engine.read(audit) == []
    finally:
        engine.close()


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """Where a tool counts its effects, a line each."""
    return tmp_path / "counted"
