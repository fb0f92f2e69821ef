"""Tasks that nobody could take are told of, once per wait and once per kind of requirement."""

import threading
from typing import Any

import pytest

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole, Requirements
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.store import operations as ops
from agent_swarm.store.records import Event, TaskSpec
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import START, Driver

PATIENCE, SILENCE = 300, 30
LOOK = ops.FindUnserved(patience=PATIENCE * SECOND, silence=SILENCE * SECOND)
GPU = Requirements(tags=frozenset({"gpu"}))


def told(swarm: Driver) -> list[Event]:
    events = swarm.engine.read(lambda q: q.events_after(0, limit=10_000))
    return [event for event in events if event.type == "task.noEligibleAgent"]


def wait(swarm: Driver, seconds: float = PATIENCE, *, step: float = 15) -> None:
    """Let time pass, looking now and then, as the server does."""
    for _ in range(int(seconds / step)):
        swarm.do(LOOK)
        swarm.advance(step)
    swarm.do(LOOK)


def test_given_no_agent_at_all_when_the_patience_is_over_then_the_oldest_task_tells_for_all_that_are_alike(
    swarm: Driver,
) -> None:
    first = swarm.file(requires=GPU)
    swarm.advance(1)
    swarm.file(requires=GPU)
    wait(swarm, PATIENCE - 15)
    assert told(swarm) == []
    wait(swarm, 15)
    (event,) = told(swarm)
    assert (event.task_id, event.attempt, event.actor) == (first, None, "system")
    requires = {"tags": ["gpu"], "capabilities": []}
    assert event.data == {"requires": requires, "since": to_wire(START + SECOND), "tasks": 2}


def test_given_a_wait_that_was_told_when_it_goes_on_then_it_is_not_told_again(swarm: Driver) -> None:
    swarm.file(requires=GPU)
    wait(swarm, 4 * PATIENCE)
    assert len(told(swarm)) == 1


def test_given_a_wait_that_was_told_when_an_agent_came_and_went_then_the_next_one_is_told_too(swarm: Driver) -> None:
    swarm.file(requires=GPU)
    wait(swarm)
    ada = swarm.register("ada", tags=("gpu",))
    swarm.do(LOOK)
    assert swarm.engine.read(lambda q: q.unserved()) == []
    swarm.do(ops.SignOff(agent_id=ada, instance_id=swarm.instances[ada]))
    wait(swarm)
    assert len(told(swarm)) == 2


def test_given_an_agent_that_is_busy_when_others_wait_for_it_then_they_have_somebody(swarm: Driver) -> None:
    ada = swarm.register("ada", tags=("gpu",))
    swarm.file(requires=GPU)
    held = swarm.take(ada)
    swarm.file(requires=GPU)
    for _ in range(30):
        swarm.beat(ada, held)
        wait(swarm, 15)
    assert told(swarm) == []


@pytest.mark.parametrize("how", ["silent", "goodbye", "lead", "unsuitable"])
def test_given_only_agents_that_cannot_take_it_when_the_patience_is_over_then_it_is_told(
    swarm: Driver, how: str
) -> None:
    role = AgentRole.LEAD if how == "lead" else AgentRole.WORKER
    ada = swarm.register("ada", role=role, tags=() if how == "unsuitable" else ("gpu",))
    if how == "goodbye":
        swarm.do(ops.SignOff(agent_id=ada, instance_id=swarm.instances[ada]))
    swarm.file(requires=GPU)
    for _ in range(30):
        if how in ("lead", "unsuitable"):
            swarm.beat(ada)
        wait(swarm, 15)
    assert len(told(swarm)) == 1


def test_given_a_task_for_one_agent_when_only_others_are_online_then_it_is_told_for_whom_it_waits(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file(requires=Requirements(agent_id=ada))
    for _ in range(30):
        swarm.beat(bob)
        wait(swarm, 15)
    (event,) = told(swarm)
    assert event.data["requires"]["agentId"] == ada
    swarm.register("ada", agent_id=ada)
    swarm.do(LOOK)
    assert swarm.engine.read(lambda q: q.unserved()) == []


def test_given_tasks_that_are_not_claimable_when_time_passes_then_nobody_is_missed(swarm: Driver) -> None:
    waiting = swarm.file(requires=GPU, backlog=True)
    swarm.file(requires=GPU, not_before=START + 10_000 * SECOND)
    swarm.file(requires=GPU, after=(waiting,))
    wait(swarm, 2 * PATIENCE)
    assert told(swarm) == []


def test_given_a_wait_whose_tasks_are_cancelled_when_another_is_filed_then_its_wait_begins_anew(swarm: Driver) -> None:
    task_id = swarm.file(requires=GPU)
    wait(swarm, PATIENCE - 30)
    swarm.cancel(task_id)
    swarm.do(LOOK)
    swarm.file(requires=GPU)
    wait(swarm, PATIENCE - 30)
    assert told(swarm) == []
    assert [(found.tasks, found.told_at) for found in swarm.engine.read(lambda q: q.unserved())] == [(1, None)]


@pytest.mark.slow
def test_given_many_tasks_that_are_alike_when_they_have_waited_then_they_are_counted_and_told_of_once(
    swarm: Driver,
) -> None:
    specs = [TaskSpec(id=new_id(), title="t", prompt="p", requires=GPU) for _ in range(1_200)]
    swarm.do(ops.CreateTasks(tasks=tuple(ops.NewTask(spec=spec) for spec in specs), actor="operator"))
    swarm.do(LOOK)
    swarm.advance(PATIENCE)
    swarm.do(LOOK)
    (event,) = told(swarm)
    assert event.data["tasks"] == 1_000  # it stops counting
    (found,) = swarm.engine.read(lambda q: q.unserved())
    assert (found.requires, found.tasks) == (GPU, 1_200)


@pytest.mark.slow
def test_given_two_servers_that_look_in_the_same_moment_when_the_patience_is_over_then_it_is_told_once(
    postgres_server: str,
) -> None:
    with postgres.database_with_tables(postgres_server) as url:
        swarms = [Driver(PostgresEngine(url)) for _ in range(2)]
        for swarm in swarms:
            swarm.engine.open()
        for number in range(20):
            swarms[0].file(requires=Requirements(tags=frozenset({f"tag-{number}"})))
        swarms[0].do(LOOK)
        for swarm in swarms:
            swarm.advance(PATIENCE)
        start = threading.Barrier(2)
        failures: list[Any] = []

        def look(swarm: Driver) -> None:
            start.wait()
            replies: list[Any] = swarm.run(LOOK)
            failures.extend(reply for reply in replies if reply != 20)

        threads = [threading.Thread(target=look, args=(swarm,)) for swarm in swarms]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(told(swarms[0])) == 20
        for swarm in swarms:
            swarm.engine.close()
