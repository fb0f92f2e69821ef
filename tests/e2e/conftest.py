"""A swarm of real processes, ended with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.invariants import audit
from agent_swarm.testing.real_swarm import RealSwarm


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[RealSwarm]:
    """However it was treated, what it left on disk keeps the rules."""
    swarm = RealSwarm(tmp_path / "swarm")
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
