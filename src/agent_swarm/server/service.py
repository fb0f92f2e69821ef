"""The shapes of background services: `start`, `stop`, and `run_once`, which tests call."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

import structlog

from agent_swarm.store.base import Committed, Store

log = structlog.get_logger()

RETRY_SECONDS = 1.0  # after a run that failed


class Service(ABC):
    """Runs `run_once` now and then. Stopping twice is fine, and so is stopping before starting."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """Begin; again is fine."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End, in the middle of a wait but not of a write."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def hurry(self) -> None:
        """Have the next run begin at once."""
        self._wake.set()

    @abstractmethod
    async def run_once(self) -> float:
        """Do what is due; answers the seconds until there may be something again."""

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                delay = await self.run_once()
            except Exception:  # a service that died of one bad run would be missed much later
                log.exception("service_failed", service=self._name)
                delay = RETRY_SECONDS
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            except TimeoutError:
                pass


class ListeningService(Service):
    """One that hears of every commit while it runs, and may `hurry` for it."""

    def __init__(self, name: str, store: Store) -> None:
        super().__init__(name)
        self._store = store
        self._unsubscribe: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Begin, and begin to listen; again is fine."""
        self._unsubscribe()
        self._unsubscribe = self._store.subscribe(self._hear)
        await super().start()

    async def stop(self) -> None:
        """End, and listen no more."""
        self._unsubscribe()
        await super().stop()

    @abstractmethod
    def _hear(self, committed: Committed) -> None:
        """Something was committed."""
