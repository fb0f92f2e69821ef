"""The tools: each does what its service does, with the token of its caller and nothing else."""

import asyncio

import pytest
from tests.server.mcp.speaking import body_of, call_tool, headers_of, refuses, says
from tests.server.world import Claim, RegisteredAgent, World, settled

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.tasks import FailureClass

pytestmark = pytest.mark.anyio


async def at_work(world: World, name: str = "ada", role: AgentRole = AgentRole.WORKER) -> tuple[RegisteredAgent, Claim]:
    """An agent that runs a task of its own."""
    agent = await world.register(name, role=role)
    await world.file("write it", agentId=agent.id)
    return agent, await world.take(agent)


async def test_given_a_running_agent_when_it_says_hello_then_it_learns_who_it_is_and_what_it_works_on(
    world: World,
) -> None:
    agent, claim = await at_work(world)
    said = await says(world, "join-swarm", token=claim.token)
    assert said["you"]["id"] == agent.id
    assert said["task"] == {"id": claim.task_id, "title": "write it", "status": "running", "attempt": 1}
    info = await says(world, "my-agent-info", token=claim.token)
    assert info["scopes"] == [
        "ownKv:use",
        "ownMemory:use",
        "ownMessages:use",
        "ownOffers:answer",
        "ownProfile:use",
        "ownQuestions:ask",
        "ownTask:progress",
        "ownTask:read",
    ]


async def test_given_agents_and_projects_when_a_lead_looks_then_it_sees_them(world: World) -> None:
    await world.register("bob")
    _, claim = await at_work(world, "lead", AgentRole.LEAD)
    await world.post("/api/projects", {"name": "shop", "repoUrl": "https://git.example.com/shop"})
    said = await says(world, "get-swarm", token=claim.token)
    assert [agent["name"] for agent in said["agents"]] == ["bob", "lead"]
    assert said["projects"][0]["name"] == "shop"


async def test_given_its_own_task_when_a_worker_looks_then_it_is_whole_and_others_are_refused(world: World) -> None:
    _, claim = await at_work(world)
    other = await world.file("secret plans")
    assert (await says(world, "get-task-details", token=claim.token))["prompt"] == "write it"
    for task_id in (other, new_id()):
        refused = await refuses(world, "get-task-details", {"taskId": task_id}, token=claim.token)
        assert refused["code"] == "denied"
        assert "secret" not in str(refused)


async def test_given_an_operator_when_it_names_no_task_then_it_is_told_which_argument_is_missing(world: World) -> None:
    refused = await refuses(world, "get-task-details")
    assert (refused["code"], refused["details"].get("field")) == ("invalidInput", "taskId")


async def test_given_a_task_that_ends_while_it_is_waited_for_when_it_has_ended_then_the_answer_comes(
    world: World,
) -> None:
    _, claim = await at_work(world)
    waiting = asyncio.ensure_future(says(world, "get-task-details", {"taskId": claim.task_id, "waitSeconds": 40}))
    await settled()
    assert not waiting.done()
    await world.complete(claim, "the answer")
    async with asyncio.timeout(5):
        said = await waiting
    assert said["ended"] is True
    assert said["result"]["text"] == "the answer"


async def test_given_a_client_that_listens_when_it_waits_then_it_hears_how_the_task_stands(world: World) -> None:
    _, claim = await at_work(world)
    arguments = {"taskId": claim.task_id, "waitSeconds": 40}
    body = body_of("2025-11-25", "tools/call", {"name": "get-task-details", "arguments": arguments}, progress=True)
    asked = world.call("POST", "/mcp", headers=headers_of("2025-11-25", "tools/call"), json=body)
    waiting = asyncio.ensure_future(asked)
    await settled()
    await says(world, "store-progress", {"progress": "half of it"}, token=claim.token)
    await settled()
    await world.complete(claim)
    async with asyncio.timeout(5):
        answer = await waiting
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "notifications/progress" in answer.text
    assert "running: half of it" in answer.text
    assert '"progressToken":"p1"' in answer.text


