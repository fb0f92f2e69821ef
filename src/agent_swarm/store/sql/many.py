"""Statements that run for many rows at once.

SQLite runs one for row after row at little cost, inside the driver. A PostgreSQL server plans and answers every
execution, so there the rows travel as one JSON text, and one execution writes them all. (Arrays, one per column, cost
more: the driver quotes each of their elements by itself.)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

ROWS = "rows"

Types = Mapping[str, "sa.types.TypeEngine[Any]"]
Values = Mapping[str, "sa.ColumnElement[Any]"]


class ForMany:
    """One statement in two forms; `names` are those of its parameters."""

    def __init__(self, names: Iterable[str], by_row: sa.Executable, as_set: sa.Executable) -> None:
        self.names = tuple(map(str, names))  # plain ones, for JSON
        self.by_row = by_row
        self.as_set = as_set

    def parameters(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The parameters of the form `as_set`."""
        return {ROWS: orjson.dumps(rows).decode()}


def update(types: Types, build: Callable[[Values], "sa.Update"]) -> ForMany:
    """The update that `build` makes of its parameters."""
    return ForMany(types, build(_each(types)), build(_all(types)))


def insert(table: sa.Table) -> ForMany:
    """Add rows with all columns of `table`."""
    types = {column.name: column.type for column in table.c}
    rows = sa.select(*_all(types).values())
    return ForMany(types, sa.insert(table), sa.insert(table).from_select(list(types), rows))


def _each(types: Types) -> Values:
    return {name: sa.bindparam(name, type_=kind) for name, kind in types.items()}


def _all(types: Types) -> Values:
    text = sa.cast(sa.bindparam(ROWS, type_=sa.Text()), postgresql.JSON)
    columns = [sa.column(name, kind) for name, kind in types.items()]
    rows = sa.func.json_to_recordset(text).table_valued(*columns).render_derived(name="many", with_types=True)
    return {name: rows.c[name] for name in types}
