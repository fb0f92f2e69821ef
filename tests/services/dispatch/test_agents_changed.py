"""Agents that are stopped or described anew: their credits wait or move, and nobody else waits because of them."""

import pytest
from tests.services.dispatch.swarm import Swarm, Worker

from agent_swarm.services.dispatch import Dispatcher
from agent_swarm.store.operations import ChangeAgentProfile, CreateSwarm, SetSwarmMember, StartAgent, StopAgent
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio


async def stop(swarm: Swarm, worker: Worker) -> None:
    await swarm.store.apply(StopAgent(agent_id=worker.seat.agent.id, actor="operator"))


async def start(swarm: Swarm, worker: Worker) -> None:
    await swarm.store.apply(StartAgent(agent_id=worker.seat.agent.id, actor="operator"))


async def test_given_the_longest_idle_agent_stopped_when_tasks_come_then_the_other_gets_them_at_once(
    swarm: Swarm,
) -> None:
    ada, bob = await swarm.worker(credits=2), await swarm.worker(credits=2)
    await stop(swarm, ada)

    tasks = await swarm.create(2)
    await swarm.quiet()

    assert (ada.tasks, sorted(bob.tasks)) == ([], sorted(tasks))
    assert not ada.refusals
    assert len(swarm.store.claims) == 2


async def test_given_a_stopped_agent_with_work_for_it_when_it_is_started_then_its_credits_claim_it(
    swarm: Swarm,
) -> None:
    ada = await swarm.worker(credits=1)
    await stop(swarm, ada)
    tasks = await swarm.create(2)
    swarm.offer(ada)
    await swarm.quiet()
    assert (ada.tasks, swarm.store.claims) == ([], [])

    await start(swarm, ada)
    await swarm.quiet()

    assert sorted(ada.tasks) == sorted(tasks)


async def test_given_a_claim_under_way_when_its_agent_is_stopped_before_it_then_the_task_goes_to_another(
    swarm: Swarm,
) -> None:
    ada = await swarm.worker(credits=1)
    swarm.store.on_the_way_there = []
    [task] = await swarm.create()
    await swarm.quiet()
    assert len(swarm.store.claims) == 1
    await stop(swarm, ada)
    bob = await swarm.worker(credits=1)

    swarm.store.go_on()
    await swarm.quiet()

    assert (ada.tasks, bob.tasks) == ([], [task])
    assert not ada.refusals
    await start(swarm, ada)
    await swarm.create()
    await swarm.quiet()
    assert len(ada.tasks) == 1  # the credit was kept


async def test_given_a_stopped_agent_when_the_server_starts_anew_then_it_gets_nothing(swarm: Swarm) -> None:
    ada = await swarm.worker()
    await stop(swarm, ada)
    again = Dispatcher(swarm.store)
    await again.open()
    worker = Worker()
    worker.sit_down(again, await swarm.agent(agent_id=ada.seat.agent.id))
    again.offer(worker.seat, ["00000000-0000-7000-8000-00000000c1a1"])
    await swarm.create()
    await swarm.quiet()

    assert (worker.tasks, swarm.store.claims) == ([], [])
    again.close()


async def test_given_a_stopped_agent_when_its_credits_leave_or_it_registers_again_then_nothing_is_lost(
    swarm: Swarm,
) -> None:
    ada = await swarm.worker()
    kept, withdrawn = swarm.offer(ada, 2)
    await stop(swarm, ada)
    assert await swarm.dispatcher.withdraw(ada.seat.agent.id, [withdrawn]) == []
    swarm.dispatcher.describe(ada.seat.agent)
    await swarm.create(2)
    await swarm.quiet()
    assert swarm.dispatcher.waiting == 1

    await start(swarm, ada)
    await swarm.quiet()

    assert [claim.claim_id for claim in swarm.store.claims] == [kept]
    swarm.dispatcher.leave(ada.seat)


async def test_given_a_waiting_credit_when_people_give_its_agent_other_tags_then_it_claims_by_those(
    swarm: Swarm,
) -> None:
    ada = await swarm.worker(credits=1, tags=frozenset({"linux"}))
    [task] = await swarm.create(tags=frozenset({"gpu"}))
    await swarm.quiet()
    assert ada.tasks == []

    fields = {"tags": ("gpu",)}
    await swarm.store.apply(ChangeAgentProfile(agent_id=ada.seat.agent.id, expected=0, actor="operator", fields=fields))
    await swarm.until_claimed(task)
    await swarm.quiet()

    assert ada.tasks == [task]


async def test_given_an_agent_that_people_described_when_it_joins_a_swarm_then_it_gets_what_that_has_to_do(
    swarm: Swarm,
) -> None:
    ada = await swarm.worker(credits=1)
    me = ada.seat.agent.id
    change = ChangeAgentProfile(agent_id=me, expected=0, actor="operator", fields={"tags": ("gpu",)})
    await swarm.store.apply(change)
    await until(lambda: "gpu" in ada.seat.agent.tags)
    checkout = await swarm.store.apply(CreateSwarm(name="checkout", actor="operator"))

    joins = SetSwarmMember(swarm_id=checkout.id, agent_id=me, joins=True, actor="operator")
    await swarm.store.apply(joins)
    [task] = await swarm.create(swarm_id=checkout.id, tags=frozenset({"gpu"}))
    await swarm.until_claimed(task)
    await swarm.quiet()

    assert ada.tasks == [task]
