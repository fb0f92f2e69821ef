"""The tasks extension: a task that a tool call began is followed as a task of the protocol."""

import json
from typing import Any

import httpx2
import pytest
from tests.server.mcp.speaking import HANDSHAKE, MODERN, body_of, headers_of, refuses, says
from tests.server.mcp.test_mcp_tools import at_work
from tests.server.sessions import add_user, session_of
from tests.server.world import API_KEY, World

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole

pytestmark = pytest.mark.anyio

EXTENSION = "io.modelcontextprotocol/tasks"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


async def request(
    world: World, method: str, params: dict[str, Any], *, token: str = API_KEY, declares: bool = True
) -> httpx2.Response:
    """One request of a client that knows the extension, or does not say so."""
    body = body_of(MODERN, method, params)
    if declares:
        meta = body["params"]["_meta"]
        body["params"]["_meta"] = {**meta, CAPABILITIES: {"extensions": {EXTENSION: {}}}}
    headers = headers_of(MODERN, method, str(params.get("name", params.get("taskId", ""))))
    return await world.call("POST", "/mcp", token=token, headers=headers, content=json.dumps(body))


async def result(world: World, method: str, params: dict[str, Any], *, token: str = API_KEY) -> dict[str, Any]:
    """What comes back where nothing is wrong."""
    answer = await request(world, method, params, token=token)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()["result"]
    said.pop("_meta", None)
    return said


