"""What became of a commit whose answer was lost.

PostgreSQL remembers the fate of every transaction under its id. Where another server took over that never had this one,
the id may mean something else there: so the last event of the batch, if it had any, has to be there with its hash.
"""

import random
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import psycopg

OUTCOME_SECONDS = 10.0


class Fate(StrEnum):
    """Of a transaction."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"  # nobody could be asked


def fate_of(
    transaction_id: str,
    pid: int,
    *,
    last_event: tuple[int, str] | None,
    connect: Callable[[], "psycopg.Connection[Any]"],
    until: float,
) -> Fate:
    """What became of the transaction of the backend `pid`; asked until `until`, by the monotonic clock.

    A backend that is still at it is ended: it commits, or does not, and then its fate is known.
    """
    while True:
        try:
            with connect() as connection:
                fate = _ask(connection, transaction_id, pid, last_event)
        except psycopg.OperationalError:
            fate = None
        if fate is not None:
            return fate
        if time.monotonic() > until:
            return Fate.UNKNOWN
        time.sleep(0.05 + 0.1 * random.random())  # noqa: S311 - no secret


def _ask(
    connection: "psycopg.Connection[Any]", transaction_id: str, pid: int, last_event: tuple[int, str] | None
) -> Fate | None:
    """The fate as this database knows it; None while it is open."""
    if last_event is not None and _is_there(connection, last_event):
        return Fate.COMMITTED
    try:
        row = connection.execute("SELECT pg_xact_status(%s::xid8)", (transaction_id,)).fetchone()
    except psycopg.DataError:  # "is in the future": this database never had it
        return Fate.ABORTED
    status = None if row is None else row[0]
    if status == "in progress":
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid = %s AND backend_xid::text = (%s::numeric %% 4294967296)::text",
            (pid, transaction_id),
        )
        return None
    if status == "committed" and last_event is not None:
        # Between the two questions above it may just have been committed.
        return Fate.COMMITTED if _is_there(connection, last_event) else Fate.ABORTED
    return Fate.COMMITTED if status == "committed" else Fate.ABORTED


def _is_there(connection: "psycopg.Connection[Any]", event: tuple[int, str]) -> bool:
    return connection.execute("SELECT 1 FROM event WHERE seq = %s AND hash = %s", event).fetchone() is not None
