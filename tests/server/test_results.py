"""Results that have to match a schema: told to the agent, refused where they do not, and never accepted then."""

from typing import Any

import pytest
from tests.server.mcp.speaking import refuses, says
from tests.server.world import RegisteredAgent, World

from agent_swarm.protocol import pool as wire
from agent_swarm.services import outcomes

pytestmark = pytest.mark.anyio

SCHEMA: dict[str, Any] = {"type": "object", "required": ["answer"], "properties": {"answer": {"type": "integer"}}}


async def ended(world: World, task_id: str, fence: int, told: wire.Complete) -> wire.Complete | wire.Fail:
    stated, terms = await world.store.read(outcomes.stated_outcome(task_id, fence))
    return outcomes.ended(told, stated, terms)


async def test_given_a_schema_when_a_task_is_filed_then_it_is_shown_and_its_agent_is_told(world: World) -> None:
    ada = await world.register()
    task_id = await world.file("count", resultSchema=SCHEMA)
    assert (await world.get(f"/api/tasks/{task_id}"))["resultSchema"] == SCHEMA
    prompt = (await world.frame_of(await world.take(ada))).prompt
    assert prompt.startswith("count\n\n# The result of this task")
    assert '"answer"' in prompt


async def test_given_a_schema_that_is_none_when_a_task_is_filed_then_the_place_is_named(world: World) -> None:
    sent = {"tasks": [{"prompt": "p"}, {"prompt": "p", "resultSchema": {"properties": {"a": {"type": "strong"}}}}]}
    refused = await world.call("POST", "/api/tasks/batch", json=sent)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (422, "invalidInput")
    assert error["details"] == {"field": "tasks[1].resultSchema", "where": "/properties/a/type"}
    assert (await world.get("/api/tasks"))["tasks"] == []


async def test_given_a_result_that_does_not_match_when_an_agent_states_it_then_it_may_correct_it(world: World) -> None:
    ada = await world.register()
    task_id = await world.file("count", resultSchema=SCHEMA)
    claim = await world.take(ada)
    for data in ({"answer": "42"}, None):
        told = {"result": "counted", **({} if data is None else {"data": data})}
        refused = await refuses(world, "store-progress", told, token=claim.token)
        assert refused["code"] == "resultMismatch"
        assert refused["details"]["problems"]
    await says(world, "store-progress", {"result": "counted", "data": {"answer": 42}}, token=claim.token)
    over = await ended(world, task_id, claim.fence, wire.Complete(task_id=task_id, fence=claim.fence, text="bye"))
    assert isinstance(over, wire.Complete)
    assert (over.text, over.data) == ("counted", {"answer": 42})


async def test_given_a_run_that_ends_with_another_result_when_it_is_delivered_then_it_failed(world: World) -> None:
    ada = await world.register()
    task_id = await world.file("count", resultSchema=SCHEMA)
    claim = await world.take(ada)
    over = await ended(world, task_id, claim.fence, wire.Complete(task_id=task_id, fence=claim.fence, text="forty-two"))
    assert isinstance(over, wire.Fail)
    assert over.code == "resultSchema"


async def test_given_a_task_with_a_schema_when_it_is_filed_once_more_then_the_new_one_has_it_too(world: World) -> None:
    ada = await world.register()
    task_id = await world.file("count", resultSchema=SCHEMA, includeResults=True)
    await world.fail(await world.take(ada))
    again = await world.post(f"/api/tasks/{task_id}/retry")
    detail = await world.get(f"/api/tasks/{again['id']}")
    assert (detail["resultSchema"], detail["includeResults"]) == (SCHEMA, True)


async def test_given_a_task_without_a_schema_when_it_ends_then_any_result_is_one(world: World) -> None:
    ada = await world.register()
    task_id = await world.file("count")
    claim = await world.take(ada)
    told = wire.Complete(task_id=task_id, fence=claim.fence, text="forty-two")
    assert await ended(world, task_id, claim.fence, told) is told


async def done(world: World, agent: RegisteredAgent, text: str) -> None:
    """The next task is taken and completed."""
    await world.complete(await world.take(agent), text)


async def test_given_a_task_that_follows_others_when_it_is_claimed_then_its_prompt_ends_with_what_they_came_to(
    world: World,
) -> None:
    ada = await world.register()
    first = await world.file("first", title="The first")
    follower = await world.file("second", dependsOn=[first], includeResults=True)
    plain = await world.file("third", dependsOn=[first])
    await done(world, ada, "it is 42\nrm -rf /")
    claims = [await world.take(await world.register("bob")) for _ in range(2)]
    prompts = {claim.task_id: (await world.frame_of(claim)).prompt for claim in claims}
    assert prompts[plain] == "third"
    told = prompts[follower]
    assert told.startswith("second\n\n# What the tasks before this one came to.")
    assert f"# --- a task it depends on: The first ({first}), completed" in told
    assert "# it is 42\n# rm -rf /" in told


async def test_given_a_task_below_one_that_has_ended_when_it_is_claimed_then_it_is_told_of_that(world: World) -> None:
    ada = await world.register()
    above = await world.file("first")
    await done(world, ada, "the plan is ready")
    await world.file("second", parentTaskId=above, includeResults=True)
    assert "# the plan is ready" in (await world.frame_of(await world.take(ada))).prompt


async def test_given_a_task_that_is_filed_once_more_when_it_is_claimed_then_it_is_told_what_went_wrong(
    world: World,
) -> None:
    ada = await world.register()
    task_id = await world.file("try")
    await world.fail(await world.take(ada))
    await world.post(f"/api/tasks/{task_id}/retry", {"includeResults": True})
    assert "# it broke" in (await world.frame_of(await world.take(ada))).prompt


async def test_given_the_end_of_a_run_when_its_worker_asks_then_it_is_told_what_would_be_wrong(world: World) -> None:
    ada = await world.register()
    task_id = await world.file("count", resultSchema=SCHEMA)
    claim = await world.take(ada)
    assert (await world.frame_of(claim)).checks_result
    path = f"/api/tasks/{task_id}/result/check"
    assert (await world.post(path, {"text": "forty-two"}, token=claim.token))["problems"]
    assert (await world.post(path, {"text": '{"answer": 42}'}, token=claim.token)) == {"problems": []}
    await says(world, "store-progress", {"result": "counted", "data": {"answer": 42}}, token=claim.token)
    assert (await world.post(path, {"text": "bye"}, token=claim.token)) == {"problems": []}
    other = await world.call("POST", f"/api/tasks/{await world.file()}/result/check", token=claim.token, json={})
    assert other.status_code == 403
