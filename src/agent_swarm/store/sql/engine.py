"""Batches and reads on an SQL database."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog

from agent_swarm.domain.errors import Conflict, InvalidInput, SwarmError, Unavailable
from agent_swarm.faults import crash_point
from agent_swarm.store import events
from agent_swarm.store.base import BatchResult, Committed, Queries
from agent_swarm.store.batch import Batch
from agent_swarm.store.operations import (
    AcknowledgeKill,
    ActivateKillSwitch,
    BudgetOperation,
    LiftKillSwitch,
    Operation,
    SwarmOperation,
)
from agent_swarm.store.records import Event
from agent_swarm.store.sql import schema, statements, tables
from agent_swarm.store.sql.classes import ClassCache
from agent_swarm.store.sql.driver import Driver
from agent_swarm.store.sql.queries import SqlQueries
from agent_swarm.store.sql.rows import LaboriousError, SqlRows
from agent_swarm.store.sql.staging import ConcurrentChangeError
from agent_swarm.store.sql.writer_connection import WriterConnection
from agent_swarm.store.sql.writer_memory import Head, Standing, WriterMemory

R = TypeVar("R")
log = structlog.get_logger()

# While they are applied no other batch is under way.
ALONE = (ActivateKillSwitch, LiftKillSwitch, AcknowledgeKill, SwarmOperation, BudgetOperation)


class SqlEngine:
    """An `Engine` over SQLAlchemy engines: one that writes, and one that reads beside it.

    A batch is one transaction. Where the database refuses a batch as a whole, it is rolled back and its operations
    are applied one by one, so that one bad operation does not take the others with it.

    `memory` is for a database that nobody else writes to; `set_up` prepares each connection that batches are written
    over.
    """

    is_shared = False  # whether others may write to the database

    def __init__(
        self,
        writer: sa.Engine,
        reader: sa.Engine,
        *,
        memory: WriterMemory | None = None,
        set_up: Callable[[Any], None] = lambda _: None,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._memory = memory
        self._connection = WriterConnection(writer, set_up)
        self._classes = ClassCache()
        driver: Any = writer.dialect.loaded_dbapi
        self._unstorable: tuple[type[Exception], ...] = (driver.DataError,)
        self._refused = (driver.IntegrityError, ConcurrentChangeError, *self._unstorable)  # not all of these together

    def open(self) -> int:
        """Create or migrate the tables; answers the last instant on record."""
        schema.prepare(self._writer)
        with self._writer.begin() as connection:
            self._classes.load(row._mapping for row in connection.execute(statements.all_classes))
            return int(connection.execute(statements.lock_head).one().at)

    def close(self) -> None:
        """Close every connection, readers first, so that the writer is the one to finish the log."""
        self._reader.dispose()
        self._connection.close()
        self._writer.dispose()

    def read(self, query: Callable[[Queries], R]) -> R:
        """Run `query` in one read transaction."""
        with self._reader.begin() as connection:
            return query(SqlQueries(connection, self._classes))

    def apply_batch(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult:
        """Apply a batch in one transaction, or its operations one by one where that is refused."""
        try:
            return self._attempt(operations, now)
        except self._refused as exc:
            log.warning("batch_replayed", operations=len(operations), reason=type(exc).__name__)
            return self._apply_singly(operations, now)

    def apply_whole(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult:
        """Apply operations in one transaction, or nothing of them: raises the first refusal.

        For who has something to write that belongs together, and waits for nobody else's operations.
        """
        try:
            decided = self._decide(operations, now)
        except self._refused as exc:
            raise Conflict(
                "what is to be written together collides with what is stored", hint="nothing was written; try it again"
            ) from exc
        for reply in decided.replies:
            if isinstance(reply, SwarmError):
                decided.give_up(reply)
                raise reply
        return decided.commit()

    def decide_quickly(self, operations: Sequence[Operation[Any]], now: int) -> "Decided | None":
        """Every statement may wait for the network, or for other writers."""
        return None

    def _decide(self, operations: Sequence[Operation[Any]], now: int, *, patience: int | None = None) -> "Decided":
        """All of a batch but its commit. Raises LaboriousError for a cascade of more than `patience` edges."""
        transaction = Transaction(self._connection, self._classes, self._memory)
        try:
            alone = any(isinstance(operation, ALONE) or operation.is_alone for operation in operations)
            now, standing = self._begin(transaction.driver, now, alone=alone)
            rows = SqlRows(transaction.driver, self._classes, self._memory, standing=standing, patience=patience)
            batch = Batch(rows, now)
            replies = batch.apply(operations)
            rows.flush()
            happened, head = _record(transaction.driver, batch.drafts, now, self._memory)
        except LaboriousError as exc:
            transaction.give_up(exc, touched=rows.entries)
            raise
        except BaseException as exc:
            transaction.give_up(exc)
            raise
        return Decided(transaction, rows, batch.result(replies, happened), head, self._end)

    def _attempt(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult:
        """Decide and commit."""
        return self._decide(operations, now).commit()

    def _begin(self, driver: Driver, now: int, *, alone: bool) -> tuple[int, Standing | None]:
        """Open a transaction, `alone` while no other one is under way.

        Answers the instant it is dated by, and how the kill switch stands where that came along.
        """
        return now, None

    def _end(self, committed: Committed, head: Head) -> None:
        """Commit; raises where that cannot be done."""
        self._connection.commit()

    def _apply_singly(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult:
        replies: list[Any] = []
        news: list[Committed] = []
        for operation in operations:
            try:
                result = self._attempt([operation], now)
            except self._refused as exc:
                replies.append(_refusal(operation, is_unstorable=isinstance(exc, self._unstorable)))
                continue
            except Unavailable as exc:  # what is committed already stays so
                replies.append(exc)
                continue
            replies.extend(result.replies)
            news.append(result.committed)
        return BatchResult(replies, _together(news, now))


class Transaction:
    """A transaction on the writer's connection; ends with `commit` or `give_up`."""

    def __init__(self, connection: WriterConnection, classes: ClassCache, memory: WriterMemory | None) -> None:
        self._connection = connection
        self._classes = classes
        self._memory = memory
        self.driver = connection.driver()

    def commit(self, rows: SqlRows, head: Head, end: Callable[[], None]) -> None:
        """Make it durable by `end`; raises where that cannot be done, and nothing has happened then."""
        crash_point("store.decided")
        try:
            end()
        except BaseException as exc:
            self.give_up(exc)
            raise
        crash_point("store.committed")
        self._classes.settle(committed=True)
        if self._memory is not None:
            self._memory.keep(rows.entries.values(), rows.agents, head, rows.standing)

    def give_up(self, cause: BaseException, *, touched: Iterable[str] | None = None) -> None:
        """Undo everything, and take nothing for granted any more: of tasks that are not `touched`, if that is known."""
        self._classes.settle(committed=False)
        if self._memory is not None:
            if touched is None:
                self._memory.forget()
            else:
                self._memory.forget_tasks(touched)
        self._connection.give_up(cause)


