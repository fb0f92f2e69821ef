"""The server that the tests of this folder call."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.server import world as worlds


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[worlds.World]:
    async with worlds.opened(tmp_path) as world:
        yield world


@pytest.fixture
async def live(world: worlds.World) -> AsyncIterator[worlds.Live]:
    """The same server on a real socket of the loopback interface."""
    async with worlds.served(world) as live:
        yield live
