"""The bare statement loop: the least that a database has to do for a life cycle, in batches, on the same databases.

Four statements and four commits for every 200 tasks: create, claim, progress, finish. No rules, no events, no record of
attempts. What the store reaches beside it is the price of those.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import psycopg

from agent_swarm.domain.ids import new_id
from benchmarks.prototype.table import Table, Work

AT_ONCE = 200

_SCHEMA = """
CREATE TABLE bare (id text PRIMARY KEY, title text, prompt text, status text, sort_key bigint, fence bigint,
    lease_until bigint, progress text, result text) WITH (fillfactor = 80);
CREATE INDEX bare_ready ON bare (sort_key, id) WHERE status = 'pending'
"""
_CREATE = """
INSERT INTO bare (id, title, prompt, status, sort_key, fence)
SELECT value ->> 0, value ->> 1, value ->> 2, 'pending', (value ->> 3)::bigint, 0 FROM json_array_elements(%s::json)
"""
_CLAIM = """
UPDATE bare SET status = 'claimed', fence = fence + 1, lease_until = %s
WHERE id IN (SELECT id FROM bare WHERE status = 'pending' ORDER BY sort_key, id LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id, fence, title, prompt
"""
_TOLD = "FROM json_array_elements(%s::json) AS told WHERE id = told ->> 0 AND fence = (told ->> 1)::bigint"
_PROGRESS = f"UPDATE bare SET progress = told ->> 2 {_TOLD} AND status = 'claimed'"
_FINISH = f"UPDATE bare SET status = 'completed', result = told ->> 2 {_TOLD} AND status = 'claimed'"

Apply = Callable[[Work], list[Any]]


def rate(apply: Apply, seconds: float) -> float:
    """Life cycles per second."""
    done, number, since = 0, 0, time.perf_counter()
    while (elapsed := time.perf_counter() - since) < seconds:
        new = [(new_id(), "a task", "Do what has to be done, then say so.", number + place) for place in range(AT_ONCE)]
        number += AT_ONCE
        apply(Work(new=new))
        claimed = apply(Work(claims=AT_ONCE, lease_until=1))
        apply(Work(progress=[(task_id, fence, "half way") for task_id, fence, *_ in claimed]))
        apply(Work(finished=[(task_id, fence, "done") for task_id, fence, *_ in claimed]))
        done += len(claimed)
    return done / elapsed


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Apply]:
    """The prototype's table, durable to power loss."""
    path = folder / "bare.sqlite"
    table = Table(path)
    yield table.apply
    sqlite3.connect(path).close()


@contextmanager
def on_postgres(url: str) -> Iterator[Apply]:
    """The same statements."""
    with psycopg.connect(url) as connection:
        connection.execute(_SCHEMA)
        connection.commit()

        def apply(work: Work) -> list[Any]:
            claimed: list[Any] = []
            for statement, rows in ((_CREATE, work.new), (_PROGRESS, work.progress), (_FINISH, work.finished)):
                if rows:
                    connection.execute(statement, (orjson.dumps(rows).decode(),))
            if work.claims:
                claimed = connection.execute(_CLAIM, (work.lease_until, work.claims)).fetchall()
            connection.commit()
            return claimed

        yield apply
        connection.execute("DROP TABLE bare")
