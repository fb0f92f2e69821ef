"""Workers and the kill switch: what they are sent, what they may still say, and how they come back."""

import asyncio

import pytest
from tests.server.pool.house import House, frame, hello, within

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.kill_switch import Activation, SwitchScope
from agent_swarm.protocol.pool import CLOSE_UNAUTHENTICATED, FrameType
from agent_swarm.store.families.switches import all_switches
from agent_swarm.store.operations import ActivateKillSwitch, LiftKillSwitch
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio


async def kill(house: House, agent_id: str = "") -> str:
    """Use the switch; answers the activation."""
    asked = Activation(id=new_id(), reason="enough", by="operator")
    scope = SwitchScope.AGENT if agent_id else SwitchScope.ALL
    await house.store.apply(ActivateKillSwitch(scope=scope, scope_id=agent_id, asked=asked))
    return asked.id


async def lift(house: House, agent_id: str = "", *, resume: bool = False) -> None:
    scope = SwitchScope.AGENT if agent_id else SwitchScope.ALL
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
