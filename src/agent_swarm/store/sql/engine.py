"""Batches and reads on an SQL database."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog

from agent_swarm.domain.errors import Conflict, SwarmError
from agent_swarm.store import events
from agent_swarm.store.base import BatchResult, Committed, Queries
from agent_swarm.store.batch import Batch
from agent_swarm.store.operations import Operation
from agent_swarm.store.sql import coding, schema, statements, tables
from agent_swarm.store.sql.classes import ClassCache
from agent_swarm.store.sql.queries import SqlQueries
from agent_swarm.store.sql.rows import ConcurrentChangeError, SqlRows

R = TypeVar("R")
log = structlog.get_logger()


class SqlEngine:
    """An `Engine` over SQLAlchemy engines: one that writes, and one that reads beside it.

    A batch is one transaction. Where the database refuses a batch as a whole, it is rolled back and its operations
    are applied one by one, so that one bad operation does not take the others with it.
    """

    def __init__(self, writer: sa.Engine, reader: sa.Engine) -> None:
        self._writer = writer
        self._reader = reader
        self._classes = ClassCache()

    def open(self) -> int:
        """Create or migrate the tables; answers the last instant on record."""
        schema.prepare(self._writer)
        with self._writer.begin() as connection:
            self._classes.load(connection)
            return int(connection.execute(statements.lock_head).one().at)

    def close(self) -> None:
        """Close every connection, readers first, so that the writer is the one to finish the log."""
        self._reader.dispose()
        self._writer.dispose()

    def read(self, query: Callable[[Queries], R]) -> R:
        """Run `query` in one read transaction."""
        with self._reader.begin() as connection:
            return query(SqlQueries(connection, self._classes))

    def apply_batch(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult:
        """Apply a batch in one transaction, or its operations one by one where that is refused."""
        try:
            return self._apply(operations, now)
        except (sa.exc.IntegrityError, ConcurrentChangeError) as exc:
            log.warning("batch_replayed", operations=len(operations), reason=type(exc).__name__)
            return self._apply_singly(operations, now)

    def _apply(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult:
        committed = False
        try:
            with self._writer.begin() as connection:
                rows = SqlRows(connection, self._classes)
                batch = Batch(rows, now)
                replies = batch.apply(operations)
                rows.flush()
                happened = _record(connection, batch.drafts, now)
            committed = True
        finally:
            self._classes.settle(committed=committed)
        return batch.result(replies, happened)

    def _apply_singly(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult:
        replies: list[Any] = []
        news: list[Committed] = []
        for operation in operations:
            try:
                result = self._apply([operation], now)
            except (sa.exc.IntegrityError, ConcurrentChangeError):
                replies.append(_refusal(operation))
                continue
            replies.extend(result.replies)
            news.append(result.committed)
        return BatchResult(replies, _together(news, now))


def _record(connection: sa.Connection, drafts: Sequence[events.Draft], now: int) -> list[Any]:
    """Chain the events to the head; the head's row is locked last, and only until the commit."""
    head = connection.execute(statements.lock_head).one()
    happened = events.chain(drafts, seq=head.seq, head=head.hash, at=now)
    if happened:
        connection.execute(sa.insert(tables.event), [coding.event_row(event) for event in happened])
    last = happened[-1] if happened else head
    moved = {"new_seq": last.seq, "new_hash": last.hash, "new_at": max(now, head.at)}
    connection.execute(statements.move_head, moved)
    return happened


def _refusal(operation: Operation[Any]) -> SwarmError:
    return Conflict(
        f"{type(operation).__name__} collides with what is stored",
        hint="read the present state and try again",
    )


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
