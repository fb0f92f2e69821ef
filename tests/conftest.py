"""Shared by all tests: async tests run on plain asyncio, as the program does."""

import pytest

ONE_AFTER_THE_OTHER = ("tests/sandbox/", "tests/harness/")  # they look at what runs leave on this host


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that watch the host together, where several processes share the work."""
    for item in items:
        if item.nodeid.startswith(ONE_AFTER_THE_OTHER):
            item.add_marker(pytest.mark.xdist_group("host"))
