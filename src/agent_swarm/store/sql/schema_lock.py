"""One at a time: who makes, migrates or fills the tables of a PostgreSQL database, which several servers may open.

SQLite needs nothing here: its file has one user, and its transactions are begun as the one that writes.
"""

from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from agent_swarm.domain.errors import Unavailable

KEY: Final = int.from_bytes(b"swarmddl")  # of an advisory lock, which ends with its transaction
PATIENCE: Final = timedelta(minutes=10)  # a migration may build an index over a large table


class SchemaBusyError(Unavailable):
    """Somebody else is changing the tables of the database."""

    code = "schemaBusy"


def wait_for_turn(connection: sa.Connection, *, patience: timedelta = PATIENCE) -> None:
    """Have the tables for this transaction alone, once those before are done; raises SchemaBusyError."""
    if connection.dialect.name != "postgresql":
        return
    milliseconds = patience // timedelta(milliseconds=1)
    connection.execute(sa.text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": f"{milliseconds}ms"})
    try:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": KEY})
    except sa.exc.OperationalError as exc:
        if getattr(exc.orig, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        raise _busy() from exc
    connection.execute(sa.text("SELECT set_config('lock_timeout', '0', true)"))


def take_turn(connection: sa.Connection) -> None:
    """As `wait_for_turn`, for who would rather be refused than wait."""
    if connection.dialect.name == "postgresql":
        is_mine = connection.execute(sa.text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": KEY}).scalar()
        if not is_mine:
            raise _busy()


def _busy() -> SchemaBusyError:
    return SchemaBusyError(
        "another process makes, migrates or fills the tables of the database",
        hint="wait until it is done, and try again; pg_stat_activity shows it by its application_name, agent-swarm …",
    )
