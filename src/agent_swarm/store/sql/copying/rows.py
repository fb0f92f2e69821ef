"""Rows out of one database and into another, a chunk at a time, by the driver's quickest way.

They travel as the plain values that both drivers have for text and integers; every column of the tables is one of
these (small records keep flags as integers), and a test says so.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from agent_swarm.domain.errors import SwarmError

CHUNK = 1_000

Chunk = Sequence[tuple[Any, ...]]
Moved = Callable[[int], None]


class DamagedTextError(SwarmError):
    """The source holds text that cannot be read."""

    code = "damagedText"


def count(connection: sa.Connection, table: sa.Table) -> int:
    """How many rows there are."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def read(connection: sa.Connection, table: sa.Table, *, in_order: bool = False) -> "Generator[Chunk]":
    """Every row, with the columns of `table` in its order; by the primary key where that is asked for.

    Who stops before the end closes it, so that the connection is free again.
    """
    select = sa.select(*table.c)
    if in_order:
        select = select.order_by(*table.primary_key)
    text = str(select.compile(dialect=connection.dialect))
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return _from_sqlite(driver, text, table)
    return _from_postgres(driver, text, table)


def write(connection: sa.Connection, table: sa.Table, chunks: Iterable[Chunk], moved: Moved) -> int:
    """Put rows in, telling `moved` how many there are so far; answers how many there were."""
    names = ", ".join(connection.dialect.identifier_preparer.quote(column.name) for column in table.c)
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(table.c))
        return _to_sqlite(driver, f"INSERT INTO {table.name} ({names}) VALUES ({places})", chunks, moved)  # noqa: S608
    return _to_postgres(driver, f"COPY {table.name} ({names}) FROM STDIN WITH (FREEZE)", chunks, moved)


def _from_sqlite(driver: sqlite3.Connection, select: str, table: sa.Table) -> "Generator[Chunk]":
    cursor = driver.execute(select)
    try:
        while chunk := cursor.fetchmany(CHUNK):
            yield chunk
    except sqlite3.OperationalError as exc:
        if "UTF-8" not in str(exc):
            raise
        raise _damaged(driver, select, table) from None  # the driver's own error quotes the text
    finally:
        cursor.close()


def _damaged(driver: sqlite3.Connection, select: str, table: sa.Table) -> DamagedTextError:
    """Which text it is that cannot be read."""
    driver.text_factory = bytes
    for row in driver.execute(select):
        for column, value in zip(table.c, row, strict=True):
            if isinstance(value, bytes) and _is_damaged(value):
                key = {part.name: _legible(row[list(table.c).index(part)]) for part in table.primary_key}
                return DamagedTextError(
                    f"{table.name}.{column.name} of the row {key} is no UTF-8; nothing was copied",
                    hint="it was not written by agent-swarm: look at it with sqlite3 and PRAGMA integrity_check, "
                    "and correct it, or restore a backup",
                )
    raise AssertionError("a text that cannot be read was read")


def _legible(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _is_damaged(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def _from_postgres(driver: Any, select: str, table: sa.Table) -> "Generator[Chunk]":
    with driver.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT") as copy:
        copy.set_types(["text" if isinstance(column.type, sa.String) else "int8" for column in table.c])
        chunk: list[tuple[Any, ...]] = []
        for row in copy.rows():
            chunk.append(row)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


def _to_sqlite(driver: sqlite3.Connection, insert: str, chunks: Iterable[Chunk], moved: Moved) -> int:
    done = 0
    for chunk in chunks:
        driver.executemany(insert, chunk)
        done += len(chunk)
        moved(done)
    return done


def _to_postgres(driver: Any, insert: str, chunks: Iterable[Chunk], moved: Moved) -> int:
    done = 0
    with driver.cursor() as cursor, cursor.copy(insert) as copy:
        for chunk in chunks:
            for row in chunk:
                copy.write_row(row)
            done += len(chunk)
            moved(done)
    return done
