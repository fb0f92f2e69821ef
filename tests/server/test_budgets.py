"""Budgets over REST, by the server's keeper, for agents, and in explanations."""

from typing import Any

import pytest
from tests.server.mcp.speaking import says
from tests.server.world import Claim, RegisteredAgent, World

from agent_swarm.domain.commands import Pause
from agent_swarm.domain.tasks import PauseReason
from agent_swarm.server.budgets import BudgetKeeper
from agent_swarm.store.operations import BookUsage
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio


async def keep(world: World) -> float:
    """The server looks after its budgets."""
    return await BudgetKeeper(world.store, world.app.context.metrics).run_once()


async def add(world: World, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await world.post("/api/budgets", {"scope": "all", "name": "everything", **fields})
    return made


async def book(world: World, claim: Claim, dollars: float, *, seq: int = 1, model: str = "opus") -> None:
    await world.store.apply(
        BookUsage(
            task_id=claim.task_id,
            attempt=claim.attempt,
            seq=seq,
            input_tokens=1_000,
            output_tokens=10,
            cost_micros=round(dollars * 1_000_000),
            model=model,
        )
    )


async def used_up(world: World) -> tuple[RegisteredAgent, Claim]:
    """An attempt has spent all of a budget of 2 dollars; it is interrupted, and people are asked."""
    await add(world, capUsd=2)
    ada = await world.register()
    await world.file(title="first")
    claim = await world.take(ada)
    await book(world, claim, 2)
    await keep(world)
    await world.command(Pause(task_id=claim.task_id, fence=claim.fence, reason=PauseReason.SHUTDOWN))
    await keep(world)
    return ada, claim


async def test_given_a_budget_when_it_is_made_changed_and_removed_then_it_is_shown_as_it_stands(world: World) -> None:
    made = await add(world, capUsd=2.5, capTokens=1_000_000, period="day", timeZone="Europe/Paris")
    assert (made["capUsd"], made["leftUsd"], made["status"], made["refused"]) == (2.5, 2.5, "open", 0)
    assert made["renewsAt"] is not None
    changed = await world.call("PATCH", "/api/budgets/everything", json={"capUsd": 5, "capTokens": None})
    assert (changed.json()["capUsd"], changed.json()["capTokens"]) == (5, None)
    assert (await world.get(f"/api/budgets/{made['id']}"))["capUsd"] == 5
    assert [one["id"] for one in (await world.get("/api/budgets"))["budgets"]] == [made["id"]]
    assert (await world.call("DELETE", "/api/budgets/everything")).status_code == 200
    gone = await world.call("GET", "/api/budgets/everything")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "notFound")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scope": "all"}, 422),
        ({"scope": "all", "capUsd": 0}, 422),
        ({"scope": "all", "scopeId": "x", "capUsd": 1}, 422),
        ({"scope": "project", "scopeId": "nowhere", "capUsd": 1}, 422),
        ({"scope": "swarm", "scopeId": "nowhere", "capUsd": 1}, 422),
        ({"scope": "task", "scopeId": "0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17", "capUsd": 1}, 422),
        ({"scope": "agent", "capUsd": 1}, 422),
        ({"scope": "all", "capUsd": 1, "period": "day", "timeZone": "Mars/Olympus"}, 422),
        ({"scope": "everything", "capUsd": 1}, 422),
    ],
)
async def test_given_a_budget_that_cannot_be_when_it_is_asked_for_then_it_is_refused(
    world: World, body: dict[str, Any], status: int
) -> None:
    answer = await world.call("POST", "/api/budgets", json=body)
    assert answer.status_code == status, answer.text
    assert (await world.get("/api/budgets"))["budgets"] == []


async def test_given_a_root_task_with_a_budget_when_it_is_filed_then_that_is_for_all_below_it(world: World) -> None:
    root = await world.file(budget={"usd": 3})
    below = await world.file(parentTaskId=root, budget={"tokens": 500, "estimateUsd": 0.1})
    found = (await world.get("/api/budgets"))["budgets"]
    assert sorted((one["scope"], one["scopeId"], one["capUsd"], one["capTokens"]) for one in found) == [
        ("root", root, 3, None),
        ("task", below, None, 500),
    ]
    refused = await world.call("POST", "/api/tasks", json={"prompt": "p", "budget": {}})
    assert refused.json()["error"]["details"] == {"field": "budget"}


async def test_given_a_task_with_a_cap_when_it_is_filed_once_more_then_it_has_that_cap_and_nothing_is_spent(
    world: World,
) -> None:
    root = await world.file(budget={"usd": 3, "estimateUsd": 0.1})
    await world.post(f"/api/tasks/{root}/cancel")
    again = await world.post(f"/api/tasks/{root}/retry")
    found = {one["scopeId"]: one for one in (await world.get("/api/budgets"))["budgets"]}
    first, second = found[root], found[again["id"]]
    assert (second["scope"], second["capUsd"], second["estimateUsd"], second["spentUsd"]) == ("root", 3, 0.1, 0)
    assert (first["name"], second["name"]) == (f"root {root}", f"root {again['id']}")


async def test_given_a_budget_that_is_used_up_when_a_person_is_asked_then_the_answer_lets_it_go_on(
    world: World,
) -> None:
    _, claim = await used_up(world)
    (asked,) = (await world.get("/api/approvals"))["approvals"]
    assert asked["budgetId"] == (await world.get("/api/budgets/everything"))["id"]
    assert "everything" in asked["title"]
    shown = await world.get(f"/api/tasks/{claim.task_id}")
    assert (shown["status"], shown["pauseReason"]) == ("paused", "budget")

    choice = asked["questions"][0]["choices"][0]
    await world.post(f"/api/approvals/{asked['id']}/answer", {"answers": {"goOn": choice}})
    await keep(world)

    assert (await world.get(f"/api/tasks/{claim.task_id}"))["status"] == "pending"
    after = await world.get("/api/budgets/everything")
    assert (after["status"], after["extraUsd"], after["leftUsd"]) == ("open", 2, 2)
    figures = world.app.context.metrics.registry  # the server's own keeper may be the one that did it
    await until(lambda: figures.get_sample_value("agent_swarm_budget_steps_total", {"step": "letGoOn"}) == 1)


