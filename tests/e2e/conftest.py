"""A swarm of real processes, ended with the test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.faults.nursery import Nursery
from agent_swarm.testing.invariants import audit
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