async def test_given_a_wait_that_is_too_long_when_it_is_asked_for_then_the_bound_is_told(world: World) -> None:
    refused = await refuses(world, "get-task-details", {"taskId": new_id(), "waitSeconds": 60})
    assert refused["message"] == "waitSeconds: Input should be less than or equal to 45"


async def test_given_a_lead_when_it_sends_a_graph_then_children_are_filed_below_its_task(world: World) -> None:
    _, claim = await at_work(world, "lead", AgentRole.LEAD)
    said = await says(
        world,
        "send-task",
        {"tasks": [{"prompt": "first", "ref": "a"}, {"prompt": "second", "dependsOn": ["a"]}]},
        token=claim.token,
    )
    assert [task["status"] for task in said["tasks"]] == ["pending", "blocked"]
    assert {task["parentTaskId"] for task in said["tasks"]} == {claim.task_id}
    assert said["refs"] == {"a": said["tasks"][0]["id"]}
    listed = await says(world, "get-tasks", {"parentTaskId": claim.task_id}, token=claim.token)
    assert {task["title"] for task in listed["tasks"]} == {"first", "second"}


async def test_given_one_bad_task_when_a_graph_is_sent_then_nothing_is_filed_and_every_fault_is_named(
    world: World,
) -> None:
    refused = await refuses(world, "send-task", {"tasks": [{"prompt": "good"}, {"promt": "bad"}]})
    assert [one["field"] for one in refused["details"]["errors"]] == ["tasks[1].prompt", "tasks[1].promt"]
    assert (await says(world, "get-tasks")) == {}


async def test_given_a_task_of_somebody_else_when_a_lead_files_below_it_then_it_is_denied(world: World) -> None:
    _, claim = await at_work(world, "lead", AgentRole.LEAD)
    foreign = await world.file()
    tasks = [{"prompt": "mine now", "parentTaskId": foreign}]
    assert (await refuses(world, "send-task", {"tasks": tasks}, token=claim.token))["code"] == "denied"


async def test_given_a_key_when_a_call_is_repeated_then_it_acts_once(world: World) -> None:
    asked = {"tasks": [{"prompt": "once"}], "idempotencyKey": "k-1"}
    first, second = await says(world, "send-task", asked), await says(world, "send-task", asked)
    assert first["tasks"][0]["id"] == second["tasks"][0]["id"]
    assert second["replayed"] is True
    other = {**asked, "tasks": [{"prompt": "twice"}]}
    assert (await refuses(world, "send-task", other))["code"] == "idempotencyMismatch"


async def test_given_a_worker_when_it_calls_what_is_not_for_it_then_each_is_denied_as_an_answer(world: World) -> None:
    _, claim = await at_work(world)
    for name in ("send-task", "cancel-task", "set-config", "get-config", "get-tasks"):
        said, is_error = await call_tool(world, name, {}, token=claim.token)
        assert is_error
        assert said["error"]["code"] == "denied", name


async def test_given_actions_when_an_operator_takes_them_then_the_task_follows(world: World) -> None:
    task_id = await world.file()

    async def status_after(name: str, **more: object) -> str:
        return str((await says(world, name, {"taskId": task_id, **more}))["status"])

    assert await status_after("task-action", action="to-backlog") == "backlog"
    assert await status_after("task-action", action="from-backlog") == "pending"
    assert (await says(world, "task-action", {"taskId": task_id, "action": "set-priority", "priority": 80}))[
        "priority"
    ] == 80
    assert await status_after("cancel-task", reason="not wanted") == "cancelled"
    again = await says(world, "task-action", {"taskId": task_id, "action": "retry"})
    assert again["status"] == "pending"
    refused = await refuses(world, "task-action", {"taskId": task_id, "action": "to-backlog"})
    assert refused["code"] == "illegalTransition"


