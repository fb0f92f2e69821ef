"""Agents below agents on every store: who may be there, what they may do, and what a stop of one does to all."""

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.agent_tree import DEEPEST, AgentCaps
from agent_swarm.domain.errors import (
    AgentStopped,
    CapReached,
    Conflict,
    Denied,
    Killed,
    NotFound,
    UnknownReference,
)
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentProfile, AgentRole, Requirements
from agent_swarm.domain.permissions import BUILT_IN, FULL, OFFLINE, READ_ONLY, Profiles
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.store import operations as ops
from agent_swarm.store.records import AgentRecord
from agent_swarm.testing.driver import Driver

ABLE = ("enforces.files", "enforces.network")


def told(swarm: Driver, kind: str) -> list[str]:
    """Whom events of this type are about, in order."""
    return [one.subject_id for one in swarm.engine.read(lambda q: q.events_after(0, limit=1_000)) if one.type == kind]


def test_given_a_running_agent_when_it_is_stopped_then_its_task_goes_to_another_one_and_it_gets_nothing(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    first = swarm.file()
    held = swarm.take(ada)
    swarm.advance(0.001)  # tasks of one millisecond have no order
    second = swarm.file()

    stopped = swarm.stop(ada)

    assert (stopped.agents, stopped.interrupted) == ((ada,), (first,))
    assert [verdict.wants for verdict in swarm.beat(ada, held)] == ["pause"]
    swarm.pause(held, PauseReason.PERSON)
    state = swarm.state(first)
    assert (state.status, state.ready, state.failures, state.losses) == (TaskStatus.PENDING, True, 0, 0)
    with pytest.raises(AgentStopped, match="enough"):
        swarm.claim(ada)
    assert [swarm.take(bob).task_id for _ in range(2)] == [first, second]


def test_given_a_stopped_agent_when_it_is_started_then_it_claims_again(swarm: Driver) -> None:
    ada = swarm.register("ada")
    swarm.stop(ada)
    task_id = swarm.file()

    assert swarm.let_work(ada).agents == (ada,)

    assert swarm.take(ada).task_id == task_id
    assert (swarm.stop(ada).agents, swarm.stop(ada).agents) == ((ada,), ())
    assert (told(swarm, "agent.stopped"), told(swarm, "agent.started")) == ([ada, ada], [ada])


def test_given_a_stop_and_a_claim_in_one_batch_when_it_is_applied_then_the_stop_comes_first(swarm: Driver) -> None:
    ada = swarm.register("ada")
    task_id = swarm.file()

    claimed, stopped = swarm.run(swarm.claim_operation(ada), ops.StopAgent(agent_id=ada, actor="tester"))

    assert isinstance(claimed, AgentStopped)
    assert stopped.agents == (ada,)
    assert swarm.state(task_id).ready


def test_given_a_stopped_agent_whose_worker_is_gone_when_its_lease_lapses_then_others_get_the_task(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file()
    held = swarm.take(ada)
    swarm.stop(ada)

    swarm.advance(31)
    swarm.timers()

    assert swarm.state(held.task_id).losses == 1
    assert swarm.take(bob).task_id == held.task_id


def test_given_a_pause_by_a_person_when_the_agent_is_stopped_too_then_the_task_waits_for_a_person(
    swarm: Driver,
) -> None:
    ada = swarm.register("ada")
    swarm.file()
    held = swarm.take(ada)
    swarm.stop(ada)
    swarm.command(commands.RequestPause(task_id=held.task_id))

    swarm.pause(held)

    state = swarm.state(held.task_id)
    assert (state.status, state.pause_reason) == (TaskStatus.PAUSED, PauseReason.PERSON)


def test_given_a_stopped_agent_when_its_worker_comes_back_then_it_is_stopped_still(swarm: Driver) -> None:
    ada = swarm.register("ada")
    swarm.file()
    held = swarm.take(ada)
    swarm.pause(held)  # for a shutdown: it goes on with the same agent
    swarm.stop(ada)

    swarm.register("ada", agent_id=ada)

    assert swarm.agent(ada).is_stopped
    assert swarm.state(held.task_id).status is TaskStatus.PAUSED  # until the pin is over: then for others
    with pytest.raises(AgentStopped):
        swarm.claim(ada)


def test_given_a_tree_when_its_root_is_stopped_with_all_below_then_each_is_and_who_comes_later_is_born_so(
    swarm: Driver,
) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD)
    child = swarm.introduce("child", below=lead).profile.id
    grandchild = swarm.introduce("grandchild", below=child).profile.id
    other = swarm.register("other")
    for agent_id in (child, grandchild):
        swarm.register("at work", agent_id=agent_id)
        swarm.file(requires=Requirements(agent_id=agent_id))
    held = [swarm.take(agent_id) for agent_id in (child, grandchild)]

    stopped = swarm.stop(lead, recursive=True)

    assert set(stopped.agents) == {lead, child, grandchild}
    assert set(stopped.interrupted) == {one.task_id for one in held}
    assert not swarm.agent(other).is_stopped
    late = swarm.introduce("late", below=grandchild)
    assert (late.is_stopped, late.depth) == (True, 3)
    assert told(swarm, "agent.stopped")[-1] == late.profile.id
    assert set(swarm.let_work(lead, recursive=True).agents) == {*stopped.agents, late.profile.id}


def test_given_a_tree_when_only_its_root_is_stopped_then_those_below_go_on(swarm: Driver) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD)
    child = swarm.introduce(below=lead).profile.id
    swarm.register("child", agent_id=child)
    swarm.file()

    swarm.stop(lead)

    assert swarm.take(child)


