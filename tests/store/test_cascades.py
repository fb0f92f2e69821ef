"""Dependants are told of what ended, however many there are, in a bounded number of statements (rule T8)."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine
from agent_swarm.store.records import Edge, TaskSpec
from agent_swarm.store.sql import driver, statements
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver


def waiting_for(*upstreams: str, on_failure: OnFailure = OnFailure.FAIL) -> ops.NewTask:
    edges = tuple(Edge(upstream_id=upstream, on_failure=on_failure) for upstream in upstreams)
    return ops.NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p"), edges=edges)


def filing(*new: ops.NewTask) -> ops.CreateTasks:
    return ops.CreateTasks(tasks=new, actor="operator")


def ordering(command: commands.Command) -> ops.TaskCommand:
    return ops.TaskCommand(command=command, actor="operator")


def chain_below(
    swarm: Driver, root: str, length: int, policies: tuple[OnFailure, ...] = (OnFailure.FAIL,)
) -> list[str]:
    new: list[ops.NewTask] = []
    for place in range(length):
        upstream = new[-1].spec.id if new else root
        new.append(waiting_for(upstream, on_failure=policies[place % len(policies)]))
    swarm.do(filing(*new))
    return [one.spec.id for one in new]


# --- what is filed in the same moment ---------------------------------------------------------------------------------


def test_given_an_upstream_that_is_cancelled_in_the_batch_that_files_its_dependants_then_all_of_them_are_told(
    swarm: Driver,
) -> None:
    upstream = swarm.file()
    first = waiting_for(upstream)
    second = waiting_for(first.spec.id, on_failure=OnFailure.SKIP)
    swarm.run(filing(first, second), ordering(commands.Cancel(task_id=upstream)))
    assert swarm.state(first.spec.id).status is TaskStatus.FAILED
    assert swarm.state(second.spec.id).status is TaskStatus.CANCELLED


def test_given_an_upstream_that_completes_in_the_batch_that_files_its_dependant_then_that_is_ready(
    swarm: Driver,
) -> None:
    upstream = swarm.file()
    held = swarm.take(swarm.register())
    new = waiting_for(upstream)
    swarm.run(filing(new), ordering(commands.Complete(task_id=upstream, fence=held.fence, digest="done")))
    assert swarm.state(new.spec.id).ready


def test_given_a_cascade_before_a_task_is_filed_in_one_batch_when_its_upstream_ends_then_it_is_told(
    swarm: Driver,
) -> None:
    """A registration that fences a last lease ends a task, and looks at edges before new ones are made."""
    ada = swarm.register("ada")
    lost = swarm.file(max_losses=1)
    swarm.take(ada)
    waiting = swarm.file(after=(lost,), on_failure=OnFailure.WAIT)
    below = swarm.file(after=(lost,))
    new = waiting_for(waiting, below)
    swarm.instances[ada] = new_id()
    agent = swarm.engine.read(lambda q: q.agent(ada))
    assert agent is not None
    anew = replace(agent, instance_id=swarm.instances[ada])
    registration = ops.RegisterAgent(agent=anew, token=swarm.agent_token(ada))
    swarm.run(registration, filing(new), ordering(commands.Cancel(task_id=waiting)))
    assert swarm.state(below).status is TaskStatus.FAILED
    assert swarm.state(new.spec.id).status is TaskStatus.FAILED


# --- how edges of every kind add up -----------------------------------------------------------------------------------


def test_given_a_chain_of_all_policies_when_its_head_is_cancelled_then_it_ends_up_to_the_edge_that_waits(
    swarm: Driver,
) -> None:
    root = swarm.file(backlog=True)
    chain = chain_below(swarm, root, 6, (OnFailure.FAIL, OnFailure.SKIP, OnFailure.WAIT))
    swarm.cancel(root)
    ended = [swarm.state(task_id).status.value for task_id in chain]
    assert ended == ["failed", "cancelled", "blocked", "blocked", "blocked", "blocked"]


def test_given_two_ways_to_a_task_when_both_end_then_it_ends_once(swarm: Driver) -> None:
    root = swarm.file(backlog=True)
    left, right = swarm.file(after=(root,)), swarm.file(after=(root,), on_failure=OnFailure.SKIP)
    foot = swarm.file(after=(left, right))
    below = chain_below(swarm, foot, 2)
    swarm.cancel(root)
    events = [event for event in swarm.engine.read(lambda q: q.events_after(0, limit=100)) if event.task_id == foot]
    assert [event.type for event in events] == ["task.created", "task.failed"]
    assert {swarm.state(task_id).status for task_id in below} == {TaskStatus.FAILED}


# --- how many statements it takes -------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def counted(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A swarm on an SQL store, and the number of statements that its writer has run so far."""
    executed: list[Any] = []
    for name in ("rows", "tuples", "values", "run", "run_many", "run_tuples"):
        original: Callable[..., Any] = getattr(driver.Driver, name)

        def counting(self: Any, statement: Any, *rest: Any, _original: Any = original) -> Any:
            executed.append(statement)
            return _original(self, statement, *rest)

        monkeypatch.setattr(driver.Driver, name, counting)

    def run(engine: Engine) -> tuple[Driver, Callable[[], int]]:
        engine.open()
        return Driver(engine), lambda: len(executed)

    if request.param == "sqlite":
        engine: Engine = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
        yield run(engine)
        engine.close()
        return
    with postgres.database_with_tables(request.getfixturevalue("postgres_server")) as url:
        engine = PostgresEngine(url)
        yield run(engine)
        engine.close()


