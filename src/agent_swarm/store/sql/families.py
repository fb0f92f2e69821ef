"""Small records in SQL: the statements of a family, made once, and how its records are coded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from agent_swarm.store.families.family import Family, Key
from agent_swarm.store.sql import coding, tables
from agent_swarm.store.sql.driver import Driver
from agent_swarm.store.sql.ids import one_of

_RAW = frozenset({str, int, float, bytes})


@dataclass(frozen=True, slots=True)
class Statements:
    """What is asked of the table of a family. Parameters are the key's columns, `of_<column>` in an update."""

    one: "sa.Select[Any]"
    locked: "sa.Select[Any]"
    insert: "sa.Insert"
    update: "sa.Update | None"  # None where the key is all there is
    delete: "sa.Delete"


@lru_cache(maxsize=256)
def statements_of(family: Family[Any]) -> Statements:
    """The statements on one record."""
    table = table_of(family)
    this = sa.and_(*(table.c[name] == sa.bindparam(name) for name in family.key))
    rest = [name for name in family.columns if name not in family.key]
    renamed = sa.and_(*(table.c[name] == sa.bindparam(f"of_{name}") for name in family.key))
    one = sa.select(*(table.c[name] for name in family.columns)).where(this)
    return Statements(
        one=one,
        locked=one.with_for_update(),
        insert=sa.insert(table).values({name: sa.bindparam(name) for name in family.columns}),
        update=sa.update(table).where(renamed).values({name: sa.bindparam(name) for name in rest}) if rest else None,
        delete=sa.delete(table).where(this),
    )


@lru_cache(maxsize=512)
def page_of(family: Family[Any], prefix: int, *, continues: bool, locked: bool) -> "sa.Select[Any]":
    """Records whose key begins with `prefix` given columns, by key; parameters as `values_of_page` gives them."""
    table = table_of(family)
    found = sa.select(*(table.c[name] for name in family.columns))
    found = found.where(*(table.c[name] == sa.bindparam(name) for name in family.key[:prefix]))
    rest = family.key[prefix:]
    if continues:
        place = sa.tuple_(*(sa.bindparam(f"after_{name}") for name in rest))
        found = found.where(sa.tuple_(*(table.c[name] for name in rest)) > place)
    found = found.order_by(*(table.c[name] for name in rest)).limit(sa.bindparam("limit", type_=sa.Integer))
    return found.with_for_update() if locked else found


@lru_cache(maxsize=64)
def many_of(family: Family[Any]) -> "sa.Select[Any]":
    """The records under the keys `ids`, for families whose key is one column."""
    table = table_of(family)
    (key,) = family.key
    found = sa.select(*(table.c[name] for name in family.columns))
    return found.where(one_of(table.c[key]))


@lru_cache(maxsize=64)
def locked_many_of(family: Family[Any]) -> "sa.Select[Any]":
    """As `many_of`, locked in the order of keys."""
    (key,) = family.key
    return many_of(family).order_by(table_of(family).c[key]).with_for_update()


@lru_cache(maxsize=64)
def under(family: Family[Any]) -> "sa.Select[Any]":
    """The records whose key begins with one of `ids`, by key."""
    table = table_of(family)
    found = sa.select(*(table.c[name] for name in family.columns)).where(one_of(table.c[family.key[0]]))
    return found.order_by(*(table.c[name] for name in family.key))


def values_of_page(family: Family[Any], prefix: Key, after: Key | None, limit: int) -> dict[str, Any]:
    """The parameters of a page."""
    values = dict(zip(family.key, map(_stored, prefix), strict=False))
    if after is not None:
        rest = family.key[len(prefix) :]
        values |= {f"after_{name}": _stored(value) for name, value in zip(rest, after, strict=True)}
    return {**values, "limit": limit}


def table_of(family: Family[Any]) -> sa.Table:
    """The table of a family."""
    return tables.metadata.tables[family.name]


def key_values(family: Family[Any], key: Key) -> dict[str, Any]:
    """The parameters that name one record."""
    return {name: _stored(value) for name, value in zip(family.key, key, strict=True)}


def row_of(family: Family[Any], record: Any) -> dict[str, Any]:
    """A record as a row."""
    return {name: _stored(getattr(record, name)) for name in family.columns}


def record_of(family: Family[Any], row: coding.Row) -> Any:
    """A row as a record."""
    return family.record(**{name: _loaded(kind, row[name]) for name, kind in family.kinds.items()})


def put(driver: Driver, family: Family[Any], record: Any) -> None:
    """Add a record, or replace the one under its key."""
    row, asked = row_of(family, record), statements_of(family)
    under = {f"of_{name}": row[name] for name in family.key}
    if asked.update is None:
        is_there = bool(driver.rows(asked.locked, {name: row[name] for name in family.key}))
    else:
        is_there = bool(driver.run(asked.update, {**row, **under}))
    if not is_there:
        driver.run(asked.insert, row)


def _stored(value: Any) -> Any:
    if value is None or value.__class__ in _RAW:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool):
        return int(value)
    return coding.dump(list(value) if isinstance(value, Sequence) else dict(value))


def _loaded(kind: type, value: Any) -> Any:
    if value is None:
        return None
    if kind is tuple:
        return tuple(coding.load(value))
    if kind is dict:
        return coding.load(value)
    load: Callable[[Any], Any] = kind
    return value if kind in (str, int, float) else load(value)
