"""Workers and the kill switch: what they are sent, what they may still say, and how they come back."""

import asyncio

import pytest
from tests.server.pool.house import API_KEY, House, frame, hello, within

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.kill_switch import Activation
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.swarms import SwarmChange
from agent_swarm.protocol.pool import CLOSE_UNAUTHENTICATED, FrameType
from agent_swarm.store.families.switches import all_switches
from agent_swarm.store.operations import (
    ActivateKillSwitch,
    ChangeSwarm,
    CreateSwarm,
    LiftKillSwitch,
    SetSwarmMember,
)
from agent_swarm.testing.driver import scope_of
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio


async def kill(house: House, agent_id: str = "") -> str:
    """Use the switch; answers the activation."""
    asked = Activation(id=new_id(), reason="enough", by="operator")
    await house.store.apply(ActivateKillSwitch(scope=scope_of(agent_id), scope_id=agent_id, asked=asked))
    return asked.id


async def lift(house: House, agent_id: str = "", *, resume: bool = False) -> None:
    scope = scope_of(agent_id)
    await house.store.apply(LiftKillSwitch(scope=scope, scope_id=agent_id, by="operator", resume=resume))


async def test_given_a_running_attempt_when_the_switch_is_used_then_the_kill_comes_first_and_usage_still_counts(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await peer.credit(1)
    task_id = await house.create()
    claim = await peer.run()

    activation = await kill(house)

    order = await within(peer.kills.get())
    assert (order.activation, order.scope, order.reason) == (activation, "all", "enough")
    command = await within(peer.commands.get())  # for workers that do not know the kill
    assert (command.kind, command.task_id, command.fence) == ("cancel", task_id, claim.fence)
    assert peer.order.index("kill") < peer.order.index("command")
    usage = {"task_id": task_id, "fence": claim.fence, "attempt": 1, "seq": 0, "input_tokens": 5}
    assert await peer.request("usage", **usage) == {"booked": True}
    lease = {"task_id": task_id, "fence": claim.fence}
    assert (await peer.request("heartbeat", leases=[lease]))["leases"][0]["status"] == "stale"
    assert (await peer.refused("complete", **lease))["code"] == "staleLease"


async def test_given_a_kill_when_its_worker_confirms_then_it_is_waited_for_no_longer(house: House) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    await peer.credit(1)
    await house.create()
    await peer.run()
    activation = await kill(house)
    [switch] = await house.store.read(all_switches)
    assert dict(switch.awaited) == {worker.agent_id: 1}

    assert await peer.request("killed", activation=activation, runs=1) == {}
    assert await peer.request("killed", activation=activation, runs=1) == {}

    [switch] = await house.store.read(all_switches)
    assert dict(switch.awaited) == {}


async def test_given_the_switch_is_on_when_a_worker_comes_in_then_it_hears_of_it_before_its_greeting_is_answered(
    house: House,
) -> None:
    await kill(house)

    peer = await house.connect(await house.register())

    assert peer.order == ["kill", "reply"]


async def test_given_the_switch_is_on_when_a_worker_polls_then_it_hears_of_it_with_the_answer(house: House) -> None:
    worker = await house.register()
    await kill(house)
    assert (await house.post("poll", {"frames": []}, token=worker.token)).status_code == 401
    again = await house.register(agent_id=worker.agent_id, instance_id=worker.instance_id)

    frames = await house.poll(again, frame("hello", **hello(again)))

    assert [one.type for one in frames] == [FrameType.REPLY, FrameType.KILL]


async def test_given_a_waiting_poll_when_the_switch_is_used_then_it_ends_with_the_kill(house: House) -> None:
    worker = await house.register()
    await house.poll(worker, frame("hello", **hello(worker)))
    waiting = asyncio.create_task(house.poll(worker, wait=20))
    await until(lambda: house.pool.dispatcher.seats_of(worker.agent_id))

    await kill(house)

    assert FrameType.KILL in [one.type for one in await within(waiting)]


async def test_given_credits_when_the_switch_is_on_then_they_wait_and_are_answered_after_it_is_lifted(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    task_id = await house.create()
    await kill(house)
    [claim_id] = await peer.credit(1)
    await peer.request("heartbeat")
    assert peer.claims.empty()

    await lift(house)

    assert await peer.closed() == CLOSE_UNAUTHENTICATED
    assert not await house.is_known(worker.token)
    again = await house.register(agent_id=worker.agent_id, instance_id=worker.instance_id)
    back = await house.connect(again, claim_ids=[claim_id])
    claim = await back.claim()
    assert (claim.task_id, claim.claim_id) == (task_id, claim_id)
    assert await house.is_known(claim.token)


async def test_given_two_agents_when_one_is_stopped_then_the_other_hears_nothing_and_goes_on(house: House) -> None:
    first, second = await house.register(), await house.register()
    one, other = await house.connect(first), await house.connect(second)

    await kill(house, first.agent_id)

    await within(one.kills.get())
    await other.credit(1)
    task_id = await house.create()
    assert (await other.claim()).task_id == task_id
    assert other.kills.empty()
    assert await house.is_known(second.token)
    assert not await house.is_known(first.token)
    await lift(house, first.agent_id)
    assert await one.closed() == CLOSE_UNAUTHENTICATED
    await other.request("heartbeat")


async def make_swarm(house: House, *agents: str) -> str:
    """A swarm with these agents; answers its id."""
    made = await house.store.apply(CreateSwarm(name="checkout", actor="operator"))
    for agent_id in agents:
        await house.store.apply(SetSwarmMember(swarm_id=made.id, agent_id=agent_id, joins=True, actor="operator"))
    return made.id


async def test_given_a_connected_agent_when_it_joins_or_leaves_a_swarm_then_it_comes_back_as_what_it_is(
    house: House,
) -> None:
    worker = await house.register()
    peer = await house.connect(worker)
    swarm_id = await make_swarm(house, worker.agent_id)
    assert await peer.closed() == CLOSE_UNAUTHENTICATED

    again = await house.register(agent_id=worker.agent_id, instance_id=worker.instance_id)
    back = await house.connect(again)
    await back.credit(1)
    task_id = await house.create(requires=Requirements(swarm_id=swarm_id))

    assert (await back.claim()).task_id == task_id


async def test_given_a_swarm_when_it_is_stopped_then_its_agents_hear_of_it_and_come_back_when_it_is_lifted(
    house: House,
) -> None:
    inside, outside = await house.register(), await house.register()
    swarm_id = await make_swarm(house, inside.agent_id)
    one, other = await house.connect(inside), await house.connect(outside)
    await one.credit(1)
    await house.create(requires=Requirements(swarm_id=swarm_id))
    await one.run()

    activation = await kill(house, swarm_id)

    order = await within(one.kills.get())
    assert (order.activation, order.scope) == (activation, "swarm")
    assert await one.request("killed", activation=activation, runs=1) == {}
    [switch] = await house.store.read(all_switches)
    assert dict(switch.awaited) == {}
    await other.credit(1)
    free = await house.create()
    assert (await other.claim()).task_id == free
    assert other.kills.empty()
    late = await house.connect(await house.register(agent_id=inside.agent_id, instance_id=inside.instance_id))
    assert late.order[0] == "kill"
    await lift(house, swarm_id)
    assert await late.closed() == CLOSE_UNAUTHENTICATED
    await other.request("heartbeat")


async def test_given_a_paused_swarm_when_it_goes_on_then_a_waiting_credit_is_answered(house: House) -> None:
    worker = await house.register()
    swarm_id = await make_swarm(house, worker.agent_id)
    peer = await house.connect(worker)
    await change(house, swarm_id, paused=True)
    task_id = await house.create(requires=Requirements(swarm_id=swarm_id))
    await peer.credit(1)
    await peer.request("heartbeat")
    assert peer.claims.empty()

    await change(house, swarm_id, paused=False)

    assert (await peer.claim()).task_id == task_id


async def change(house: House, swarm_id: str, *, paused: bool) -> None:
    """Pause a swarm, or have it go on."""
    asked = ChangeSwarm(swarm_id=swarm_id, change=SwarmChange(paused=paused), actor="operator")
    await house.store.apply(asked)


async def test_given_a_worker_that_asks_for_a_swarm_when_it_registers_then_it_is_in_there(house: House) -> None:
    swarm_id = await make_swarm(house)
    asked = {"agent_id": new_id(), "instance_id": new_id(), "name": "ada", "swarm": "checkout"}

    answer = await house.post("register", asked, token=API_KEY)
    refused = await house.post("register", {**asked, "agent_id": new_id(), "swarm": "no"}, token=API_KEY)

    assert (answer.status_code, answer.json()["swarm_id"]) == (200, swarm_id)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unknownReference")
    by_itself = await house.post("register", asked, token=answer.json()["token"])
    assert by_itself.status_code == 403, "a worker's own token joins nothing"