@pytest.mark.parametrize("shape", ["in a chain", "side by side"])
def test_given_a_hundred_times_as_many_dependants_when_the_head_is_cancelled_then_no_more_statements_are_run(
    counted: tuple[Driver, Callable[[], int]], shape: str
) -> None:
    swarm, executed = counted
    taken = []
    for length in (3, 300):
        root = swarm.file(backlog=True)
        if shape == "in a chain":
            below = chain_below(swarm, root, length)
        else:
            new = [waiting_for(root) for _ in range(length)]
            swarm.do(filing(*new))
            below = [one.spec.id for one in new]
        before = executed()
        swarm.cancel(root)
        taken.append(executed() - before)
        assert {swarm.state(task_id).status for task_id in (below[0], below[-1])} == {TaskStatus.FAILED}
    few, many = taken
    assert many <= few + 2, taken


# --- what another server files meanwhile ------------------------------------------------------------------------------


@pytest.mark.slow
def test_given_an_edge_that_another_server_adds_below_while_a_chain_is_looked_at_then_its_task_is_told(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.database_with_tables(postgres_server) as url:
        here, there = Driver(PostgresEngine(url)), Driver(PostgresEngine(url))
        here.engine.open()
        there.engine.open()
        root = here.file(backlog=True)
        chain = chain_below(here, root, 4)
        late = waiting_for(chain[-1])
        later = waiting_for(late.spec.id)
        original = driver.Driver.values
        pending = [filing(late, later)]

        def values(self: Any, statement: Any, *rest: Any) -> Any:
            found = original(self, statement, *rest)
            if statement is statements.downstream and pending:
                there.do(pending.pop())
            return found

        monkeypatch.setattr(driver.Driver, "values", values)
        here.cancel(root)
        assert pending == []
        assert [here.state(one.spec.id).status for one in (late, later)] == [TaskStatus.FAILED] * 2
        here.engine.close()
        there.engine.close()


@pytest.mark.slow
def test_given_an_edge_that_another_server_adds_once_the_edges_were_read_then_it_had_to_wait_for_the_end(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.database_with_tables(postgres_server) as url:
        here, there = Driver(PostgresEngine(url)), Driver(PostgresEngine(url))
        here.engine.open()
        there.engine.open()
        root = here.file(backlog=True)
        chain = chain_below(here, root, 4)
        late = waiting_for(chain[-1])
        original = driver.Driver.tuples
        filing_late = threading.Thread(target=lambda: there.do(filing(late)))

        def tuples(self: Any, statement: Any, parameters: Any = driver.NOTHING) -> Any:
            found = original(self, statement, parameters)
            if statement is statements.edges_from and len(parameters["ids"]) > 1 and filing_late.ident is None:
                filing_late.start()
                _until_waiting_or_over(url, filing_late)
            return found

        monkeypatch.setattr(driver.Driver, "tuples", tuples)
        here.cancel(root)
        filing_late.join()
        assert here.state(late.spec.id).status is TaskStatus.FAILED
        here.engine.close()
        there.engine.close()


def _until_waiting_or_over(url: str, thread: threading.Thread) -> None:
    """Until the thread's statement waits for a lock, or the thread has ended."""
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg.connect(url, autocommit=True) as connection:
        while thread.is_alive():
            (number,) = connection.execute(blocked).fetchone() or (0,)
            if number:
                return
