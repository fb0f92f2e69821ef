"""The mark of a copy that has begun and not ended, so that half of a database is never taken for a whole one.

It is a table of its own, committed before anything is copied, and dropped in the transaction that puts everything in.
A server that meets it refuses to start; `agent-swarm db copy` begins anew.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.time import to_wire

_mark = sa.Table(
    "unfinished_copy",
    sa.MetaData(),  # no table of the store
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("begun_at", sa.BigInteger, nullable=False),
)
NAME = _mark.name


class UnfinishedCopyError(SwarmError):
    """A copy into the database was begun and is not finished: nothing in it counts."""

    code = "unfinishedCopy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """One try at a copy: its id, from where as people read it, and since when."""

    id: str
    source: str
    begun_at: int

    def refusal(self) -> UnfinishedCopyError:
        """Why nobody may work on the database."""
        return UnfinishedCopyError(
            f"the copy of {self.source} into this database, begun at {to_wire(self.begun_at)}, is not finished",
            hint="wait for it if it still runs, else begin it anew with agent-swarm db copy; "
            f"to do without it, drop the table {NAME}, or remove the file if it is one",
        )


def mark(connection: sa.Connection, beginning: Beginning) -> None:
    """Say that a copy has begun, in place of an earlier one."""
    _mark.drop(connection, checkfirst=True)
    _mark.create(connection)
    connection.execute(
        sa.insert(_mark), {"id": beginning.id, "source": beginning.source, "begun_at": beginning.begun_at}
    )


def marked(connection: sa.Connection) -> Beginning | None:
    """The copy that has begun and is not finished."""
    if not sa.inspect(connection).has_table(NAME):
        return None
    row = connection.execute(sa.select(_mark)).one()
    return Beginning(id=row.id, source=row.source, begun_at=row.begun_at)


def unmark(connection: sa.Connection) -> None:
    """It is finished."""
    _mark.drop(connection)
