"""What SQLite's only writer does on the event loop, what it leaves to its thread, and what it keeps in memory."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.store import operations as ops
from agent_swarm.store.records import TaskSpec
from agent_swarm.store.sql.sqlite import PATIENCE, QUICK_WEIGHT, SqliteEngine
from agent_swarm.testing.driver import Driver


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SqliteEngine]:
    engine = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
    engine.open()
    yield engine
    engine.close()


@pytest.fixture
def swarm(engine: SqliteEngine) -> Driver:
    return Driver(engine)


@pytest.fixture
def stranger(tmp_path: Path, engine: SqliteEngine) -> Iterator[sqlite3.Connection]:
    """Somebody who looks at the file with a tool."""
    connection = sqlite3.connect(tmp_path / "swarm.sqlite", isolation_level=None)
    yield connection
    connection.close()


def filing(number: int = 1) -> ops.CreateTasks:
    new = tuple(ops.NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p")) for _ in range(number))
    return ops.CreateTasks(tasks=new, actor="operator")


def ending(command: commands.Command) -> ops.TaskCommand:
    return ops.TaskCommand(command=command, actor="tester")


def quickly(engine: SqliteEngine, swarm: Driver, *operations: ops.Operation[Any]) -> list[Any]:
    decided = engine.decide_quickly(operations, swarm.now)
    assert decided is not None
    return decided.commit().replies


def test_given_a_decided_batch_when_it_is_not_yet_committed_then_nobody_sees_it(
    engine: SqliteEngine, swarm: Driver
) -> None:
    operation = filing()
    decided = engine.decide_quickly([operation], swarm.now)
    assert decided is not None
    task_id = operation.tasks[0].spec.id
    assert engine.read(lambda q: q.task(task_id)) is None
    decided.commit()
    assert engine.read(lambda q: q.task(task_id)) is not None


@pytest.mark.parametrize("operation", [ops.RunTimers(jitter=0.0), ops.Prune(), filing(QUICK_WEIGHT + 1)])
def test_given_work_that_may_take_long_when_it_is_to_be_quick_then_it_is_left_to_the_thread(
    engine: SqliteEngine, swarm: Driver, operation: ops.Operation[Any]
) -> None:
    assert engine.decide_quickly([filing(), operation], swarm.now) is None


def test_given_a_long_cascade_when_it_is_to_be_quick_then_it_is_left_to_the_thread_and_done_there(
    engine: SqliteEngine, swarm: Driver
) -> None:
    upstream = swarm.file()
    waiting = [swarm.file(after=(upstream,)) for _ in range(PATIENCE + 1)]
    cancel = ending(commands.Cancel(task_id=upstream))
    assert engine.decide_quickly([cancel], swarm.now) is None
    assert swarm.state(upstream).status is TaskStatus.PENDING
    swarm.run(cancel)
    assert {swarm.state(task_id).status for task_id in (upstream, *waiting)} == {
        TaskStatus.CANCELLED,
        TaskStatus.FAILED,
    }


def test_given_somebody_who_writes_to_the_file_when_a_batch_is_to_be_quick_then_it_does_not_wait(
    engine: SqliteEngine, swarm: Driver, stranger: sqlite3.Connection
) -> None:
    stranger.execute("BEGIN IMMEDIATE")
    assert engine.decide_quickly([filing()], swarm.now) is None
    stranger.execute("ROLLBACK")
    assert quickly(engine, swarm, filing())[0].task_ids


def test_given_an_id_that_is_taken_when_a_batch_is_quick_then_only_its_operation_is_refused(
    engine: SqliteEngine, swarm: Driver
) -> None:
    first, other = filing(), filing()
    quickly(engine, swarm, first)
    assert engine.decide_quickly([first, other], swarm.now) is None  # the batch as a whole is refused
    refused, created = swarm.run(first, other)
    assert refused.code == "conflict"
    assert created.task_ids == (other.tasks[0].spec.id,)
    events = engine.read(lambda q: q.events_after(0, limit=10))
    assert [event.seq for event in events] == [1, 2]


def test_given_a_long_cascade_that_was_left_to_the_thread_when_it_is_done_then_what_was_not_touched_is_not_read_again(
    engine: SqliteEngine, swarm: Driver
) -> None:
    head = swarm.file()
    waiting = [swarm.file(after=(head,)) for _ in range(PATIENCE + 1)]
    memory = engine._memory
    assert memory is not None

    cancel = ops.TaskCommand(command=commands.Cancel(task_id=head), actor="x")
    assert engine.decide_quickly([cancel], swarm.now) is None

    assert memory.task(head) is None, "the batch that was given up worked on it"
    assert all(memory.task(task_id) is not None for task_id in waiting)
    assert memory.head is not None
    swarm.run(cancel)
    assert {swarm.state(task_id).status.value for task_id in waiting} == {"failed"}


def test_given_tasks_under_way_when_the_store_opens_again_then_it_goes_on_from_what_is_stored(
    tmp_path: Path, engine: SqliteEngine, swarm: Driver
) -> None:
    agent = swarm.register()
    task_id = swarm.file()
    held = swarm.take(agent)
    engine.close()
    again = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
    swarm.now = max(swarm.now, again.open())
    swarm.engine = again
    assert swarm.complete(held).state.status is TaskStatus.COMPLETED
    events = again.read(lambda q: q.events_after(0, limit=100))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].type == "task.completed"
    assert swarm.task(task_id).result is not None
    again.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [("fence = fence + 1", "staleLease"), ("status = 'cancelled'", "illegalTransition")],
    ids=["fence", "status"],
)
def test_given_a_row_changed_behind_the_writers_back_when_it_decides_then_it_reads_anew(
    engine: SqliteEngine, swarm: Driver, stranger: sqlite3.Connection, change: str, code: str
) -> None:
    agent = swarm.register()
    task_id = swarm.file()
    held = swarm.take(agent)
    stranger.execute(f"UPDATE task SET {change} WHERE id = ?", (task_id,))
    (refused,) = swarm.run(ending(commands.Complete(task_id=task_id, fence=held.fence, digest="x")))
    assert refused.code == code


def test_given_a_restarted_attempt_when_it_starts_again_then_the_first_start_stands(
    engine: SqliteEngine, swarm: Driver
) -> None:
    agent = swarm.register()
    task_id = swarm.file()
    held = swarm.take(agent)
    started_at = swarm.task(task_id).started_at
    swarm.command(commands.Release(task_id=task_id, fence=held.fence))
    swarm.advance(5)
    swarm.take(agent)
    assert swarm.task(task_id).started_at == started_at is not None


class _NeverLookedThrough(dict[str, Any]):
    """Finds by key, and refuses to go through all it has."""

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("a batch looked at every agent there is")

    __iter__ = keys = values = items = _refuse


def test_given_many_agents_when_one_sends_a_heartbeat_then_the_others_are_not_looked_at(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
    engine.open()
    swarm = Driver(engine)
    agents = [swarm.register(f"a{number}") for number in range(3)]
    assert engine._memory is not None
    engine._memory.agents = _NeverLookedThrough(engine._memory.agents)
    swarm.beat(agents[0])
    swarm.file()
    swarm.take(agents[1])
    engine.close()
