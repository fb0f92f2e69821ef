"""A worker in this process, talking to a fake pool on loopback, with real agents in real sandboxes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.worker.crew import AGENT_ID, MakeSettings, StartWorker, Working

from agent_swarm.testing.fake_pool import API_KEY
from agent_swarm.worker.settings import WorkerSettings
from agent_swarm.worker.worker import Worker


@pytest.fixture
def signals(tmp_path: Path) -> Path:
    """A folder by which a test and its agents tell each other how far they are, whatever their sandbox."""
    (tmp_path / "signals").mkdir()
    return tmp_path / "signals"


@pytest.fixture
def settings(tmp_path: Path, signals: Path) -> MakeSettings:
    """Settings of a worker of this test; further ones by keyword."""

    def make(url: str = "http://127.0.0.1:9", **more: Any) -> WorkerSettings:
        defaults = {"api_key": API_KEY, "agent_id": AGENT_ID, "agent_name": "ada", "workers_dir": tmp_path / "workers"}
        return WorkerSettings(server_url=url, **{**defaults, "writable": (signals,), **more})

    return make


@pytest.fixture
def start_worker(settings: MakeSettings) -> StartWorker:
    """`async with start_worker(server.url, slots=2) as working:`"""

    @asynccontextmanager
    async def start(url: str, **more: Any) -> AsyncIterator[Working]:
        working = Working(Worker(settings(url, **more)))
        try:
            yield working
        finally:
            await working.drop_dead()

    return start
