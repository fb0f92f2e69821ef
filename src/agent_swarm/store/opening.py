"""Opening a store by its address."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.clock import ServerClock
from agent_swarm.store.thread import WorkerThread

MEMORY = "memory:"


@asynccontextmanager
async def open_store(
    address: str | Path, *, clock: ServerClock | None = None, synchronous: str = "full"
) -> AsyncIterator[BatchingStore]:
    """The store at `address`: `memory:`, or the path of an SQLite file, which is made and migrated as needed.

    Raises StoreLockedError, StoreUnusableError or UnknownSchemaError with the remedy.
    """
    store = unopened_store(address, clock, synchronous)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


def unopened_store(address: str | Path, clock: ServerClock | None, synchronous: str) -> BatchingStore:
    """The same, for who opens and closes it: nothing is touched, no thread runs."""
    return _in_memory(clock) if address == MEMORY else _on_sqlite(Path(address), clock, synchronous)


def _in_memory(clock: ServerClock | None) -> BatchingStore:
    from agent_swarm.store.memory import MemoryEngine

    return BatchingStore(MemoryEngine(), clock=clock)


def _on_sqlite(path: Path, clock: ServerClock | None, synchronous: str) -> BatchingStore:
    from agent_swarm.store.sql.sqlite import READERS, SqliteEngine

    return BatchingStore(
        SqliteEngine(path, synchronous=synchronous),
        clock=clock,
        writer=WorkerThread("store-writer"),
        readers=ThreadPoolExecutor(READERS, thread_name_prefix="store-reader"),
    )
