"""The PostgreSQL side: the same engine on two connection pools.

Several servers may write to one database. Rows are locked while a batch decides on them, and the head of the event
chain, locked last, orders the commits. What a deadlock, a timeout or a lost connection undid is done again; a commit
whose answer was lost is looked up before anything else happens.
"""

import os
import random
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import psycopg
import sqlalchemy as sa
import structlog
from psycopg import sql

from agent_swarm.domain.errors import Unavailable
from agent_swarm.store.address import parse
from agent_swarm.store.base import Announce, BatchResult, Committed, Queries
from agent_swarm.store.clock import DatabaseClock
from agent_swarm.store.operations import Operation
from agent_swarm.store.sql.commits import OUTCOME_SECONDS, Fate, fate_of
from agent_swarm.store.sql.driver import Driver
from agent_swarm.store.sql.engine import SqlEngine
from agent_swarm.store.sql.postgres_connections import SERVER, DatabaseUnreachableError, connections
from agent_swarm.store.sql.writer_memory import Head, Standing

R = TypeVar("R")
log = structlog.get_logger()

READERS = 4
PATIENCE_SECONDS = 5.0  # for which a batch is tried again before its callers are sent away
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30  # no statement of ours takes a tenth of that
IDLE_SECONDS = 30  # a server that stands still in a transaction must not hold up the others for ever
_AWAY = "the database does not answer"
# psycopg says BEGIN by itself, in a round trip of its own; this one brings the clock and the transaction's id along.
# The kill switch: every batch takes it shared, who uses it takes it alone. It is a lock beside the row, which ends with
# the transaction: a lock on the row itself would be written to disk by every batch. The statement after it sees what
# was committed before it was had.
SWITCH: Final = int.from_bytes(b"swarmkil")
_BEGIN = f"""
BEGIN; SELECT pg_advisory_xact_lock{{how}}({SWITCH});
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, pg_current_xact_id()::text,
  (SELECT epoch FROM event_head WHERE id = 1), EXISTS (SELECT FROM kill_switch WHERE status = 'killed')
    OR EXISTS (SELECT FROM swarm WHERE status = 'paused'), EXISTS (SELECT FROM budget_target)"""  # noqa: S608 - ours
_BEGIN_SHARED, _BEGIN_ALONE = _BEGIN.format(how="_shared"), _BEGIN.format(how="")