@pytest.mark.parametrize("more", [{"action": "set-priority"}, {"action": "retry", "priority": 3}, {"action": "steal"}])
async def test_given_an_action_that_does_not_fit_when_it_is_asked_for_then_the_field_is_named(
    world: World, more: dict[str, object]
) -> None:
    refused = await refuses(world, "task-action", {"taskId": new_id(), **more})
    assert refused["code"] == "invalidInput"
    assert refused["details"]["field"] == ("action" if more["action"] == "steal" else "priority")


async def test_given_a_running_task_when_it_is_paused_and_resumed_then_it_waits_and_goes_on(world: World) -> None:
    _, claim = await at_work(world)
    await says(world, "pause-task", {"taskId": claim.task_id})
    await world.pause(claim)
    assert (await says(world, "get-task-details", {"taskId": claim.task_id, "waitSeconds": 40}))["status"] == "paused"
    assert (await says(world, "resume-task", {"taskId": claim.task_id}))["status"] == "pending"


async def test_given_configuration_when_it_is_read_then_no_secret_is_shown_and_reserved_names_are_refused(
    world: World,
) -> None:
    await says(world, "set-config", {"scope": "global", "key": "REGION", "value": "eu"})
    for key in ("API_KEY", "api_key", "Secrets_Encryption_Key"):
        refused = await refuses(world, "set-config", {"scope": "global", "key": key, "value": "mine"})
        assert (refused["code"], "is reserved" in refused["message"]) == ("invalidInput", True)
    said = await says(world, "get-config")
    assert [(entry["key"], entry["value"]) for entry in said["entries"]] == [("REGION", "eu")]
    refused = await refuses(world, "get-config", {"includeSecrets": True})
    assert refused["details"]["field"] == "includeSecrets"


async def test_given_a_token_in_progress_when_it_is_stored_then_it_is_taken_out(world: World) -> None:
    _, claim = await at_work(world)
    said = await says(world, "store-progress", {"progress": f"I use {claim.token} here"}, token=claim.token)
    assert claim.token not in said["progress"]


async def test_given_a_task_that_failed_when_it_is_explained_then_the_reason_is_told(world: World) -> None:
    _, claim = await at_work(world)
    await world.fail(claim, FailureClass.POLICY)
    assert (await says(world, "explain-task", {"taskId": claim.task_id}))["status"] == "failed"


async def test_given_a_result_when_it_is_stored_then_the_task_goes_on_and_the_agent_is_told_to_end(
    world: World,
) -> None:
    _, claim = await at_work(world)
    told = {"result": f"built with {claim.token}", "data": {"files": 3, "key": claim.token}, "progress": "built"}
    said = await says(world, "store-progress", told, token=claim.token)
    assert said["status"] == "running"
    assert said["next"].startswith("end your run")
    [event] = [e for e in (await world.get("/api/events"))["events"] if e["type"] == "task.outcomeStated"]
    assert event["data"]["outcome"] == "result"
    assert claim.token not in str(event)
    assert (await says(world, "store-progress", told, token=claim.token))["status"] == "running"
    refused = await refuses(world, "store-progress", {"failure": "no, it is broken"}, token=claim.token)
    assert refused["code"] == "resultConflict"


NO_SENSE: list[tuple[dict[str, object], str | None]] = [
    ({}, "progress"),
    ({"result": "yes", "failure": "no"}, "failure"),
    ({"progress": "on my way", "data": {"n": 1}}, "data"),
    ({"result": ""}, "result"),
    ({"result": "x" * 100_001}, "result"),
    ({"result": 7}, "result"),
    ({"result": "\ud800"}, None),
    ({"result": "r", "data": {"deep": ["\ud800"]}}, None),
    ({"result": "r", "data": {"n": 2**80}}, None),
    ({"progress": "a\x00b"}, "progress"),
    ({"status": "completed"}, "status"),
]


async def test_given_progress_that_makes_no_sense_when_it_is_stored_then_the_field_is_named(world: World) -> None:
    _, claim = await at_work(world)
    for told, field in NO_SENSE:
        refused = await refuses(world, "store-progress", told, token=claim.token)
        assert (refused["code"], refused["details"].get("field")) == ("invalidInput", field), told
