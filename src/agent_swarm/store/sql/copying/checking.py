"""Whether a copy is whole: as many rows as in the source, and a chain of events that is what its hashes say."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import sqlalchemy as sa

from agent_swarm.domain.errors import SwarmError
from agent_swarm.store import events
from agent_swarm.store.sql import coding, tables
from agent_swarm.store.sql.copying import rows
from agent_swarm.store.sql.copying.progress import Phase, Progress
from agent_swarm.store.sql.writer_memory import Head


class CopyNotVerifiedError(SwarmError):
    """What was copied is not what it should be; nothing of it was kept."""

    code = "copyNotVerified"


def verify(connection: sa.Connection, expected: Mapping[str, int], progress: Progress) -> Head:
    """The end of the chain, every event of which was hashed anew; raises CopyNotVerifiedError.

    `expected` is how many rows each table has in the source.
    """
    for table in tables.metadata.sorted_tables:
        found = rows.count(connection, table)
        if found != expected[table.name]:
            raise _not_verified(f"table {table.name} has {found} rows, the source {expected[table.name]}")
    return _whole_chain(connection, expected[tables.event.name], progress)


def head_of(connection: sa.Connection) -> Head:
    """The last event by the one row that says so."""
    columns = tables.event_head.c
    row = connection.execute(sa.select(columns.seq, columns.hash, columns.at)).one()
    return Head(row.seq, row.hash, row.at)


def _whole_chain(connection: sa.Connection, total: int, progress: Progress) -> Head:
    names = [column.name for column in tables.event.c]
    seq, link = _beginning(connection)
    archived = seq
    with closing(rows.read(connection, tables.event, in_order=True)) as chunks:
        for chunk in chunks:
            for values in chunk:
                row = dict(zip(names, values, strict=True))
                if row["seq"] <= archived:
                    continue  # it is about to be dropped
                seq, link = seq + 1, _link(row, link)
                if row["seq"] != seq:
                    raise _not_verified(f"event {seq} is missing: the next one is {row['seq']}")
                if row["hash"] != link:
                    raise _not_verified(f"event {seq} is not what its hash says")
            progress(Phase.VERIFY, tables.event.name, seq, total)
    head = head_of(connection)
    if (head.seq, head.hash) != (seq, link):
        raise _not_verified(f"the chain ends with event {seq}, and event_head says {head.seq}")
    return head


def _beginning(connection: sa.Connection) -> tuple[int, str]:
    """The last event that is archived, and its hash; the rows of those before may be gone."""
    columns = tables.chain_state.c
    found = connection.execute(sa.select(columns.anchor_seq, columns.anchor_hash)).one_or_none()
    return (0, events.GENESIS) if found is None else (found.anchor_seq, found.anchor_hash)


def _link(row: Mapping[str, Any], before: str) -> str:
    draft = events.Draft(
        type=row["type"],
        actor=row["actor"],
        subject_kind=row["subject_kind"],
        subject_id=row["subject_id"],
        task_id=row["task_id"],
        attempt=row["attempt"],
        data=coding.load(row["data"]),
    )
    return events.event_hash(before, seq=row["seq"], at=row["at"], draft=draft)


def _not_verified(what: str) -> CopyNotVerifiedError:
    return CopyNotVerifiedError(
        f"the copy was undone, for it is not whole: {what}",
        hint="look whether it is so in the source, too: an event log that was changed by hand does not verify",
    )
