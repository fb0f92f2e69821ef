"""A swarm of real processes, ended with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_swarm.testing.real_swarm import RealSwarm


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[RealSwarm]:
    swarm = RealSwarm(tmp_path / "swarm")
    try:
        yield swarm
    finally:
        swarm.close()
