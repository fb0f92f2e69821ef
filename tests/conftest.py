"""Shared by all tests: async tests run on plain asyncio, as the program does."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
