"""Has a process do once, before others are forked from it, what is slow the first time: above all compiling SQL."""

import tempfile
from pathlib import Path
from typing import Any

from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Queries
from agent_swarm.store.records import TaskFilter
from agent_swarm.store.sql import driver as sql_driver
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.driver import Driver


def warm_store() -> None:
    """Compile the statements of a task's life, for every SQLite engine of this process and of its forks."""
    _remember_statements()
    with tempfile.TemporaryDirectory() as folder:
        engine = SqliteEngine(Path(folder) / "warm.sqlite", synchronous="normal")
        engine.open()
        _live(Driver(engine))
        engine.close()


def _remember_statements() -> None:
    compiled: dict[int, tuple[Any, sql_driver.Prepared]] = {}
    prepare = sql_driver.prepare

    def remembered(statement: Any, dialect: Any) -> sql_driver.Prepared:
        if id(statement) not in compiled:
            compiled[id(statement)] = (statement, prepare(statement, dialect))  # kept, so that its id stays its own
        return compiled[id(statement)][1]

    sql_driver.prepare = remembered


def _live(swarm: Driver) -> None:
    ada = swarm.register("ada")
    first = swarm.file()
    for way in OnFailure:
        swarm.file(after=(first,), on_failure=way)
    held = swarm.take(ada)
    swarm.beat(ada, held)
    swarm.do(ops.ReportProgress(task_id=held.task_id, fence=held.fence, text="on my way", actor="ada"))
    usage = ops.BookUsage(
        task_id=held.task_id, attempt=1, seq=0, input_tokens=1, output_tokens=0, cost_micros=0, model="m"
    )
    swarm.do(usage)
    swarm.complete(held)
    for finish in (swarm.fail, swarm.pause, swarm.complete):
        finish(swarm.take(ada))
    swarm.cancel(swarm.file())
    swarm.advance(60)
    swarm.timers()
    swarm.engine.read(_look)


def _look(queries: Queries) -> None:
    tasks = queries.list_tasks(TaskFilter(), after=None, limit=10)
    for task in tasks:
        queries.attempts(task.spec.id)
        queries.upstreams(task.spec.id)
    queries.events_after(0, limit=100)
    queries.counts()
    queries.held_tasks()
    queries.next_timer()
