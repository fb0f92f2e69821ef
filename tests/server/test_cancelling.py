"""Cancelling with everything below: all of it, nothing else, and also what is filed meanwhile."""

import asyncio

import pytest
from tests.server.mcp.speaking import refuses, says
from tests.server.world import World

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole

pytestmark = pytest.mark.anyio


async def statuses(world: World, *task_ids: str) -> list[str]:
    """How they stand."""
    return [(await world.get(f"/api/tasks/{one}"))["status"] for one in task_ids]


async def test_given_a_tree_when_a_branch_of_it_is_cancelled_then_that_branch_ends_and_the_rest_goes_on(
    world: World,
) -> None:
    root = await world.file("root")
    branch, other = [await world.file(name, parentTaskId=root) for name in ("branch", "other")]
    leaf = await world.file("leaf", parentTaskId=branch)
    twig = await world.file("twig", parentTaskId=leaf)
    stranger = await world.file("stranger")

    said = await world.post(f"/api/tasks/{branch}/cancel", {"recursive": True, "reason": "enough"})

    assert said["status"] == "cancelled"
    assert await statuses(world, branch, leaf, twig) == ["cancelled"] * 3
    assert await statuses(world, root, other, stranger) == ["pending"] * 3


async def test_given_a_task_that_has_ended_when_it_is_cancelled_with_all_below_then_what_is_open_below_ends(
    world: World,
) -> None:
    agent = await world.register("ada")
    root = await world.file("root", agentId=agent.id)
    child = await world.file("child", parentTaskId=root)
    grandchild = await world.file("grandchild", parentTaskId=child)
    await world.complete(await world.take(agent))
    await world.post(f"/api/tasks/{child}/cancel")
    assert (await world.call("POST", f"/api/tasks/{root}/cancel", json={})).status_code == 409

    said = await world.post(f"/api/tasks/{root}/cancel", {"recursive": True})

    assert said["status"] == "completed"
    assert await statuses(world, child, grandchild) == ["cancelled", "cancelled"]


async def test_given_several_pages_of_tasks_when_they_are_cancelled_then_none_is_left(world: World) -> None:
    root = await world.file("root")
    for _ in range(3):
        tasks = [{"prompt": "x", "parentTaskId": root} for _ in range(100)]
        await world.post("/api/tasks/batch", {"tasks": tasks})
    await world.post(f"/api/tasks/{root}/cancel", {"recursive": True})
    assert (await world.get("/api/overview"))["tasks"]["cancelled"] == 301


async def test_given_a_lead_that_files_on_when_its_task_is_cancelled_with_all_below_then_nothing_is_left_open(
    world: World,
) -> None:
    lead = await world.register("lead", role=AgentRole.LEAD)
    root = await world.file("root", agentId=lead.id)
    claim = await world.take(lead)

    async def file_on() -> None:
        while True:
            sent = {"tasks": [{"prompt": "more"}]}
            answer = await world.call("POST", "/api/tasks/batch", json=sent, token=claim.token)
            if answer.status_code in (401, 403, 409):
                return

    filing = asyncio.ensure_future(file_on())
    await asyncio.sleep(0)
    await world.post(f"/api/tasks/{root}/cancel", {"recursive": True})
    async with asyncio.timeout(10):
        await filing
    told = (await world.get("/api/overview"))["tasks"]
    assert {status for status, number in told.items() if number} == {"cancelled"}


async def test_given_a_lead_when_it_cancels_with_all_below_then_only_below_its_own_task(world: World) -> None:
    lead = await world.register("lead", role=AgentRole.LEAD)
    await world.file("root", agentId=lead.id)
    claim = await world.take(lead)
    child = (await says(world, "send-task", {"tasks": [{"prompt": "x"}]}, token=claim.token))["tasks"][0]["id"]
    grandchild = await world.file("deeper", parentTaskId=child)
    said = await says(world, "cancel-task", {"taskId": child, "recursive": True}, token=claim.token)
    assert said["status"] == "cancelled"
    assert await statuses(world, grandchild, claim.task_id) == ["cancelled", "running"]
    asked = {"taskId": claim.task_id, "recursive": True}
    assert (await refuses(world, "cancel-task", asked, token=claim.token))["code"] == "denied"


async def test_given_an_unknown_task_when_it_is_cancelled_with_all_below_then_it_is_said(world: World) -> None:
    answer = await world.call("POST", f"/api/tasks/{new_id()}/cancel", json={"recursive": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknownTask")
