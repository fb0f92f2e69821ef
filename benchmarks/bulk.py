"""Databases with many tasks, made in seconds: rows by INSERT … SELECT over the program's own tables, indexes after."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from agent_swarm.domain.matching import Requirements
from agent_swarm.store.opening import open_store
from agent_swarm.store.sql import tables

YEAR_AGO = 1_760_000_000_000_000  # µs; an instant before any test run, so that new tasks are the newest
AGENT = "00000000-0000-4000-8000-000000000001"

# Of task number i, as SQL; what is not named here is NULL.
_TASK = {
    "id": "printf('%08x-%04x-7000-8000-%012x', 26673152 + i / 65536, i % 65536, i)",
    "title": "'task number ' || i",
    "labels": "CASE WHEN i % 1000 = 7 THEN '[\"rare\"]' ELSE '[]' END",
    "priority": "50",
    "created_by": "'operator'",
    "root_id": "printf('%08x-%04x-7000-8000-%012x', 26673152 + i / 65536, i % 65536, i)",
    "depth": "0",
    "created_at": f"{YEAR_AGO} + i * 1000",
    "max_attempts": "3",
    "max_losses": "10",
    "failures": "0",
    "losses": "0",
    "unmet": "0",
    "progress": "''",
    "updated_at": f"{YEAR_AGO} + i * 1000",
    "sort_key": f"{YEAR_AGO} + i * 1000 - 50 * 300000000",
}
_READY = {
    "status": "'pending'",
    "fence": "0",
    "attempt": "0",
    "ready": "1",
    "ended_fence": "0",
    "ended_digest": "''",
}
_DONE = {
    "status": "'completed'",
    "fence": "1",
    "attempt": "1",
    "ready": "0",
    "ended_fence": "1",
    "ended_as": "'completed'",
    "ended_digest": "printf('%064x', i)",
    "result": '\'{"text":"done","data":null,"branch":"","commit":""}\'',
    "last_agent_id": f"'{AGENT}'",
    "started_at": f"{YEAR_AGO} + i * 1000",
    "finished_at": f"{YEAR_AGO} + i * 1000",
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
    ids: list[tuple[int, ...]] = []
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA synchronous=OFF")
        filled = (tables.task, tables.prompt, tables.attempt, tables.token)
        indexes = [index for table in filled for index in table.indexes]
        for index in indexes:
            index.drop(connection)
        first, first_class = 0, 1
        for family in families:
            count = int(number * family.share)
            ids.append(_classes(connection, first_class, family.classes))
            where = {"class_id": f"{first_class} + i % {family.classes}"}
            _fill(connection, tables.task, {**_TASK, **_READY, **where, "claim_class": where["class_id"]}, first, count)
            first, first_class = first + count, first_class + family.classes
        _fill_ended(connection, first, number - first)
        _fill(
            connection, tables.prompt, {"task_id": _TASK["id"], "text": "'Do what number ' || i || ' says.'"}, 0, number
        )
        for index in indexes:
            index.create(connection)
    engine.dispose()
    return ids


def _fill_ended(connection: sa.Connection, first: int, count: int) -> None:
    """Tasks with the attempt and the token that each has left."""
    one_class = _classes(connection, 1_000_000, 1)[0]
    ended = {**_TASK, **_DONE, "class_id": str(one_class), "claim_class": str(one_class)}
    _fill(connection, tables.task, ended, first, count)
    attempt = {
        **{
            name: "''"
            for name in ("session", "branch", '"commit"', "snapshot", "text", "failure_class", "failure_code")
        },
        **{name: "0" for name in ("input_tokens", "output_tokens", "cost_micros")},
        "task_id": _TASK["id"],
        "number": "1",
        "fence": "1",
        "claim_id": "lower(hex(randomblob(18)))",
        "agent_id": f"'{AGENT}'",
        "instance_id": f"'{AGENT}'",
        "claimed_at": _TASK["created_at"],
        "outcome": "'completed'",
    }
    _fill(connection, tables.attempt, {name.strip('"'): value for name, value in attempt.items()}, first, count)
    token = {
        "id": "lower(hex(randomblob(18)))",
        "kind": "'attempt'",
        "hash": "lower(hex(randomblob(32)))",
        "scopes": "'[]'",
        "label": "''",
        "agent_id": f"'{AGENT}'",
        "task_id": _TASK["id"],
        "fence": "1",
        "epoch": "0",
        "created_at": _TASK["created_at"],
    }
    _fill(connection, tables.token, token, first, count)


def _fill(connection: sa.Connection, table: sa.Table, values: Mapping[str, str], first: int, count: int) -> None:
    """Rows number `first` to `first + count` of `table`."""
    if count <= 0:
        return
    numbers = sa.text(
        f"WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {first + count})"
    )
    columns = ", ".join(f'"{table.c[name].name}"' for name in values)
    statement = f'INSERT INTO "{table.name}" ({columns}) {numbers} SELECT {", ".join(values.values())} FROM n'
    connection.exec_driver_sql(statement)


def _classes(connection: sa.Connection, first: int, number: int) -> tuple[int, ...]:
    """New requirement classes, one tag each; none where there is but one to make."""
    ids = tuple(range(first, first + number))
    needs = [Requirements(tags=frozenset({f"tag-{first}-{one}"})) for one in ids]
    rows = [{"id": one, "key": need.key()} for one, need in zip(ids, needs, strict=True)]
    connection.execute(sa.insert(tables.requirement_class), rows)
    return ids


async def _prepare(path: Path) -> None:
    async with open_store(path):
        pass
