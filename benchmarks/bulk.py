"""Databases with many tasks, made in seconds: rows by INSERT … SELECT over the program's own tables, indexes after."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from agent_swarm.domain.matching import Requirements
from agent_swarm.store.opening import open_store
from agent_swarm.store.sql import tables

LONG_AGO = 1_760_000_000_000_000  # µs, a year before this was written: tasks filed meanwhile are the newest
AGENT = "00000000-0000-4000-8000-000000000001"
CLASS_OF_ENDED = 1_000_000

# Task number i, as SQL. What is not named is NULL.
_ID = "printf('%08x-%04x-7000-8000-%012x', 26673152 + i / 65536, i % 65536, i)"  # a UUIDv7 that grows with i
_AT = f"{LONG_AGO} + i * 1000"
_TASK = {
    "id": _ID,
    "title": "'task number ' || i",
    "labels": "CASE WHEN i % 1000 = 7 THEN '[\"rare\"]' ELSE '[]' END",
    "priority": "50",
    "created_by": "'operator'",
    "root_id": _ID,
    "created_at": _AT,
    "max_attempts": "3",
    "max_losses": "10",
    "progress": "''",
    "updated_at": _AT,
    "sort_key": f"{_AT} - 50 * 300000000",  # domain.priority.sort_key
    **dict.fromkeys(("depth", "failures", "losses", "unmet"), "0"),
}
_READY = {
    "status": "'pending'",
    "ready": "1",
    "ended_digest": "''",
    **dict.fromkeys(("fence", "attempt", "ended_fence"), "0"),
}
_ENDED = {
    "status": "'completed'",
    "ready": "0",
    "class_id": f"{CLASS_OF_ENDED}",
    "claim_class": f"{CLASS_OF_ENDED}",
    "ended_as": "'completed'",
    "ended_digest": "printf('%064x', i)",
    "result": '\'{"text":"done","data":null,"branch":"","commit":""}\'',
    "last_agent_id": f"'{AGENT}'",
    "started_at": _AT,
    "finished_at": _AT,
    **dict.fromkeys(("fence", "attempt", "ended_fence"), "1"),
}
_RARE_LABEL = {"label": "'rare'", "created_at": _AT, "task_id": _ID}
_PROMPT = {"task_id": _ID, "text": "'Do what number ' || i || ' says.'"}
_ATTEMPT = {
    "task_id": _ID,
    "number": "1",
    "fence": "1",
    "claim_id": "lower(hex(randomblob(18)))",
    "agent_id": f"'{AGENT}'",
    "instance_id": f"'{AGENT}'",
    "claimed_at": _AT,
    "outcome": "'completed'",
    **dict.fromkeys(("session", "branch", "commit", "snapshot", "text", "failure_class", "failure_code"), "''"),
    **dict.fromkeys(("input_tokens", "output_tokens", "cost_micros"), "0"),
}
_TOKEN = {
    "id": "lower(hex(randomblob(18)))",
    "kind": "'attempt'",
    "hash": "lower(hex(randomblob(32)))",
    "scopes": "'[]'",
    "label": "''",
    "agent_id": f"'{AGENT}'",
    "task_id": _ID,
    "fence": "1",
    "epoch": "0",
    "created_at": _AT,
}


@dataclass(frozen=True, slots=True)
class Family:
    """Ready tasks: `share` of all, spread evenly over `classes` requirement classes."""

    classes: int
    share: float


def make(path: Path, number: int, families: Sequence[Family]) -> list[tuple[int, ...]]:
    """A database with so many tasks, the rest of which have ended; answers the class ids of each family."""
    asyncio.run(_prepare(path))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA synchronous=OFF")
        indexes = [index for table in (tables.task, tables.attempt, tables.token) for index in table.indexes]
        for index in indexes:
            index.drop(connection)
        ids = _fill_all(connection, number, families)
        for index in indexes:
            index.create(connection)
    engine.dispose()
    return ids


def _fill_all(connection: sa.Connection, number: int, families: Sequence[Family]) -> list[tuple[int, ...]]:
    ids: list[tuple[int, ...]] = []
    first, first_class = 0, 1
    for family in families:
        count, class_id = int(number * family.share), f"{first_class} + i % {family.classes}"
        ids.append(_classes(connection, first_class, family.classes))
        _fill(connection, tables.task, {**_TASK, **_READY, "class_id": class_id, "claim_class": class_id}, first, count)
        first, first_class = first + count, first_class + family.classes
    _classes(connection, CLASS_OF_ENDED, 1)
    for table, columns in ((tables.task, {**_TASK, **_ENDED}), (tables.attempt, _ATTEMPT), (tables.token, _TOKEN)):
        _fill(connection, table, columns, first, number - first)
    _fill(connection, tables.prompt, _PROMPT, 0, number)
    _fill(connection, tables.task_label, _RARE_LABEL, 0, number, where="i % 1000 = 7")
    return ids


def _fill(
    connection: sa.Connection,
    table: sa.Table,
    columns: Mapping[str, str],
    first: int,
    count: int,
    *,
    where: str = "true",
) -> None:
    """Rows number `first` to `first + count` of `table`, those that `where` lets pass."""
    names = ", ".join(f'"{table.c[name].name}"' for name in columns)
    numbers = f"WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n LIMIT {count})"
    connection.exec_driver_sql(
        f'INSERT INTO "{table.name}" ({names}) {numbers} SELECT {", ".join(columns.values())} FROM n WHERE {where}'
    )


def _classes(connection: sa.Connection, first: int, number: int) -> tuple[int, ...]:
    """New requirement classes: one tag each."""
    ids = tuple(range(first, first + number))
    rows = [{"id": one, "key": Requirements(tags=frozenset({f"tag-{one}"})).key()} for one in ids]
    connection.execute(sa.insert(tables.requirement_class), rows)
    return ids


async def _prepare(path: Path) -> None:
    """The tables, as the program makes them."""
    async with open_store(path):
        pass
