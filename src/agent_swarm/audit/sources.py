"""Rows and checkpoints out of a database as it is, without a server, by the driver's quickest way.

Nothing here trusts what it reads: text that is none and pages that are damaged are handed on as what they are.
"""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from agent_swarm.audit.chain import COLUMNS, EventRow
from agent_swarm.audit.verifying import Head, Part, UnreadableRows
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.store.address import DatabaseAddress
from agent_swarm.store.events import GENESIS
from agent_swarm.store.sql import reaching, schema, tables

CHUNK: Final = 1_000
PURPOSE: Final = "audit"


class ChainNotThere(InvalidInput):
    """The database has no chain that this version can check."""

    code = "chainNotThere"


@dataclass(frozen=True, slots=True)
class Anchor:
    """Up to which event the chain is archived, by the database's own word; its hash."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Database:
    """A database in one read transaction."""

    connection: sa.Connection
    head: Head
    anchor: Anchor
    checkpoints: int  # the number of the last one

    def first_seq(self) -> int:
        """The first event that is there; one after the head where none is."""
        try:
            found = self.connection.execute(sa.select(sa.func.min(tables.event.c.seq))).scalar()
        except sa.exc.OperationalError:
            raise
        except sa.exc.DatabaseError:  # a damaged page: who reads the rows will say where
            return self.anchor.seq + 1
        return self.head.seq + 1 if found is None else int(found)

    def first_since(self, instant: int) -> int:
        """The first event at or after that instant; one after the head where there is none."""
        event = tables.event.c
        found = self.connection.execute(sa.select(sa.func.min(event.seq)).where(event.at >= instant)).scalar()
        return self.head.seq + 1 if found is None else int(found)

    def part(self, from_seq: int | None = None) -> Part:
        """The part of the chain from that event on, by default from the first one that is not archived.

        Where the event before is gone by an archive, what the anchor says of it is taken.
        """
        first = self.first_seq()
        if from_seq is None:
            begin = self.anchor.seq if first > self.anchor.seq else first - 1
        else:
            begin = max(from_seq - 1, 0)
        if begin == 0:
            return Part(0, GENESIS, self.head)
        if begin == self.anchor.seq:
            return Part(begin, self.anchor.hash, self.head)
        return Part(begin, self._hash_at(begin), self.head)

    def rows(self, after: int) -> "Generator[EventRow]":
        """The events after that one, in order. Raises UnreadableRows."""
        select = sa.select(*(tables.event.c[name] for name in COLUMNS))
        select = select.where(tables.event.c.seq > sa.literal(after, literal_execute=True)).order_by(tables.event.c.seq)
        text = str(select.compile(dialect=self.connection.dialect, compile_kwargs={"literal_binds": True}))
        driver: Any = self.connection.connection.driver_connection
        if self.connection.dialect.name == "sqlite":
            return _from_sqlite(driver, text)
        return _from_postgres(driver, text)

    def checkpoint_lines(self) -> Iterator[tuple[int, str]]:
        """Number and line of every checkpoint in the database."""
        table, last = tables.checkpoint, -1
        while self.checkpoints:
            page = sa.select(table.c.number, table.c.line).where(table.c.number > last)
            rows = self.connection.execute(page.order_by(table.c.number).limit(CHUNK)).all()
            if not rows:
                return
            for row in rows:
                yield row.number, str(row.line)
            last = rows[-1].number

    def _hash_at(self, seq: int) -> str | None:
        found = self.connection.execute(sa.select(tables.event.c.hash).where(tables.event.c.seq == seq)).scalar()
        return found if isinstance(found, str) else None


@contextmanager
def opened(address: DatabaseAddress) -> Iterator[Database]:
    """A database, as it is in one moment. Raises DatabaseUnreachableError, UnknownSchemaError or ChainNotThere."""
    with reaching.reading(address, purpose=PURPOSE) as connection:
        try:
            yield _looked_at(connection, address)
        finally:
            transaction = connection.get_transaction()
            with suppress(sa.exc.DatabaseError):  # a damaged file complains of that, too, and has been told of
                if transaction is not None:
                    transaction.rollback()


def _looked_at(connection: sa.Connection, address: DatabaseAddress) -> Database:
    revision = schema.revision_of(connection)
    if revision is None:
        raise ChainNotThere(f"{address.shown} is empty", hint="name another database with --database")
    schema.steps_from(revision)
    names = set(sa.inspect(connection).get_table_names())
    columns = tables.event_head.c
    row = connection.execute(sa.select(columns.seq, columns.hash)).one_or_none()
    head = Head(0, "") if row is None else Head(row.seq, row.hash)
    if tables.chain_state.name not in names:  # of a revision before there were checkpoints
        return Database(connection, head, Anchor(), 0)
    state = connection.execute(sa.select(tables.chain_state)).one_or_none()
    anchor = Anchor() if state is None else Anchor(state.anchor_seq, state.anchor_hash)
    return Database(connection, head, anchor, 0 if state is None else state.number)


def _from_sqlite(driver: sqlite3.Connection, select: str) -> "Generator[EventRow]":
    driver.text_factory = _lenient
    cursor = driver.cursor()
    try:
        cursor.execute(select)
        while chunk := cursor.fetchmany(CHUNK):
            yield from chunk
    except sqlite3.DatabaseError as exc:
        raise UnreadableRows(str(exc)) from exc
    finally:
        cursor.close()


def _lenient(text: bytes) -> str:
    """Text that is no UTF-8 becomes text that cannot be hashed."""
    return text.decode("utf-8", "surrogateescape")


def _from_postgres(driver: Any, select: str) -> "Generator[EventRow]":
    """By a cursor of the database: a COPY would keep the connection from reading checkpoints on the way."""
    with driver.cursor(name="events_of_the_audit") as cursor:
        cursor.execute(select)
        while chunk := cursor.fetchmany(CHUNK):
            yield from chunk