async def test_given_a_budget_that_is_used_up_when_more_is_denied_then_the_task_fails_and_says_why(
    world: World,
) -> None:
    _, claim = await used_up(world)
    (asked,) = (await world.get("/api/approvals"))["approvals"]
    await world.post(f"/api/approvals/{asked['id']}/answer", {"deny": True})
    await keep(world)
    shown = await world.get(f"/api/tasks/{claim.task_id}")
    assert (shown["status"], shown["failure"]["code"]) == ("failed", "budget")


async def test_given_tasks_that_wait_for_a_budget_when_one_asks_why_then_it_is_named_with_what_would_change_that(
    world: World,
) -> None:
    ada, claim = await used_up(world)
    waiting = await world.file(title="second")
    with pytest.raises(AssertionError, match="nothing to claim"):
        await world.claim(ada)
    for task_id, code in ((waiting, "budgetExhausted"), (claim.task_id, "budgetReached")):
        told = await world.get(f"/api/tasks/{task_id}/explain")
        reason = next(one for one in told["reasons"] if one["code"] == code)
        assert "everything" in reason["message"]
        assert "agent-swarm budget set" in reason["unblock"]
        assert "agent-swarm approval show" in reason["unblock"]


async def test_given_a_task_that_was_interrupted_when_too_little_is_left_for_it_then_it_is_told_of_the_question(
    world: World,
) -> None:
    _, claim = await used_up(world)
    await world.call("PATCH", "/api/budgets/everything", json={"capUsd": 2.25})
    await keep(world)
    told = await world.get(f"/api/tasks/{claim.task_id}/explain")
    reason = next(one for one in told["reasons"] if one["code"] == "budgetExhausted")
    assert "has too little left for another attempt" in reason["message"]
    assert "agent-swarm approval show" in reason["unblock"]


async def test_given_an_agent_when_it_asks_about_itself_then_it_hears_what_is_left(world: World) -> None:
    await add(world, capUsd=2)
    ada = await world.register()
    await world.file()
    claim = await world.take(ada)
    told = await says(world, "my-agent-info", token=claim.token)
    (left,) = told["budgets"]
    assert (left["name"], left["capUsd"], left["leftUsd"]) == ("everything", 2, 1.5)


async def test_given_what_was_booked_when_a_report_is_asked_for_then_the_most_expensive_comes_first(
    world: World,
) -> None:
    ada = await world.register()
    first = await world.file(title="first")
    world.clock.advance(1)
    second = await world.file(title="second")
    await book(world, await world.take(ada), 1)
    await book(world, await world.take(ada), 3)
    report = await world.get("/api/reports/costs", params={"by": "task"})
    assert [(row["key"], row["name"], row["costUsd"]) for row in report["rows"]] == [
        (second, "second", 3),
        (first, "first", 1),
    ]
    (by_agent,) = (await world.get("/api/reports/costs", params={"by": "agent"}))["rows"]
    assert (by_agent["name"], by_agent["attempts"], by_agent["inputTokens"]) == ("ada", 2, 2_000)
    (by_day,) = (await world.get("/api/reports/costs", params={"by": "day"}))["rows"]
    assert by_day["key"] == "2027-01-15"
    short = await world.get("/api/reports/costs", params={"by": "task", "limit": 1})
    assert (len(short["rows"]), short["hasMore"]) == (1, True)
    bad = await world.call("GET", "/api/reports/costs", params={"since": "yesterday"})
    assert bad.status_code == 422


async def test_given_caps_on_attempts_when_one_begins_then_people_and_agents_see_what_is_left(world: World) -> None:
    made = await add(world, capAttempts=5, capAtOnce=1)
    assert (made["capAttempts"], made["leftAttempts"], made["attempts"], made["atOnce"]) == (5, 5, 0, 0)
    ada, bob = await world.register(), await world.register("bob")
    await world.file(title="first")
    claim = await world.take(ada)
    shown = await world.get("/api/budgets/everything")
    assert (shown["status"], shown["leftAttempts"], shown["attempts"], shown["atOnce"]) == ("full", 4, 1, 1)
    told = await says(world, "my-agent-info", token=claim.token)
    (left,) = told["budgets"]
    assert (left["capAttempts"], left["leftAttempts"], left["capAtOnce"], left["atOnce"]) == (5, 4, 1, 1)

    waiting = await world.file(title="second")
    with pytest.raises(AssertionError, match="nothing to claim"):
        await world.claim(bob)
    await keep(world)
    why = await world.get(f"/api/tasks/{waiting}/explain")
    reason = next(one for one in why["reasons"] if one["code"] == "budgetExhausted")
    assert "as many attempts under way as it lets run at once: 5 attempts, 1 at once" in reason["message"]
    assert "the end of an attempt" in reason["unblock"]
    assert (await world.get("/api/approvals"))["approvals"] == []

    changed = await world.call("PATCH", "/api/budgets/everything", json={"capAtOnce": 2, "capAttempts": None})
    assert (changed.json()["capAtOnce"], changed.json()["capAttempts"], changed.json()["status"]) == (2, None, "open")
    await keep(world)
    assert (await world.claim(bob)).task_id == waiting
