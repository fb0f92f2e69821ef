"""Idle agents are woken for messages: once, for what is theirs alone or mentions them, and not in circles."""

from pathlib import Path
from typing import Any

import pytest
from tests.server.world import Claim, RegisteredAgent, World, opened

from agent_swarm.domain.budgets import NO_CAPS
from agent_swarm.server.waking import Waking
from agent_swarm.store.families.mailing import NoteDelivery

pytestmark = pytest.mark.anyio


async def conversations(world: World) -> list[Any]:
    """The tasks that were made to wake agents, after a look at who is called."""
    await Waking(world.store, NO_CAPS).run_once()
    return list((await world.get("/api/tasks?tag=conversation"))["tasks"])


async def say(world: World, to: RegisteredAgent, text: str = "hello", token: str | None = None) -> Any:
    """A direct message."""
    options = {} if token is None else {"token": token}
    return await world.post("/api/messages", {"to": [to.id], "text": text}, **options)


async def note(world: World, agent: RegisteredAgent, claim: Claim, *ids: str) -> None:
    """The agent's worker says that the agent has these messages."""
    had = NoteDelivery(agent_id=agent.id, task_id=claim.task_id, fence=claim.fence, acknowledged=ids)
    await world.store.apply(had)


async def test_given_an_idle_agent_when_it_gets_messages_then_one_task_wakes_it_for_all(world: World) -> None:
    ada = await world.register("ada")
    for number in range(5):
        await say(world, ada, str(number))
        assert len(await conversations(world)) == 1

    (task,) = await conversations(world)

    assert (task["title"], task["requires"]["agentId"]) == ("Messages for ada", ada.id)
    assert (await world.claim(ada)).task_id == task["id"]


async def test_given_a_broadcast_when_it_mentions_one_then_only_that_one_is_woken(world: World) -> None:
    ada, _ = await world.register("ada"), await world.register("bob")

    await world.post("/api/messages", {"broadcast": True, "text": "a freeze begins"})
    assert await conversations(world) == []
    await world.post("/api/messages", {"broadcast": True, "text": "@ada hold it"})

    assert [task["title"] for task in await conversations(world)] == ["Messages for ada"]
    assert (await conversations(world))[0]["requires"]["agentId"] == ada.id


async def test_given_a_busy_agent_when_it_is_written_to_then_it_is_woken_after_its_task_unless_it_had_it(
    world: World,
) -> None:
    ada = await world.register("ada")
    await world.file("work", agentId=ada.id)
    claim = await world.take(ada)
    had, waits = await say(world, ada), await say(world, ada)
    await note(world, ada, claim, had["id"])
    assert await conversations(world) == []

    await world.complete(claim)

    assert len(await conversations(world)) == 1
    await note(world, ada, await world.claim(ada), waits["id"])
    assert len(await conversations(world)) == 1


async def test_given_a_conversation_that_failed_when_nothing_new_came_then_the_agent_is_left_alone(
    world: World,
) -> None:
    ada = await world.register("ada")
    await say(world, ada)
    await conversations(world)
    await world.fail(await world.take(ada))

    assert len(await conversations(world)) == 1
    await say(world, ada)
    assert len(await conversations(world)) == 2


async def test_given_two_agents_that_answer_each_other_when_it_goes_on_then_it_ends_at_the_most_hops(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, message_hops=3) as world:
        ada, bob = await world.register("ada"), await world.register("bob")
        said = await say(world, ada)
        hops, turn = [said["hops"]], (ada, bob)
        while True:
            before = len(await conversations(world))
            if before != len(hops):
                break
            claim = await world.take(turn[0])
            await note(world, turn[0], claim, said["id"])
            said = await say(world, turn[1], "and you?", token=claim.token)
            hops.append(said["hops"])
            await world.complete(claim)
            turn = turn[::-1]

    assert hops == [0, 1, 2, 3, 4]


async def test_given_everything_is_stopped_when_somebody_is_called_then_no_task_is_made_until_it_is_lifted(
    world: World,
) -> None:
    ada = await world.register("ada")
    await say(world, ada)
    await world.post("/api/kill-switch")
    before = len((await world.get("/api/tasks"))["tasks"])

    await Waking(world.store, NO_CAPS).run_once()

    assert len((await world.get("/api/tasks"))["tasks"]) == before
