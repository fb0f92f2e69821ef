"""The SQLite side: connections and durability; `file_lock` keeps a second server away from the file."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from agent_swarm.domain.errors import SwarmError
from agent_swarm.store.base import BatchResult
from agent_swarm.store.operations import (
    BookUsage,
    ClaimTask,
    CreateTasks,
    Heartbeat,
    Operation,
    ReportProgress,
    Reprioritize,
    TaskCommand,
)
from agent_swarm.store.sql.driver import Driver
from agent_swarm.store.sql.engine import Decided, SqlEngine
from agent_swarm.store.sql.file_lock import lock
from agent_swarm.store.sql.foreign import require_ours
from agent_swarm.store.sql.rows import LaboriousError
from agent_swarm.store.sql.staging import ConcurrentChangeError
from agent_swarm.store.sql.writer_memory import Standing, WriterMemory

READERS = 4
BEGIN = "BEGIN IMMEDIATE"
PATIENT, HURRIED = "PRAGMA busy_timeout=30000", "PRAGMA busy_timeout=0"  # somebody may look at the file with a tool
PATIENCE = 64  # edges of a cascade, on the event loop
QUICK_WEIGHT = 64  # rows that one operation decides on, there
QUICK = (CreateTasks, TaskCommand, Reprioritize, ReportProgress, BookUsage, Heartbeat, ClaimTask)


class StoreUnusableError(SwarmError):
    """The database file cannot be opened or written."""

    code = "storeUnusable"


class SqliteEngine(SqlEngine):
    """An `Engine` on one SQLite file.

    One connection writes and is the only one to run checkpoints; readers work beside it on the write-ahead log. With
    `synchronous="full"` what was acknowledged survives a power loss, with `"normal"` a crash of the process.
    """

    def __init__(self, path: Path, *, synchronous: str = "full") -> None:
        self._path = path
        self._lock: int | None = None
        writer = _connect(path, [f"PRAGMA synchronous={synchronous}", HURRIED], begin=BEGIN, size=1)
        reader = _connect(path, ["PRAGMA query_only=ON", "PRAGMA wal_autocheckpoint=0"], begin="BEGIN", size=READERS)
        super().__init__(writer, reader, memory=WriterMemory())

    def apply_batch(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult:
        """Apply a batch in the writer's thread, which may wait for others."""
        driver = self._connection.driver()
        driver.execute(PATIENT)
        try:
            return super().apply_batch(operations, now)
        finally:
            driver.execute(HURRIED)

    def decide_quickly(self, operations: Sequence[Operation[Any]], now: int) -> Decided | None:
        """A batch of what tasks and workers do all day takes a few milliseconds at most.

        Done where it is asked for, it spares the hand-over of Python's lock around every statement. Only the commit
        waits for the disk.
        """
        if not all(isinstance(operation, QUICK) and operation.weight <= QUICK_WEIGHT for operation in operations):
            return None
        try:
            return self._decide(operations, now, patience=PATIENCE)
        except (sqlite3.IntegrityError, sqlite3.OperationalError, ConcurrentChangeError, LaboriousError):
            return None

    def _begin(self, driver: Driver, now: int, *, alone: bool) -> tuple[int, Standing | None]:
        driver.execute(BEGIN)
        return now, None

    def open(self) -> int:
        """Lock the file, then create or migrate it."""
        try:
            require_ours(self._path)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = lock(self._path)
            return super().open()
        except OSError as exc:
            raise _unusable(self._path, exc.strerror or str(exc)) from exc
        except sa.exc.DatabaseError as exc:
            raise _unusable(self._path, str(exc.orig)) from exc

    def close(self) -> None:
        """Close the connections, then give the lock back."""
        super().close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _unusable(path: Path, reason: str) -> StoreUnusableError:
    return StoreUnusableError(
        f"the database {path} cannot be used: {reason}",
        hint="check that the directory exists and is writable, or choose another with --data-dir",
    )


def _connect(path: Path, pragmas: list[str], *, begin: str, size: int) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False, "timeout": 30},
        poolclass=sa.pool.QueuePool,
        pool_size=size,
        max_overflow=0,
    )
    sa.event.listen(engine, "connect", _set_up(["PRAGMA journal_mode=WAL", *pragmas]))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _set_up(pragmas: list[str]) -> Callable[[Any, Any], None]:
    def set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by us, as IMMEDIATE where we write
        for pragma in pragmas:
            connection.execute(pragma).close()

    return set_up