def test_given_an_agent_and_its_introduction_below_in_the_batch_of_a_stop_then_it_is_stopped(swarm: Driver) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD)
    agent = AgentRecord(profile=AgentProfile(id=new_id()), name="child", instance_id=new_id(), parent_id=lead)

    _, stopped = swarm.run(
        ops.AddAgent(agent=agent, actor="tester"), ops.StopAgent(agent_id=lead, actor="tester", recursive=True)
    )

    assert stopped.agents == (lead, agent.profile.id)


def test_given_a_stop_by_a_person_when_an_agent_starts_it_then_it_is_refused_and_passed_over_below(
    swarm: Driver,
) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD)
    child = swarm.introduce("child", below=lead).profile.id
    grandchild = swarm.introduce("grandchild", below=child).profile.id
    me = f"agent:{lead}"
    swarm.stop(grandchild)
    swarm.stop(child, actor=me)

    assert swarm.let_work(child, recursive=True, actor=me).agents == (child,)
    with pytest.raises(Denied, match="not for agents to start"):
        swarm.let_work(grandchild, actor=me)
    assert swarm.let_work(grandchild).agents == (grandchild,)


def test_given_a_stop_by_an_agent_when_a_person_stops_it_as_well_then_no_agent_starts_it(swarm: Driver) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD)
    child = swarm.introduce("child", below=lead).profile.id
    me = f"agent:{lead}"
    swarm.stop(child, actor=me)

    assert swarm.stop(lead, recursive=True).agents == (lead, child)

    with pytest.raises(Denied, match="not for agents to start"):
        swarm.let_work(child, actor=me)
    assert swarm.stop(child, actor=me).agents == ()  # and it stays a person's


def test_given_caps_when_agents_introduce_agents_then_no_more_and_no_deeper_than_they_say(swarm: Driver) -> None:
    caps = AgentCaps(depth=2, children=2)
    lead = swarm.register("lead", role=AgentRole.LEAD)
    first = swarm.introduce("first", below=lead, caps=caps)
    swarm.introduce("second", below=lead, caps=caps)

    assert swarm.introduce("first", below=lead, caps=caps) == first  # again
    with pytest.raises(CapReached, match="may introduce 2 agents"):
        swarm.introduce("third", below=lead, caps=caps)
    below = swarm.introduce("below", below=first.profile.id, caps=caps)
    with pytest.raises(CapReached, match="2 levels deep"):
        swarm.introduce("too deep", below=below.profile.id, caps=caps)
    assert swarm.introduce("third", below=lead).depth == 1  # people are not capped


def test_given_a_chain_that_people_make_when_it_is_too_deep_for_anybody_then_it_ends(swarm: Driver) -> None:
    above = swarm.register("lead")
    for _ in range(DEEPEST):
        above = swarm.introduce(below=above).profile.id

    with pytest.raises(Conflict, match="levels deep"):
        swarm.introduce(below=above)
    assert len(swarm.stop(told(swarm, "agent.registered")[0], recursive=True).agents) == DEEPEST + 1


def test_given_agents_that_nobody_knows_when_they_are_named_then_that_is_refused(swarm: Driver) -> None:
    with pytest.raises(UnknownReference):
        swarm.introduce(below=new_id())
    for act in (swarm.stop, swarm.let_work):
        with pytest.raises(NotFound):
            act(new_id())


def test_given_an_agent_when_its_profile_is_narrowed_then_so_is_that_of_those_below_that_may_more(
    swarm: Driver,
) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD, capabilities=ABLE)
    wide = swarm.introduce("wide", below=lead).profile.id
    narrow = swarm.introduce("narrow", below=lead, permissions="read-only").profile.id
    below = swarm.introduce("below", below=wide).profile.id

    swarm.do(ops.SetAgentPermissions(agent_id=lead, profile=OFFLINE, actor="tester"))

    assert [swarm.agent(one).permissions for one in (wide, narrow, below)] == ["offline", "offline", "offline"]