class Decided:
    """A batch that lacks nothing but its commit."""

    def __init__(
        self,
        transaction: Transaction,
        rows: SqlRows,
        result: BatchResult,
        head: Head,
        end: Callable[[Committed, Head], None],
    ) -> None:
        self._transaction = transaction
        self._rows = rows
        self._result = result
        self._head = head
        self._end = end

    @property
    def replies(self) -> list[Any]:
        """The answers, as they will be."""
        return self._result.replies

    def give_up(self, cause: BaseException) -> None:
        """Undo all of it, instead of `commit`."""
        self._transaction.give_up(cause)

    def commit(self) -> BatchResult:
        """Make it durable. Blocks as long as the disk takes."""
        committed = self._result.committed
        self._transaction.commit(self._rows, self._head, lambda: self._end(committed, self._head))
        return self._result


def _record(
    driver: Driver, drafts: Sequence[events.Draft], now: int, memory: WriterMemory | None
) -> tuple[list[Event], Head]:
    """Chain the events to the head; where others write, its row is locked last, and only until the commit."""
    head = memory.head if memory is not None else None
    if head is None:
        (row,) = driver.rows(statements.lock_head)
        head = Head(row["seq"], row["hash"], row["at"])
    at = max(now, head.at)  # a batch of another server may have begun later and been quicker
    happened = events.chain(drafts, seq=head.seq, head=head.hash, at=at)
    if happened:
        driver.run_tuples(statements.insert(tables.event), [events.stored(event) for event in happened])
    last = happened[-1] if happened else head
    moved = Head(last.seq, last.hash, at)
    driver.run(statements.move_head, {"new_seq": moved.seq, "new_hash": moved.hash, "new_at": moved.at})
    return happened, moved


def _refusal(operation: Operation[Any], *, is_unstorable: bool) -> SwarmError:
    name = type(operation).__name__
    if is_unstorable:
        return InvalidInput(f"{name} holds a value that the database cannot store", hint="look for NUL characters")
    return Conflict(f"{name} collides with what is stored", hint="read the present state and try again")


def _together(news: Sequence[Committed], now: int) -> Committed:
    ready: dict[int, int] = {}
    labels: dict[int, tuple[frozenset[str], ...]] = {}
    for one in news:
        for class_id, number in one.ready.items():
            ready[class_id] = ready.get(class_id, 0) + number
        for class_id, more in one.labels.items():
            labels[class_id] = (*labels.get(class_id, ()), *more)
    return Committed(
        at=now,
        events=tuple(event for one in news for event in one.events),
        ready=ready,
        labels=labels,
        classes={class_id: needs for one in news for class_id, needs in one.classes.items()},
        timer_at=min((one.timer_at for one in news if one.timer_at is not None), default=None),
    )
