"""A worker in this process, started and ended by a test."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

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

    async def until_ended(self, seconds: float = 20.0) -> int:
        """Wait until it ends by itself."""
        async with asyncio.timeout(seconds):
            return await self.ended

    async def drop_dead(self) -> None:
        """Do what it can to end it, as the end of a test does."""
        for _ in range(2):
            self.worker.terminate()
        await asyncio.wait({self.ended}, timeout=20)
        self.ended.cancel()
        await asyncio.gather(self.ended, return_exceptions=True)


StartWorker = Callable[..., AbstractAsyncContextManager[Working]]
MakeSettings = Callable[..., WorkerSettings]
