"""The server that the tests of this folder talk to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.server.pool import house as houses


@pytest.fixture
async def house(tmp_path: Path, anyio_backend: str) -> AsyncIterator[houses.House]:
    async with houses.opened(tmp_path) as house:
        yield house
