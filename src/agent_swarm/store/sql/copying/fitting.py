"""What an SQLite file holds and PostgreSQL would refuse, found before anything is copied.

SQLite stores in a column whatever it is given. The faces refuse the character NUL, which no text of PostgreSQL can
hold, and the program writes what the tables say; but a file may be older than that, or changed by hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from agent_swarm.domain.errors import SwarmError
from agent_swarm.store.sql import tables
from agent_swarm.store.sql.copying.progress import Phase, Progress

SHOWN = 20
_NUL, _TOO_LONG, _OUT_OF_RANGE, _OTHER_TYPE = "nul", "tooLong", "outOfRange", "otherType"
_REASONS = {
    _NUL: "holds the character NUL",
    _TOO_LONG: "is longer than the column",
    _OUT_OF_RANGE: "is out of the column's range",
    _OTHER_TYPE: "is not of the column's type",
}
_BITS = ((sa.SmallInteger, 15), (sa.BigInteger, 63), (sa.Integer, 31))  # the first that fits: each is an Integer


@dataclass(frozen=True, slots=True)
class Unfit:
    """A value that the other database cannot hold; `key` is the condition that finds its row."""

    table: str
    column: str
    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of the row {self.key} {_REASONS[self.reason]}"


class UnfitValuesError(SwarmError):
    """The source holds values that the other kind of database cannot hold."""

    code = "unfitValues"

    def __init__(self, source: str, unfit: list[Unfit]) -> None:
        number = f"more than {SHOWN} values" if len(unfit) > SHOWN else f"{len(unfit)} value(s)"
        values = [str(one) for one in unfit[:SHOWN]]
        remedies = sorted({_without_nul(one) for one in unfit if one.reason == _NUL})
        super().__init__(
            "\n  ".join([f"{number} of {source} cannot be stored in PostgreSQL; nothing was copied:", *values]),
            hint="\n  ".join(
                [
                    "correct them with sqlite3 while no server runs, and copy again"
                    + ("; this takes one NUL out of each text, so run it until it changes nothing:" * bool(remedies)),
                    *remedies,
                ]
            ),
            details={"values": values, "remedies": remedies},
        )


def check(connection: sa.Connection, source: str, progress: Progress) -> None:
    """Raise UnfitValuesError where a value of the SQLite file could not be stored in PostgreSQL."""
    unfit: list[Unfit] = []
    for number, table in enumerate(tables.metadata.sorted_tables):
        progress(Phase.CHECK, table.name, number, len(tables.metadata.sorted_tables))
        unfit += _unfit_in(connection, table, SHOWN + 1 - len(unfit))
        if len(unfit) > SHOWN:
            break
    if unfit:
        raise UnfitValuesError(source, unfit)


def _unfit_in(connection: sa.Connection, table: sa.Table, limit: int) -> Iterator[Unfit]:
    """The first value of each row that does not fit: one pass over the table."""
    for what, *values in connection.execute(_looking_in(table), {"limit": limit}):
        column, _, reason = what.partition(" ")
        key = " AND ".join(f"{part.name} = {value}" for part, value in zip(table.primary_key, values, strict=True))
        yield Unfit(table.name, column, key, reason)


@cache
def _looking_in(table: sa.Table) -> sa.TextClause:
    """The statement for it, as text: to put it together takes far longer than to run it."""
    conditions = [
        (condition, f"{column.name} {reason}") for column in table.c for condition, reason in _conditions(column)
    ]
    keys = [sa.func.quote(column).label(column.name) for column in table.primary_key]
    whole = sa.select(sa.case(*conditions).label("what"), *keys).where(sa.or_(*(one for one, _ in conditions)))
    text = whole.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    return sa.text(f"{text} LIMIT :limit")


def _conditions(column: "sa.Column[Any]") -> Iterator[tuple["sa.ColumnElement[bool]", str]]:
    stored, declared = sa.func.typeof(column), column.type
    is_text = isinstance(declared, sa.String)
    yield stored.not_in(["text" if is_text else "integer", *(["null"] if column.nullable else [])]), _OTHER_TYPE
    if isinstance(declared, sa.String):
        yield sa.func.instr(column, sa.func.char(0)) > 0, _NUL
        if declared.length is not None:
            yield sa.func.length(column) > declared.length, _TOO_LONG
    else:
        bits = next(bits for kind, bits in _BITS if isinstance(declared, kind))
        if bits < 63:
            yield ~column.between(-(2**bits), 2**bits - 1), _OUT_OF_RANGE


def _without_nul(unfit: Unfit) -> str:
    """The statement for it. SQLite's functions on text end at the character, those on blobs do not."""
    text = f'CAST("{unfit.column}" AS BLOB)'
    place = f"instr({text}, x'00')"
    without = f"CAST(substr({text}, 1, {place} - 1) || substr({text}, {place} + 1) AS TEXT)"
    return f'UPDATE {unfit.table} SET "{unfit.column}" = {without} WHERE {place} > 0;'  # noqa: S608 - for people to run
