"""A worker in this process, talking to a fake pool on loopback, with real agents in real sandboxes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.testing.fake_pool import API_KEY
from agent_swarm.worker.settings import WorkerSettings
from agent_swarm.worker.worker import Worker

AGENT_ID = "0b5e3c1e-6f0a-4c57-9d5e-2f1a7c3b9e10"


class Working:
    """A worker under way."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.ended = asyncio.create_task(worker.run())

    async def leave(self) -> int:
        """Ask it to leave; answers its exit code."""
        self.worker.terminate()
        return await self.ended

    async def until_ended(self, timeout: float = 20.0) -> int:
        """Wait until it ends by itself."""
        async with asyncio.timeout(timeout):
            return await self.ended

    async def drop_dead(self) -> None:
        """Do what it can to end it, as the end of a test does."""
        for _ in range(2):
            self.worker.terminate()
        await asyncio.wait({self.ended}, timeout=20)
        self.ended.cancel()
        await asyncio.gather(self.ended, return_exceptions=True)


StartWorker = Callable[..., AbstractAsyncContextManager[Working]]


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., WorkerSettings]:
    """Settings of a worker of this test; further ones by keyword."""

    def make(url: str = "http://127.0.0.1:9", **more: Any) -> WorkerSettings:
        defaults = {"api_key": API_KEY, "agent_id": AGENT_ID, "agent_name": "ada", "workers_dir": tmp_path / "workers"}
        return WorkerSettings(server_url=url, **{**defaults, **more})

    return make


@pytest.fixture
def start_worker(settings: Callable[..., WorkerSettings]) -> StartWorker:
    """`async with start_worker(server.url, slots=2) as working:`"""

    @asynccontextmanager
    async def start(url: str, *, environ: dict[str, str] | None = None, **more: Any) -> AsyncIterator[Working]:
        given = {} if environ is None else {"environ": environ}
        working = Working(Worker(settings(url, **more), **given))
        try:
            yield working
        finally:
            await working.drop_dead()

    return start