class PostgresEngine(SqlEngine):
    """An `Engine` on a PostgreSQL database; `url` is `postgresql://user@host/database`.

    With `clock`, batches are dated by the database's clock, which it follows; without, by their callers. `announce`
    makes what is told to the servers that listen on `channel`, once per batch and in its commit. With
    `synchronous="full"` what was acknowledged survives a power loss of the database server.
    """

    is_shared = True

    def __init__(
        self,
        url: str,
        *,
        clock: DatabaseClock | None = None,
        announce: Announce | None = None,
        channel: str = "agent_swarm",
        synchronous: str = "full",
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._url = url
        self._clock = clock
        self._announce = announce
        self._channel = channel
        self._patience = patience
        self._synchronous = synchronous
        self._transaction_id = ""
        shared: dict[str, Any] = {
            "name": f"{SERVER} {socket.gethostname()}:{os.getpid()}",
            "max_overflow": 0,
            "connect_args": {"connect_timeout": CONNECT_SECONDS, **_KEEP_ALIVE},
        }
        writer = connections(url, pool_size=1, paramstyle="format", **shared)
        reader = connections(
            url,
            pool_size=READERS,
            isolation_level="REPEATABLE READ",  # reads are of one moment
            execution_options={"postgresql_readonly": True},
            **shared,
        )
        sa.event.listen(reader, "connect", lambda connection, _: _limit(connection))
        super().__init__(writer, reader, set_up=self._set_up)

    def open(self) -> int:
        """Connect, and create or migrate the tables. Raises DatabaseUnreachableError."""
        try:
            if self._clock is not None:
                with self._writer.connect() as connection:
                    self._clock.observe(connection.execute(sa.text(_CLOCK)).scalar_one())
            return super().open()
        except sa.exc.OperationalError as exc:
            raise DatabaseUnreachableError(
                f"the database {parse(self._url).shown} cannot be opened: {_first_line(exc.orig)}",
                hint="check that it runs, that it exists and that this user may connect to it",
            ) from exc

    def read(self, query: Callable[[Queries], R]) -> R:
        """Run `query` in one read transaction; again where the connection was found to be lost."""
        try:
            try:
                return super().read(query)
            except sa.exc.DBAPIError as exc:
                if not exc.connection_invalidated:
                    raise
                return super().read(query)
        except sa.exc.OperationalError as exc:
            log.warning("read_failed", reason=_first_line(exc.orig))
            raise Unavailable(_AWAY, hint="try again in a moment") from exc

    def _set_up(self, connection: Any) -> None:
        connection.autocommit = True  # transactions are begun by us
        _limit(connection)
        if self._synchronous != "full":
            connection.execute("SET synchronous_commit = off")

    def _begin(self, driver: Driver, now: int, *, alone: bool) -> tuple[int, Standing | None]:
        begin = _BEGIN_ALONE if alone else _BEGIN_SHARED
        instant, self._transaction_id, epoch, is_any_stopped, has_budgets = driver.begin(begin)
        standing = None if is_any_stopped else Standing(epoch, has_budgets=bool(has_budgets))
        if self._clock is None:
            return now, standing
        self._clock.observe(int(instant))
        return int(instant), standing

    def _attempt(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult:
        """Decide and commit; again where others, or the network, undid it."""
        until = time.monotonic() + self._patience
        for tried in range(1, 1_000):
            try:
                return super()._attempt(operations, now)
            except _UNDONE as exc:
                reason = _first_line(exc)
                log.warning("batch_undone", operations=len(operations), reason=reason, tried=tried)
                if time.monotonic() > until:
                    break
                time.sleep(min(0.5, 0.002 * 2**tried) * (0.5 + random.random()))  # noqa: S311 - no secret
        raise Unavailable(_AWAY, hint="try again in a moment; what was asked for has not been done")

    def _end(self, committed: Committed, head: Head) -> None:
        """Commit, and have the others told; where the answer is lost, find out whether it was."""
        raw = self._connection.raw
        pid = raw.info.backend_pid
        try:
            raw.execute(self._last_words(committed))
        except psycopg.Error as exc:
            if not raw.closed:
                raise  # the database refused
            self._connection.abandon(exc)
            if not self._was_committed(pid, committed, head):
                raise

    def _last_words(self, committed: Committed) -> str:
        text = None if self._announce is None else self._announce(committed)
        if text is None:
            return "COMMIT"
        return f"NOTIFY {self._channel}, {sql.Literal(text).as_string(None)}; COMMIT"

    def _was_committed(self, pid: int, committed: Committed, head: Head) -> bool:
        """Whether the transaction whose commit had no answer has happened. Raises Unavailable where none can tell."""
        has_events = bool(committed.events)
        log.warning("commit_unanswered", transaction=self._transaction_id)
        fate = fate_of(
            self._transaction_id,
            pid,
            last_event=(head.seq, head.hash) if has_events else None,
            connect=lambda: psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS),
            until=time.monotonic() + OUTCOME_SECONDS,
        )
        log.warning("commit_looked_up", transaction=self._transaction_id, fate=fate.value)
        if fate is Fate.UNKNOWN:
            raise Unavailable(
                "the connection to the database was lost, and it is not known yet whether the request was carried out",
                hint="send the same request again, under the same key or claim id: it acts once",
            )
        return fate is Fate.COMMITTED


# What says nothing about the operations: a deadlock, a timeout, a lost connection, a database that takes no writes now.
_UNDONE = (
    psycopg.OperationalError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.ReadOnlySqlTransaction,
    sa.exc.OperationalError,
)
_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_KEEP_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}


def _limit(connection: Any) -> None:
    """Nothing may hang for ever, and hold up others with its locks."""
    before = connection.autocommit
    connection.autocommit = True
    connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    connection.autocommit = before


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
