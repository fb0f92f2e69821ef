"""The swarm that the tests of this folder dispatch in."""

from collections.abc import AsyncIterator

import pytest
from tests.services.dispatch.swarm import ManualTime, Swarm, opened

from agent_swarm.testing.invariants import audit


@pytest.fixture
async def swarm(anyio_backend: str) -> AsyncIterator[Swarm]:
    """It keeps the rules: what every test leaves behind is audited."""
    async with opened(ManualTime()) as swarm:
        yield swarm
        assert await swarm.store.read(audit) == []
