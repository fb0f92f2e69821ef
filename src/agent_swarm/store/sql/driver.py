"""Statements of SQLAlchemy Core, run by the database driver's own cursor.

Core stays the one source of statements for both databases: it writes the SQL text, and its types code what goes in and
comes out. What is left out is the machinery that it runs around every single execution, which cost more than the
statements themselves: each statement is compiled once, and from then on costs the driver's call.

Only statements that live as long as the program may be run here, because what is compiled is kept.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, cast

import sqlalchemy as sa

from agent_swarm.store.sql.many import ForMany

Code = Callable[[Any], Any]
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A compiled statement: its text, and how values get into it and out of it."""

    sql: str
    names: tuple[str, ...]  # of its parameters, in the driver's order
    is_plain: bool  # every parameter is given, and goes in as it is
    arrange: Callable[[Mapping[str, Any]], Sequence[Any]]  # named parameters in the driver's order
    columns: tuple[str, ...]  # of what it answers
    decode: tuple[tuple[int, Code], ...]  # of those columns whose type codes its values


class Statements:
    """The statements that were run so far, compiled for one database."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self.dialect = dialect
        self._prepared: dict[sa.Executable, Prepared] = {}

    def prepared(self, statement: sa.Executable) -> Prepared:
        """The statement, compiled at its first use."""
        found = self._prepared.get(statement)
        if found is None:
            found = self._prepared[statement] = prepare(statement, self.dialect)
        return found


class Driver:
    """A connection of the driver, as batches use it."""

    def __init__(self, connection: Any, statements: Statements) -> None:
        self._cursor = connection.cursor()
        self._prepared = statements.prepared
        self.dialect = statements.dialect.name

    def rows(self, statement: sa.Executable, parameters: Mapping[str, Any] = NOTHING) -> list[dict[str, Any]]:
        """What the statement answers, by the names of its columns."""
        prepared = self._prepared(statement)
        self._cursor.execute(prepared.sql, prepared.arrange(parameters))
        found = [dict(zip(prepared.columns, row, strict=True)) for row in self._cursor.fetchall()]
        for place, code in prepared.decode:
            name = prepared.columns[place]
            for row in found:
                row[name] = code(row[name])
        return found

    def tuples(self, statement: sa.Executable, parameters: Mapping[str, Any] = NOTHING) -> list[tuple[Any, ...]]:
        """What the statement answers, in the order of its columns: cheaper by the thousand. None of them is coded."""
        prepared = self._prepared(statement)
        assert not prepared.decode, "a column of it is coded"
        self._cursor.execute(prepared.sql, prepared.arrange(parameters))
        found: list[tuple[Any, ...]] = self._cursor.fetchall()
        return found

    def values(self, statement: sa.Executable, parameters: Mapping[str, Any] = NOTHING) -> list[Any]:
        """The first column of what the statement answers."""
        prepared = self._prepared(statement)
        self._cursor.execute(prepared.sql, prepared.arrange(parameters))
        found = [row[0] for row in self._cursor.fetchall()]
        code = dict(prepared.decode).get(0)
        return found if code is None else [code(value) for value in found]

    def value(self, statement: sa.Executable, parameters: Mapping[str, Any] = NOTHING) -> Any:
        """The first column of the first row; None where there is none."""
        return next(iter(self.values(statement, parameters)), None)

    def run(self, statement: sa.Executable, parameters: Mapping[str, Any] = NOTHING) -> int:
        """Run a statement that answers nothing; how many rows it changed."""
        prepared = self._prepared(statement)
        self._cursor.execute(prepared.sql, prepared.arrange(parameters))
        return int(self._cursor.rowcount)

    def run_many(self, statement: ForMany, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run a statement for every row; how many rows it changed in all."""
        if len(rows) == 1:
            return self.run(statement.by_row, rows[0])
        if self.dialect == "postgresql":
            return self.run(statement.as_set, statement.parameters(rows))
        prepared = self._prepared(statement.by_row)
        self._cursor.executemany(prepared.sql, list(map(prepared.arrange, rows)))
        return int(self._cursor.rowcount)

    def run_tuples(self, statement: ForMany, rows: Sequence[tuple[Any, ...]]) -> int:
        """As `run_many`, for rows in the order of `statement.names`: cheaper by the thousand. None of them is coded."""
        if self.dialect == "postgresql":
            return self.run_many(statement, [dict(zip(statement.names, row, strict=True)) for row in rows])
        prepared = self._prepared(statement.by_row)
        assert prepared.is_plain, "a parameter of it is coded, or has a value of its own"
        if prepared.names != statement.names:
            rows = list(map(itemgetter(*map(statement.names.index, prepared.names)), rows))
        self._cursor.executemany(prepared.sql, rows)
        return int(self._cursor.rowcount)

    def execute(self, sql: str) -> None:
        """Run a word to the database itself, such as BEGIN."""
        self._cursor.execute(sql)

    def begin(self, sql: str) -> tuple[Any, ...]:
        """Run words to the database itself, the last of which answers one row."""
        self._cursor.execute(sql)
        while self._cursor.nextset():
            pass
        row: tuple[Any, ...] = self._cursor.fetchone()
        return row

    def close(self) -> None:
        """Free the cursor."""
        self._cursor.close()


def prepare(statement: sa.Executable, dialect: sa.Dialect) -> Prepared:
    """Compile `statement`. Raises TypeError for one whose text depends on its parameters."""
    clause = cast(sa.ClauseElement, statement)
    compiled = cast(Any, clause.compile(dialect=dialect))
    if not compiled.positional or compiled.post_compile_params:
        raise TypeError("a statement run by the driver has positional parameters, none of which expands")
    names = tuple(compiled.positiontup or ())
    fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    codes = {
        name: code for name, bind in compiled.binds.items() if name in names and (code := _encoder(bind.type, dialect))
    }
    return Prepared(
        sql=str(compiled),
        names=names,
        is_plain=not fixed and not codes,
        arrange=_arrangement(names, fixed, codes),
        columns=tuple(_columns(statement)),
        decode=tuple(_decoders(statement, dialect)),
    )


def _arrangement(
    names: tuple[str, ...], fixed: Mapping[str, Any], codes: Mapping[str, Code]
) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """Named parameters, coded by their types, in the order of `names`."""
    in_order = _in_order(names)
    if not fixed and not codes:
        return in_order

    def arrange(parameters: Mapping[str, Any]) -> Sequence[Any]:
        whole = {**fixed, **parameters}
        for name, code in codes.items():
            whole[name] = code(whole[name])
        return in_order(whole)

    return arrange


def _in_order(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    match names:
        case ():
            return lambda _: ()
        case (name,):
            return lambda parameters: (parameters[name],)
        case _:
            return itemgetter(*names)


def _columns(statement: sa.Executable) -> Iterable[str]:
    return statement.selected_columns.keys() if isinstance(statement, sa.Select) else ()


def _decoders(statement: sa.Executable, dialect: sa.Dialect) -> Iterable[tuple[int, Code]]:
    if isinstance(statement, sa.Select):
        for place, column in enumerate(statement.selected_columns):
            code = column.type.dialect_impl(dialect).result_processor(dialect, None)
            if code is not None:
                yield place, code


def _encoder(kind: "sa.types.TypeEngine[Any]", dialect: sa.Dialect) -> Code | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)
