"""A store whose writer stands still, so that its queue fills up."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agent_swarm.store.base import BatchResult
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.operations import Operation
from agent_swarm.store.thread import WorkerThread
from agent_swarm.testing.waiting import until


class Jam:
    """The writer of a store in memory, moved to a thread, which stops in the middle of a batch."""

    def __init__(self, store: BatchingStore) -> None:
        self.store = store
        self.has_stopped = False
        self._gate = threading.Event()
        self._apply = store._engine.apply_batch

    @property
    def queued(self) -> int:
        """How many operations wait behind the batch under way."""
        return len(self.store._queue)

    async def until_queued(self, number: int) -> None:
        """Wait for the writer to stand still with so many operations behind it."""
        await until(lambda: self.has_stopped and self.queued == number)

    def release(self) -> None:
        """Let the writer go on."""
        self._gate.set()

    def apply_batch(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult:
        """As the engine, once it may."""
        self.has_stopped = True
        self._gate.wait()
        return self._apply(operations, now)


@asynccontextmanager
async def jammed(store: BatchingStore, *, queue_limit: int) -> AsyncIterator[Jam]:
    """Have the next batch stop until `release`, with room for `queue_limit` operations behind it."""
    jam, writer, limit = Jam(store), WorkerThread("jam"), store._queue_limit
    store._engine.apply_batch = jam.apply_batch  # type: ignore[method-assign]
    store._writer, store._queue_limit = writer, queue_limit
    try:
        yield jam
    finally:
        jam.release()
        async with asyncio.timeout(10):
            await store._idle.wait()
        store._writer, store._queue_limit = None, limit
        store._engine.apply_batch = jam._apply  # type: ignore[method-assign]
        writer.stop()
