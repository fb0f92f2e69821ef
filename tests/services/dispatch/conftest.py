"""The swarm that the tests of this folder dispatch in."""

from collections.abc import AsyncIterator

import pytest
from tests.services.dispatch.swarm import ManualTime, Swarm, opened


@pytest.fixture
async def swarm(anyio_backend: str) -> AsyncIterator[Swarm]:
    async with opened(ManualTime()) as swarm:
        yield swarm
