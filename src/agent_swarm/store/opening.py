"""Opening a store by its address."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from agent_swarm.store.address import DatabaseAddress, PostgresAddress, SqliteAddress, parse
from agent_swarm.store.base import Announce
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.clock import Clock, DatabaseClock
from agent_swarm.store.thread import WorkerThread

MEMORY = "memory:"


@asynccontextmanager
async def open_store(
    address: str | Path | DatabaseAddress,
    *,
    clock: Clock | None = None,
    synchronous: str = "full",
    announce: Announce | None = None,
) -> AsyncIterator[BatchingStore]:
    """The store at `address`, made and migrated as needed.

    `memory:`, the path of an SQLite file, or what `address.parse` understands. `announce` makes what other servers on
    the same PostgreSQL database are told of each batch. Raises StoreLockedError, StoreUnusableError,
    DatabaseUnreachableError or UnknownSchemaError with the remedy.
    """
    store = unopened_store(address, clock=clock, synchronous=synchronous, announce=announce)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


def unopened_store(
    address: str | Path | DatabaseAddress,
    *,
    clock: Clock | None = None,
    synchronous: str = "full",
    announce: Announce | None = None,
) -> BatchingStore:
    """The same, for who opens and closes it: nothing is touched, no thread runs."""
    if address == MEMORY:
        return _in_memory(clock)
    match parse(str(address)) if isinstance(address, str | Path) else address:
        case PostgresAddress(url=url):
            return _on_postgres(url, synchronous, announce)
        case SqliteAddress(path=path):
            return _on_sqlite(path, clock, synchronous)


def _in_memory(clock: Clock | None) -> BatchingStore:
    from agent_swarm.store.memory import MemoryEngine

    return BatchingStore(MemoryEngine(), clock=clock)


def _on_sqlite(path: Path, clock: Clock | None, synchronous: str) -> BatchingStore:
    from agent_swarm.store.sql.sqlite import READERS, SqliteEngine

    return BatchingStore(
        SqliteEngine(path, synchronous=synchronous),
        clock=clock,
        writer=WorkerThread("store-writer"),
        readers=ThreadPoolExecutor(READERS, thread_name_prefix="store-reader"),
    )


def _on_postgres(url: str, synchronous: str, announce: Announce | None) -> BatchingStore:
    from agent_swarm.store.sql.postgres import READERS, PostgresEngine

    clock = DatabaseClock()
    return BatchingStore(
        PostgresEngine(url, clock=clock, announce=announce, synchronous=synchronous),
        clock=clock,
        writer=WorkerThread("store-writer"),
        readers=ThreadPoolExecutor(READERS, thread_name_prefix="store-reader"),
    )
