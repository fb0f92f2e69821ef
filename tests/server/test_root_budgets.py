"""Every root task has a budget where the server is told so, however it is filed; a loop below one ends with it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.mcp.speaking import says
from tests.server.test_budgets import keep
from tests.server.test_schedules import add as add_schedule
from tests.server.test_schedules import passes
from tests.server.test_triggers import act
from tests.server.test_triggers import add as add_trigger
from tests.server.test_waking import say
from tests.server.world import World, opened

from agent_swarm.server.waking import Waking
from agent_swarm.services import budgets as budgets_service

pytestmark = pytest.mark.anyio

CAPS: dict[str, Any] = {"root_usd": 2.5, "root_tokens": 9_000, "root_attempts": 2, "root_at_once": 3}


@pytest.fixture
async def capped(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path, **CAPS) as world:
        yield world


async def budgets(world: World) -> dict[str, tuple[Any, ...]]:
    """The caps, by what they are for."""
    found = (await world.get("/api/budgets?limit=200"))["budgets"]
    assert {one["scope"] for one in found} <= {"root"}
    return {one["scopeId"]: (one["capUsd"], one["capTokens"], one["capAttempts"], one["capAtOnce"]) for one in found}


async def roots(world: World) -> set[str]:
    """The root tasks that there are."""
    found = (await world.get("/api/tasks?limit=200"))["tasks"]
    return {one["id"] for one in found if one["parentTaskId"] is None}


async def file_one(world: World) -> None:
    await world.file(parentTaskId=await world.file())


async def file_graph(world: World) -> None:
    tasks = [{"prompt": "p", "ref": "a"}, {"prompt": "q", "dependsOn": ["a"]}]
    await world.post("/api/tasks/batch", {"tasks": tasks})


async def file_by_tool(world: World) -> None:
    await says(world, "send-task", {"tasks": [{"prompt": "p"}, {"prompt": "q"}]})


async def file_by_schedule(world: World) -> None:
    await add_schedule(world)
    await passes(world, 60)


async def file_by_trigger(world: World) -> None:
    await add_trigger(world)
    agent = await world.register()
    await world.file()
    await world.complete(await world.take(agent))
    await act(world)


async def file_by_workflow(world: World) -> None:
    await world.post("/api/workflows", {"workflow": {"name": "w", "stages": [{"name": "a", "kind": "noop"}]}})


async def file_once_more(world: World) -> None:
    task_id = await world.file()
    found = (await world.get("/api/budgets"))["budgets"]
    await world.call("DELETE", f"/api/budgets/{found[0]['id']}")
    await world.post(f"/api/tasks/{task_id}/cancel")
    await world.post(f"/api/tasks/{task_id}/retry")
    await world.call("POST", "/api/budgets", json={**_BODY, "scopeId": task_id})


async def file_to_wake_somebody(world: World) -> None:
    await say(world, await world.register())
    await Waking(world.store, world.app.context.rules.root_caps).run_once()


_BODY = {"scope": "root", "capUsd": 2.5, "capTokens": 9_000, "capAttempts": 2, "capAtOnce": 3}
WAYS = (
    file_one,
    file_graph,
    file_by_tool,
    file_by_schedule,
    file_by_trigger,
    file_by_workflow,
    file_once_more,
    file_to_wake_somebody,
)


@pytest.mark.parametrize("way", WAYS)
async def test_given_caps_for_root_tasks_when_one_is_filed_however_then_it_has_a_budget_and_those_below_have_none(
    capped: World, way: Any
) -> None:
    await way(capped)
    found = await roots(capped)
    assert found
    assert await budgets(capped) == dict.fromkeys(found, (2.5, 9_000, 2, 3))


async def test_given_caps_for_root_tasks_when_one_is_filed_with_a_budget_then_that_is_the_only_one(
    capped: World,
) -> None:
    root = await capped.file(budget={"attempts": 7, "atOnce": 2})
    assert await budgets(capped) == {root: (None, None, 7, 2)}
    await capped.post(f"/api/tasks/{root}/cancel")
    again = await capped.post(f"/api/tasks/{root}/retry")
    assert (await budgets(capped))[again["id"]] == (None, None, 7, 2)


async def test_given_no_caps_for_root_tasks_when_one_is_filed_then_it_has_no_budget(world: World) -> None:
    await file_one(world)
    await file_by_workflow(world)
    assert await budgets(world) == {}


async def test_given_a_loop_of_tasks_that_file_tasks_when_their_root_is_capped_then_it_ends_with_one_question(
    capped: World,
) -> None:
    agent = await capped.register()
    root = await capped.file()
    parent = root
    for _ in range(2):
        claim = await capped.take(agent)
        parent = await capped.file(parentTaskId=parent)
        await capped.complete(claim)
    with pytest.raises(AssertionError, match="nothing to claim"):
        await capped.claim(agent)
    await keep(capped)

    (asked,) = (await capped.get("/api/approvals"))["approvals"]
    (budget,) = (await capped.get("/api/budgets"))["budgets"]
    assert (asked["budgetId"], asked["taskId"], budget["scopeId"]) == (budget["id"], parent, root)
    assert (budget["status"], budget["attempts"], budget["leftAttempts"]) == ("reached", 2, 0)
    assert budget["approvalId"] == asked["id"]
    told = await capped.get(f"/api/tasks/{parent}/explain")
    reason = next(one for one in told["reasons"] if one["code"] == "budgetExhausted")
    assert "is used up" in reason["message"] and "2 attempts" in reason["message"]
    assert f"agent-swarm approval show {asked['id']}" in reason["unblock"]
    choice = asked["questions"][0]["choices"][0]
    await capped.post(f"/api/approvals/{asked['id']}/answer", {"answers": {"goOn": choice}})
    await keep(capped)
    assert (await capped.claim(agent)).task_id == parent
    assert (await capped.get("/api/budgets"))["budgets"][0]["approvalId"] is None


async def test_given_more_root_tasks_than_are_looked_at_when_a_budget_of_anything_else_is_named_then_it_is_found(
    capped: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await capped.file()
    await capped.file()
    ada = await capped.register()
    for body in ({"scope": "all"}, {"scope": "agent", "scopeId": ada.id}):
        await capped.post("/api/budgets", {**body, "name": f"of {body['scope']}", "capUsd": 1})
    monkeypatch.setattr(budgets_service, "_SEARCHED", 2)  # there are two of root tasks, the oldest
    for name in ("of all", "of agent", f"root {root}"):
        assert (await capped.get(f"/api/budgets/{name}"))["name"] == name
    gone = await capped.call("GET", "/api/budgets/nothing")
    assert gone.status_code == 404
