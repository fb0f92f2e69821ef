"""Has an engine do once, before processes are forked that use it, what is slow at first: above all compiling SQL."""

import tempfile
from contextlib import chdir

from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.ids import new_id
from agent_swarm.services import readings
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Queries
from agent_swarm.store.records import TaskFilter, TaskSpec, TokenKind
from agent_swarm.store.sql.classes import ClassCache
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.store.sql.writer_memory import WriterMemory
from agent_swarm.testing.driver import Driver, snapshot, token

ONCE = ops.Idempotency(subject="o", route="POST /api/tasks", key="once", body_hash="b" * 64)


def warm_up_engine(engine: SqliteEngine) -> None:
    """Have it carry out a task's life in a folder that is thrown away, and forget that.

    Its file has to be in whatever folder is the present one.
    """
    memory = engine._memory
    assert memory is not None
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        engine.open()
        _live(Driver(engine), memory)
        engine.close()
    memory.forget()
    engine._classes = ClassCache()


def _live(swarm: Driver, memory: WriterMemory) -> None:
    ada = swarm.register("ada")
    first = swarm.file()
    for way in OnFailure:
        swarm.file(after=(first,), on_failure=way)
    held = swarm.take(ada)
    swarm.advance(1)
    swarm.beat(ada, held)
    swarm.do(ops.ReportProgress(task_id=held.task_id, fence=held.fence, text="on my way", actor="ada"))
    usage = ops.BookUsage(
        task_id=held.task_id, attempt=1, seq=0, input_tokens=1, output_tokens=0, cost_micros=0, model="m"
    )
    swarm.do(usage)
    swarm.complete(held)
    for finish in (swarm.fail, swarm.pause, swarm.complete):
        finish(swarm.take(ada))
    for _ in range(2):
        swarm.do(
            ops.CreateTasks(
                tasks=(ops.NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p")),), actor="o", idempotency=ONCE
            )
        )
    memory.forget()
    doomed = swarm.file()
    swarm.file(after=(doomed,))
    swarm.cancel(doomed)
    swarm.timers(leases=False)
    swarm.do(ops.PutToken(token=token(TokenKind.OPERATOR)))
    again = swarm.take(ada)
    swarm.register("ada", agent_id=ada, held=(again,))
    swarm.advance(60)
    swarm.timers()
    swarm.do(ops.FindUnserved(patience=0, silence=0))
    swarm.do(ops.Prune())
    swarm.engine.read(snapshot)
    swarm.engine.read(readings.overview(now=swarm.now))
    swarm.engine.read(_look)


def _look(queries: Queries) -> None:
    """What nobody else in here asks for."""
    queries.token_by_hash("")
    queries.claimed_under([""])
    queries.epoch()
    for task in queries.list_tasks(TaskFilter(), after=None, limit=3):
        queries.attempt(task.spec.id, 1)
        queries.task(task.spec.id)
    for agent in queries.agents():
        queries.agent(agent.profile.id)
        queries.held_tasks(agent.profile.id)
