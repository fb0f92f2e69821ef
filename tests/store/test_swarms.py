"""Swarms on every store: who is in them, what is handed out of them, and when they may go."""

import pytest

from agent_swarm.domain.errors import AlreadyExists, Conflict, Killed, NotFound, UnknownReference
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentProfile, Requirements
from agent_swarm.domain.swarms import SwarmChange, SwarmStatus
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.store import operations as ops
from agent_swarm.store.families.swarms import SWARMS, swarm_named
from agent_swarm.store.records import AgentRecord, ProjectRecord, TaskFilter, TaskRecord
from agent_swarm.testing.driver import Driver


def in_swarm(swarm_id: str) -> Requirements:
    """What a task of the swarm requires."""
    return Requirements(swarm_id=swarm_id)


def swarm_of(swarm: Driver, agent_id: str) -> str | None:
    """The swarm that an agent is in."""
    agent = swarm.engine.read(lambda q: q.agent(agent_id))
    assert agent is not None
    return agent.profile.swarm_id


def told(swarm: Driver) -> list[str]:
    """What was told of swarms."""
    events = swarm.engine.read(lambda q: q.events_after(0, limit=1_000))
    return [event.type for event in events if event.subject_kind == "swarm"]


def test_given_a_task_of_a_swarm_when_agents_ask_then_only_one_that_is_in_there_gets_it(swarm: Driver) -> None:
    inside, outside, elsewhere = (swarm.register(name) for name in ("ada", "bob", "cy"))
    checkout = swarm.create_swarm("checkout", inside)
    swarm.create_swarm("search", elsewhere)
    task_id = swarm.file(requires=in_swarm(checkout))

    assert [swarm.claim(outside), swarm.claim(elsewhere)] == [None, None]
    assert swarm.take(inside).task_id == task_id