def test_given_an_agent_below_another_when_it_is_given_more_than_that_one_has_then_that_is_refused(
    swarm: Driver,
) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD, capabilities=ABLE)
    swarm.do(ops.SetAgentPermissions(agent_id=lead, profile=OFFLINE, actor="tester"))

    child = swarm.introduce(below=lead)
    assert child.permissions == "offline"
    with pytest.raises(Denied, match="allows more"):
        swarm.introduce("greedy", below=lead, permissions="full")
    swarm.register("child", agent_id=child.profile.id, capabilities=ABLE)
    with pytest.raises(Denied, match="allows more"):
        swarm.do(ops.SetAgentPermissions(agent_id=child.profile.id, profile=FULL, actor="tester"))
    taken = swarm.do(ops.SetAgentPermissions(agent_id=child.profile.id, profile=None, actor="tester"))
    assert taken.permissions == "offline"  # what is usual would be more


def test_given_a_default_for_workers_that_is_wider_than_a_leads_when_it_introduces_one_then_it_gets_the_leads(
    swarm: Driver,
) -> None:
    profiles = Profiles(by_name=BUILT_IN, worker="full", lead="read-only")
    lead = swarm.register("lead", role=AgentRole.LEAD, capabilities=ABLE)
    agent = AgentRecord(profile=AgentProfile(id=new_id()), name="child", instance_id=new_id(), parent_id=lead)

    added = swarm.do(ops.AddAgent(agent=agent, actor="tester", profiles=profiles))

    assert added.agent.permissions == READ_ONLY.name


def test_given_an_agent_that_is_introduced_for_a_swarm_then_it_is_in_there_and_its_worker_chooses_no_other(
    swarm: Driver,
) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD)
    checkout, search = swarm.create_swarm("checkout", lead), swarm.create_swarm("search")

    child = swarm.introduce("tester", below=lead, caps=AgentCaps(), swarm_id=checkout)

    assert child.profile.swarm_id == checkout
    assert swarm.agent(child.profile.id) == child
    joined = swarm.engine.read(lambda q: [one for one in q.events_after(0, limit=99) if one.type == "swarm.joined"])
    assert [(one.subject_id, one.data["agentId"]) for one in joined][-1] == (checkout, child.profile.id)
    agent = AgentRecord(profile=AgentProfile(id=child.profile.id), name="host-7", instance_id=new_id())
    swarm.instances[child.profile.id] = agent.instance_id
    token = swarm.agent_token(child.profile.id)
    done = swarm.do(ops.RegisterAgent(agent=agent, token=token, swarm_id=search))
    assert (done.agent.profile.swarm_id, done.agent.name, done.agent.parent_id) == (checkout, "tester", lead)


def test_given_a_name_that_is_known_outside_when_it_is_introduced_for_a_swarm_then_another_agent_is(
    swarm: Driver,
) -> None:
    caps = AgentCaps()
    lead = swarm.register("lead", role=AgentRole.LEAD)
    checkout = swarm.create_swarm("checkout", lead)
    outside = swarm.introduce("tester", below=lead, caps=caps)
    inside = swarm.introduce("tester", below=lead, caps=caps, swarm_id=checkout)

    assert (outside.profile.swarm_id, inside.profile.swarm_id) == (None, checkout)
    again = [swarm.introduce("tester", below=lead, caps=caps, swarm_id=one) for one in (checkout, None)]
    assert {one.profile.id for one in again} <= {inside.profile.id, outside.profile.id}
    assert again[0] == inside


def test_given_a_swarm_that_is_gone_or_stopped_when_an_agent_is_introduced_for_it_then_that_is_refused(
    swarm: Driver,
) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD)
    checkout, search = swarm.create_swarm("checkout", lead), swarm.create_swarm("search")
    swarm.do(ops.DeleteSwarm(swarm_id=search, actor="tester"))
    swarm.kill(checkout)
    for swarm_id, refusal in ((checkout, Killed), (search, UnknownReference)):
        with pytest.raises(refusal):
            swarm.introduce("tester", below=lead, swarm_id=swarm_id)


def test_given_a_stopped_agent_with_a_profile_in_a_paused_swarm_when_it_asks_then_it_gets_what_all_three_leave(
    swarm: Driver,
) -> None:
    ada = swarm.register("ada", tags=("gpu",))
    checkout = swarm.create_swarm("checkout", ada)
    for needs in (Requirements(swarm_id=checkout), Requirements(tags=frozenset({"gpu"})), Requirements()):
        swarm.file(requires=needs, priority=90 if needs.swarm_id or needs.tags else 50)
    swarm.do(ops.ChangeAgentProfile(agent_id=ada, expected=0, actor="tester", fields={"tags": ()}))
    swarm.pause_swarm(checkout)
    swarm.stop(ada)

    with pytest.raises(AgentStopped):
        swarm.claim(ada)
    swarm.let_work(ada)

    claimed = swarm.take(ada)
    assert swarm.task(claimed.task_id).spec.requires == Requirements()
    assert swarm.claim(ada) is None
    swarm.pause_swarm(checkout, paused=False)
    assert swarm.task(swarm.take(ada).task_id).spec.swarm_id == checkout
    assert swarm.agent(ada).profile.swarm_id == checkout
