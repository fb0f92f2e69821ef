"""Agents take tasks of the queue of their own accord, and give back what they run, by the tool `task-action`."""

from typing import Any

import pytest
from tests.server.mcp.speaking import refuses, says
from tests.server.world import Claim, RegisteredAgent, World

from agent_swarm.domain.commands import RequestPause
from agent_swarm.domain.errors import StaleLease
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.tasks import PauseReason
from agent_swarm.store.operations import RunTimers

pytestmark = pytest.mark.anyio


async def working(world: World, name: str = "ada", **options: Any) -> tuple[RegisteredAgent, Claim]:
    """An agent that runs a task of its own."""
    agent = await world.register(name, **options)
    await world.file(agentId=agent.id)
    return agent, await world.take(agent)


def claiming(task_id: str) -> dict[str, str]:
    return {"taskId": task_id, "action": "claim"}


@pytest.mark.parametrize("role", [AgentRole.LEAD, AgentRole.WORKER])
async def test_given_a_task_of_the_queue_when_an_agent_claims_it_then_its_worker_gets_it_and_nobody_else(
    world: World, role: AgentRole
) -> None:
    ada, run = await working(world, role=role, slots=2)
    other = await world.register("other")
    task_id = await world.file()

    for _ in range(2):  # once more changes nothing
        assert (await says(world, "task-action", claiming(task_id), token=run.token))["status"] == "pending"

    with pytest.raises(AssertionError, match="nothing to claim"):
        await world.claim(other)
    assert (await world.take(ada)).task_id == task_id
    [offer] = (await world.get(f"/api/tasks/{task_id}"))["offers"]
    assert (offer["agentId"], offer["status"], offer["settledBy"]) == (ada.id, "accepted", f"agent:{ada.id}")


async def test_given_an_agent_without_room_when_it_claims_then_it_is_refused_and_the_task_is_for_all(
    world: World,
) -> None:
    other = await world.register("other")
    _, run = await working(world, slots=1)
    _, two = await working(world, "bob", slots=2)
    first, second = await world.file(), await world.file()
    await says(world, "task-action", claiming(first), token=two.token)

    full = await refuses(world, "task-action", claiming(second), token=run.token)
    awaited = await refuses(world, "task-action", claiming(second), token=two.token)

    assert (full["code"], awaited["code"]) == ("cannotTake", "cannotTake")
    assert "it runs 1 of at most 1 tasks" in full["message"]
    assert "another task that waits for it" in awaited["message"]
    assert (await world.take(other)).task_id == second


async def test_given_what_is_not_for_it_when_an_agent_claims_it_then_it_is_refused(world: World) -> None:
    _, run = await working(world, slots=2)
    other = await world.register("other")
    cases = {
        await world.file(agentId=other.id): "cannotTake",
        await world.file(requires={"tags": ["gpu"]}): "cannotTake",
        await world.file(backlog=True): "illegalTransition",
        run.task_id: "illegalTransition",
        new_id(): "unknownTask",
    }
    for task_id, code in cases.items():
        assert (await refuses(world, "task-action", claiming(task_id), token=run.token))["code"] == code
    people = await refuses(world, "task-action", claiming(await world.file()))
    assert (people["code"], people["hint"]) == ("denied", "offer it to an agent: agent-swarm task offer")


async def test_given_an_agent_that_is_offline_when_it_claims_then_it_is_refused(world: World) -> None:
    ada, run = await working(world, slots=2)
    task_id = await world.file()
    await world.sign_off(ada)

    assert "is offline" in (await refuses(world, "task-action", claiming(task_id), token=run.token))["message"]


async def test_given_a_run_when_its_agent_gives_the_task_back_then_others_get_it_a_little_later(world: World) -> None:
    _, run = await working_on_any(world)
    bob = await world.register("bob")
    told = {"taskId": run.task_id, "action": "release", "reason": f"not mine; {run.token}"}

    for _ in range(2):  # once more changes nothing
        assert (await says(world, "task-action", told, token=run.token))["status"] == "running"
    await world.pause(run, PauseReason.PERSON)

    task = await world.get(f"/api/tasks/{run.task_id}")
    assert (task["status"], task["failures"], task["pauseReason"]) == ("pending", 0, None)
    explained = await world.get(f"/api/tasks/{run.task_id}/explain")
    assert [reason["code"] for reason in explained["reasons"]] == ["givenBack"]
    world.clock.advance(1.0)
    await world.store.apply(RunTimers(jitter=0.0))
    again = await world.take(bob)
    assert (again.task_id, again.attempt) == (run.task_id, 2)
    events = (await world.get(f"/api/events?taskId={run.task_id}&limit=200"))["events"]
    [asked] = [event["data"] for event in events if event["type"] == "task.pauseRequested"]
    assert asked["reason"] == "release" and asked["note"].startswith("not mine; ") and run.token not in asked["note"]


async def test_given_a_task_of_somebody_else_when_an_agent_gives_it_back_then_it_is_denied(world: World) -> None:
    _, run = await working(world)
    _, other = await working(world, "other")
    told = {"taskId": other.task_id, "action": "release"}

    for token in ({"token": run.token}, {}):
        assert (await refuses(world, "task-action", told, **token))["code"] == "denied"
    assert (await world.get(f"/api/tasks/{other.task_id}"))["status"] == "running"


async def test_given_an_attempt_that_is_over_when_it_gives_the_task_back_then_the_next_one_goes_on(
    world: World,
) -> None:
    ada, run = await working(world)
    await world.pause(run)
    await world.post(f"/api/tasks/{run.task_id}/resume")
    again = await world.take(ada)

    with pytest.raises(StaleLease):
        await world.command(RequestPause(task_id=run.task_id, reason=PauseReason.RELEASE, fence=run.fence))
    assert again.attempt == 2 and (await world.get(f"/api/tasks/{run.task_id}"))["status"] == "running"


async def working_on_any(world: World) -> tuple[RegisteredAgent, Claim]:
    """An agent that runs a task which any could run."""
    agent = await world.register("ada")
    await world.file()
    return agent, await world.take(agent)