def test_given_an_agent_of_a_swarm_when_a_task_of_none_is_filed_then_it_may_take_it(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.create_swarm("checkout", ada)
    task_id = swarm.file()

    assert swarm.take(ada).task_id == task_id


def test_given_an_agent_that_has_left_when_an_older_credit_of_it_is_answered_then_it_gets_nothing_of_the_swarm(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    checkout = swarm.create_swarm("checkout", ada)
    swarm.file(requires=in_swarm(checkout))
    credit = swarm.claim_operation(ada)

    swarm.leave(checkout, ada)

    assert swarm.do(credit) is None


def test_given_a_paused_swarm_when_its_agents_ask_then_what_runs_goes_on_and_nothing_begins(swarm: Driver) -> None:
    ada = swarm.register()
    checkout = swarm.create_swarm("checkout", ada)
    running = swarm.file(requires=in_swarm(checkout), priority=90)
    waiting = swarm.file(requires=in_swarm(checkout))
    held = swarm.take(ada)
    assert held.task_id == running
    swarm.pause_swarm(checkout)

    assert swarm.claim(ada) is None
    assert swarm.complete(held).state.status is TaskStatus.COMPLETED
    free = swarm.file()
    assert swarm.take(ada).task_id == free, "what belongs to no swarm is handed out"
    later = swarm.file(requires=in_swarm(checkout))
    assert swarm.claim(ada) is None
    swarm.pause_swarm(checkout, paused=False)
    assert {swarm.take(ada).task_id for _ in range(2)} == {waiting, later}


def test_given_a_credit_and_a_pause_in_one_batch_when_it_is_applied_then_the_pause_comes_first(swarm: Driver) -> None:
    ada = swarm.register()
    checkout = swarm.create_swarm("checkout", ada)
    swarm.file(requires=in_swarm(checkout))
    credit = swarm.claim_operation(ada)

    claimed, paused = swarm.run(
        credit, ops.ChangeSwarm(swarm_id=checkout, change=SwarmChange(paused=True), actor="tester")
    )

    assert (claimed, paused.status) == (None, SwarmStatus.PAUSED)


def test_given_the_same_change_twice_when_it_is_made_then_it_is_told_once(swarm: Driver) -> None:
    ada = swarm.register()
    checkout = swarm.create_swarm("checkout")

    assert [swarm.join(checkout, ada), swarm.join(checkout, ada)] == [True, False]
    swarm.pause_swarm(checkout)
    swarm.pause_swarm(checkout)
    swarm.pause_swarm(checkout, paused=False)
    assert [swarm.leave(checkout, ada), swarm.leave(checkout, ada)] == [True, False]

    assert told(swarm) == ["swarm.created", "swarm.joined", "swarm.paused", "swarm.resumed", "swarm.left"]


def test_given_an_agent_in_a_swarm_when_it_joins_another_then_it_is_out_of_the_first(swarm: Driver) -> None:
    ada = swarm.register()
    first, second = swarm.create_swarm("checkout", ada), swarm.create_swarm("search")

    swarm.join(second, ada)

    assert swarm_of(swarm, ada) == second
    assert told(swarm)[-2:] == ["swarm.left", "swarm.joined"]
    assert [one.profile.id for one in swarm.engine.read(lambda q: q.agents(swarm_id=second))] == [ada]
    assert swarm.engine.read(lambda q: q.agents(swarm_id=first)) == []


def test_given_an_agent_that_works_for_a_swarm_when_it_is_to_leave_then_that_is_refused(swarm: Driver) -> None:
    ada = swarm.register()
    checkout, search = swarm.create_swarm("checkout", ada), swarm.create_swarm("search")
    swarm.file(requires=in_swarm(checkout))
    held = swarm.take(ada)

    with pytest.raises(Conflict, match="works on task"):
        swarm.leave(checkout, ada)
    with pytest.raises(Conflict, match="works on task"):
        swarm.join(search, ada)
    swarm.complete(held)
    assert swarm.join(search, ada)


def test_given_a_name_that_is_taken_when_a_swarm_is_made_then_that_is_refused_until_the_first_is_gone(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    first = swarm.create_swarm("checkout", ada)
    with pytest.raises(AlreadyExists):
        swarm.create_swarm("checkout")

    swarm.do(ops.DeleteSwarm(swarm_id=first, actor="tester"))
    second = swarm.create_swarm("checkout")

    assert first != second
    assert swarm_of(swarm, ada) is None
    found = swarm.engine.read(lambda q: (swarm_named(q, "checkout"), swarm_named(q, first)))
    assert [(one.id, one.is_there) for one in found if one] == [(second, True), (first, False)]


def test_given_two_swarms_of_one_moment_when_they_are_made_then_their_ids_differ(swarm: Driver) -> None:
    made = {swarm.create_swarm(name) for name in ("a", "b", "c")}

    assert len(made) == 3
    assert all(one.startswith("swarm-") for one in made)


def test_given_tasks_that_have_not_ended_when_a_swarm_is_deleted_then_that_is_refused(swarm: Driver) -> None:
    checkout = swarm.create_swarm()
    task_id = swarm.file(requires=in_swarm(checkout))
    with pytest.raises(Conflict, match="have not ended"):
        swarm.do(ops.DeleteSwarm(swarm_id=checkout, actor="tester"))

    swarm.cancel(task_id)
    swarm.do(ops.DeleteSwarm(swarm_id=checkout, actor="tester"))

    with pytest.raises(UnknownReference):
        swarm.file(requires=in_swarm(checkout))
    with pytest.raises(NotFound):
        swarm.pause_swarm(checkout)
    assert [record.spec.id for record in listed(swarm, checkout)] == [task_id], "what was done stays"


def listed(swarm: Driver, swarm_id: str) -> list[TaskRecord]:
    """The tasks of a swarm."""
    return swarm.engine.read(lambda q: q.list_tasks(TaskFilter(swarm_id=swarm_id), after=None, limit=10))


def test_given_a_worker_that_asks_for_a_swarm_when_it_registers_then_it_joins_unless_it_is_in_one(
    swarm: Driver,
) -> None:
    checkout, search = swarm.create_swarm("checkout"), swarm.create_swarm("search")
    ada = new_id()

    def register(swarm_id: str | None) -> str | None:
        swarm.instances[ada] = new_id()
        agent = AgentRecord(profile=AgentProfile(id=ada), name="ada", instance_id=swarm.instances[ada])
        done = swarm.do(ops.RegisterAgent(agent=agent, token=swarm.agent_token(ada), swarm_id=swarm_id))
        in_it: str | None = done.agent.profile.swarm_id
        return in_it

    assert [register(checkout), register(None), register(search)] == [checkout, checkout, checkout]
    swarm.leave(checkout, ada)
    with pytest.raises(UnknownReference):
        register("swarm-1")


def test_given_a_stopped_swarm_when_somebody_would_join_leave_or_delete_it_then_that_is_refused(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    checkout, search = swarm.create_swarm("checkout", ada), swarm.create_swarm("search")
    swarm.kill(checkout)

    for refused in (
        lambda: swarm.leave(checkout, ada),
        lambda: swarm.join(search, ada),
        lambda: swarm.join(checkout, bob),
        lambda: swarm.do(ops.DeleteSwarm(swarm_id=checkout, actor="tester")),
    ):
        with pytest.raises(Killed):
            refused()

    assert (swarm_of(swarm, ada), swarm_of(swarm, bob)) == (checkout, None)
    swarm.lift(checkout)
    assert swarm.join(search, ada)


def test_given_projects_when_a_swarm_gets_one_then_it_has_to_exist_and_can_be_taken_away(swarm: Driver) -> None:
    shop = ProjectRecord(id=new_id(), name="shop", repo_url="x")
    swarm.do(ops.CreateProject(project=shop, actor="tester"))
    checkout = swarm.create_swarm()

    def give(project_id: str) -> None:
        swarm.do(ops.ChangeSwarm(swarm_id=checkout, change=SwarmChange(project_id=project_id), actor="tester"))

    give(shop.id)
    with pytest.raises(UnknownReference):
        give(new_id())
    found = swarm.engine.read(lambda q: q.record(SWARMS, checkout))
    assert found is not None
    assert found.project_id == shop.id
    give("")
    assert told(swarm) == ["swarm.created", "swarm.changed", "swarm.changed"]


def test_given_what_happens_to_a_task_of_a_swarm_when_it_is_told_then_it_names_the_swarm(swarm: Driver) -> None:
    ada = swarm.register()
    checkout = swarm.create_swarm("checkout", ada)
    swarm.file()
    swarm.file(requires=in_swarm(checkout), priority=90)
    swarm.complete(swarm.take(ada))

    events = swarm.engine.read(lambda q: q.events_after(0, limit=100))

    named = [event.type for event in events if event.data.get("swarm") == checkout]
    assert named == [
        "swarm.created",
        "swarm.joined",
        "task.created",
        "task.claimed",
        "task.started",
        "task.completed",
    ]
