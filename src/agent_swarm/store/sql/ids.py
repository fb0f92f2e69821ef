"""Sets of ids as one parameter, so that a statement's text is the same however many there are."""

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal


class IdSet(sa.types.TypeDecorator[Sequence[str]]):
    """Ids as one value: a JSON text on SQLite, an array on PostgreSQL."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> "sa.types.TypeEngine[Any]":
        return dialect.type_descriptor(sa.ARRAY(sa.Text()) if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: sa.Dialect) -> Any:
        ids = list(value or ())
        return ids if dialect.name == "postgresql" else orjson.dumps(ids).decode()


class _OneOf(sa.ColumnElement[bool]):
    """`column` is one of the ids in `ids`."""

    type = sa.Boolean()
    _traverse_internals: Any = (  # without it every execution would compile the statement anew
        ("column", InternalTraversal.dp_clauseelement),
        ("ids", InternalTraversal.dp_clauseelement),
    )

    def __init__(self, column: "sa.Column[str]", ids: "sa.BindParameter[Sequence[str]]") -> None:
        self.column = column
        self.ids = ids

    def self_group(self, against: Any = None) -> "_OneOf":
        return self  # it is a condition already; SQLite would compare it with 1


@compiles(_OneOf)  # SQLite, and whoever prints a statement
def _on_sqlite(element: _OneOf, compiler: Any, **options: Any) -> str:
    column, ids = compiler.process(element.column, **options), compiler.process(element.ids, **options)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608 - text that SQLAlchemy wrote


@compiles(_OneOf, "postgresql")
def _on_postgresql(element: _OneOf, compiler: Any, **options: Any) -> str:
    return f"{compiler.process(element.column, **options)} = ANY ({compiler.process(element.ids, **options)})"


def one_of(column: "sa.Column[str]", parameter: str = "ids") -> "sa.ColumnElement[bool]":
    """Whether `column` is one of the ids bound to `parameter`, however many there are."""
    return _OneOf(column, sa.bindparam(parameter, type_=IdSet()))