async def error(world: World, method: str, params: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What comes back where something is."""
    said: dict[str, Any] = (await request(world, method, params, **options)).json()["error"]
    return said


async def begun(world: World, *prompts: str, token: str = API_KEY) -> dict[str, Any]:
    """What send-task answers."""
    asked = {"name": "send-task", "arguments": {"tasks": [{"prompt": prompt} for prompt in prompts]}}
    return await result(world, "tools/call", asked, token=token)


async def test_given_a_client_that_follows_tasks_when_it_sends_one_then_it_gets_a_handle_that_counts_at_once(
    world: World,
) -> None:
    handle = await begun(world, "look")
    assert (handle["resultType"], handle["status"], handle["statusMessage"]) == ("task", "working", "pending")
    assert (handle["ttlMs"], handle["pollIntervalMs"]) == (None, 2000)
    assert (await world.get(f"/api/tasks/{handle['taskId']}"))["prompt"] == "look"
    got = await result(world, "tasks/get", {"taskId": handle["taskId"]})
    assert got == {**handle, "resultType": "complete"}


async def test_given_a_task_that_is_worked_on_when_it_ends_then_its_result_is_the_answer_of_the_call(
    world: World,
) -> None:
    agent = await world.register("ada")
    handle = await begun(world, "look")
    claim = await world.take(agent)
    await says(world, "store-progress", {"progress": "half"}, token=claim.token)
    assert (await result(world, "tasks/get", {"taskId": handle["taskId"]}))["statusMessage"] == "running: half"
    await world.complete(claim, "found")
    ended = await result(world, "tasks/get", {"taskId": handle["taskId"]})
    assert (ended["status"], ended["result"]["isError"]) == ("completed", False)
    assert json.loads(ended["result"]["content"][0]["text"])["text"] == "found"
    assert "pollIntervalMs" not in ended


async def test_given_a_task_that_fails_when_it_is_looked_at_then_the_call_is_completed_with_an_error(
    world: World,
) -> None:
    agent = await world.register("ada")
    handle = await begun(world, "look")
    claim = await world.take(agent)
    await world.fail(claim)
    ended = await result(world, "tasks/get", {"taskId": handle["taskId"]})
    assert (ended["status"], ended["result"]["isError"]) == ("completed", True)
    assert json.loads(ended["result"]["content"][0]["text"])["message"] == "it broke"


async def test_given_a_task_when_it_is_cancelled_twice_then_it_is_cancelled_and_both_are_acknowledged(
    world: World,
) -> None:
    task_id = (await begun(world, "look"))["taskId"]
    for _ in range(2):
        assert await result(world, "tasks/cancel", {"taskId": task_id}) == {"resultType": "complete"}
    assert (await result(world, "tasks/get", {"taskId": task_id}))["status"] == "cancelled"
    assert await result(world, "tasks/update", {"taskId": task_id, "inputResponses": {"x": {}}}) == {
        "resultType": "complete"
    }


async def test_given_several_tasks_when_they_are_sent_then_the_answer_is_the_usual_one(world: World) -> None:
    said = await begun(world, "one", "two")
    assert said["resultType"] == "complete"
    assert len(json.loads(said["content"][0]["text"])["tasks"]) == 2


async def test_given_a_client_that_does_not_follow_tasks_then_it_gets_none_and_may_not_ask(world: World) -> None:
    said = await says(world, "send-task", {"tasks": [{"prompt": "x"}]})
    task_id = said["tasks"][0]["id"]
    legacy = await says(world, "send-task", {"tasks": [{"prompt": "y"}]}, era=HANDSHAKE)
    assert len(legacy["tasks"]) == 1
    for method in ("tasks/get", "tasks/cancel", "tasks/update"):
        params = {"taskId": task_id, **({"inputResponses": {}} if method == "tasks/update" else {})}
        refused = await error(world, method, params, declares=False)
        assert refused["code"] == -32021
        assert refused["data"]["requiredCapabilities"]["extensions"] == {EXTENSION: {}}
    assert (await world.get(f"/api/tasks/{task_id}"))["status"] == "pending"


@pytest.mark.parametrize("task_id", ["01a21c73-8505-7786-8ba4-69ab98d2dd96", "nonsense", ""])
async def test_given_an_unknown_task_when_it_is_asked_for_then_the_protocol_says_so(world: World, task_id: str) -> None:
    for method in ("tasks/get", "tasks/cancel"):
        refused = await error(world, method, {"taskId": task_id})
        assert refused["code"] == -32602
        assert "no task has the id" in refused["message"]


async def test_given_agents_when_they_ask_for_tasks_then_each_has_the_say_of_its_token(world: World) -> None:
    _, worker = await at_work(world, "ada")
    _, lead = await at_work(world, "lead", AgentRole.LEAD)
    foreign = await world.file("secret plans")
    child = (await begun(world, "child", token=lead.token))["taskId"]
    assert (await result(world, "tasks/get", {"taskId": child}, token=lead.token))["status"] == "working"
    refused = await error(world, "tasks/get", {"taskId": foreign}, token=worker.token)
    assert (refused["code"], refused["data"]["code"]) == (-32602, "denied")
    for task_id, token in ((foreign, lead.token), (foreign, worker.token), (worker.task_id, worker.token)):
        refused = await error(world, "tasks/cancel", {"taskId": task_id}, token=token)
        assert refused["data"]["code"] == "denied"
    assert (await world.get(f"/api/tasks/{foreign}"))["status"] == "pending"
    await result(world, "tasks/cancel", {"taskId": child}, token=lead.token)
    assert (await world.get(f"/api/tasks/{child}"))["status"] == "cancelled"


async def test_given_a_lead_when_it_cancels_by_the_tool_then_only_below_its_own_task(world: World) -> None:
    _, lead = await at_work(world, "lead", AgentRole.LEAD)
    foreign = await world.file()
    sent = {"tasks": [{"prompt": "child"}]}
    child = (await says(world, "send-task", sent, token=lead.token))["tasks"][0]["id"]
    grandchild = await world.file("deeper", parentTaskId=child)
    for task_id in (foreign, lead.task_id, new_id()):
        refused = await refuses(world, "cancel-task", {"taskId": task_id}, token=lead.token)
        assert "is not below task" in refused["message"]
    for task_id in (grandchild, child):
        assert (await says(world, "cancel-task", {"taskId": task_id}, token=lead.token))["status"] == "cancelled"
    assert (await world.get(f"/api/tasks/{foreign}"))["status"] == "pending"


async def test_given_a_task_that_asks_people_when_it_is_followed_then_they_answer_through_their_client(
    world: World,
) -> None:
    agent = await world.register("ada")
    task_id = (await begun(world, "deploy"))["taskId"]
    claim = await world.take(agent)
    questions = [
        {"text": "now?"},
        {"id": "where", "text": "Where?", "kind": "choice", "choices": ["eu", "us"]},
        {"id": "why", "text": "Why?", "kind": "text"},
    ]
    asked = await says(world, "request-human-input", {"title": "Deploy?", "questions": questions}, token=claim.token)
    got = await result(world, "tasks/get", {"taskId": task_id})
    assert got["status"] == "input_required"
    form = got["inputRequests"][asked["id"]]
    assert (form["method"], form["params"]["message"]) == ("elicitation/create", "Deploy?")
    assert form["params"]["requestedSchema"]["properties"]["where"]["enum"] == ["eu", "us"]

    async def update(response: Any, **options: Any) -> httpx2.Response:
        params = {"taskId": task_id, "inputResponses": {asked["id"]: response, "unknown": {"action": "decline"}}}
        return await request(world, "tasks/update", params, **options)

    many = {"action": "accept", "content": {f"q{number}": True for number in range(100)}}
    for response in ({"action": "jump"}, "yes", many, {"action": "accept", "content": {"q1": True}}):
        assert (await update(response)).json()["error"]["code"] == -32602
    assert "result" in (await update({"action": "cancel"})).json()
    answers = {"q1": True, "where": "eu", "why": "because"}
    ignored = await update({"action": "accept", "content": answers}, token=claim.token)
    assert "result" in ignored.json()  # a worker may look, and what it says to questions is not heard
    assert (await result(world, "tasks/get", {"taskId": task_id}))["status"] == "input_required"

    assert "result" in (await update({"action": "accept", "content": answers})).json()
    assert "result" in (await update({"action": "decline"})).json()  # too late
    assert (await world.get(f"/api/approvals/{asked['id']}"))["answers"] == answers
    assert (await result(world, "tasks/get", {"taskId": task_id}))["status"] == "working"


async def test_given_a_request_for_approval_when_a_person_declines_then_that_is_a_no(world: World) -> None:
    agent = await world.register("ada")
    task_id = (await begun(world, "deploy"))["taskId"]
    claim = await world.take(agent)
    asked = await says(world, "request-human-input", {"title": "Deploy?"}, token=claim.token)
    await result(world, "tasks/update", {"taskId": task_id, "inputResponses": {asked["id"]: {"action": "decline"}}})
    assert (await world.get(f"/api/approvals/{asked['id']}"))["status"] == "denied"


async def test_given_a_viewer_when_it_follows_a_task_then_it_looks_and_does_nothing(world: World) -> None:
    viewer = (await session_of(world, await add_user(world, "eve"))).access
    agent = await world.register("ada")
    task_id = (await begun(world, "deploy"))["taskId"]
    claim = await world.take(agent)
    asked = await says(world, "request-human-input", {"title": "Deploy?"}, token=claim.token)
    assert (await result(world, "tasks/get", {"taskId": task_id}, token=viewer))["status"] == "working"
    answer = {"taskId": task_id, "inputResponses": {asked["id"]: {"action": "accept", "content": {}}}}
    await result(world, "tasks/update", answer, token=viewer)
    refused = await error(world, "tasks/cancel", {"taskId": task_id}, token=viewer)
    assert refused["data"]["code"] == "denied"
    assert (await world.get(f"/api/approvals/{asked['id']}"))["status"] == "open"
    assert (await world.get(f"/api/tasks/{task_id}"))["status"] == "running"
