"""A plain client for every test."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.model_server.model_client import ModelClient


@pytest.fixture
async def client(anyio_backend: str) -> AsyncIterator[ModelClient]:
    async with httpx2.AsyncClient(timeout=30) as http:
        yield ModelClient(http)
