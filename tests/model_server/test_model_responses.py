"""The stub model in the words of the Responses API: the same scripts, the same questions about a request."""

import json
from typing import Any

import pytest
from tests.model_server.model_client import ModelClient, events

from agent_swarm.testing.model_server import Call, Fail, FailStream, Message, ModelServer, Purpose, Say, Think, Usage

pytestmark = pytest.mark.anyio

TOOLS = [
    {"type": "function", "name": "exec_command"},
    {"type": "custom", "name": "apply_patch"},
    {"type": "namespace", "name": "mcp__swarm", "tools": [{"type": "function", "name": "get_task"}]},
    {"type": "web_search"},
]
SHOWN = "Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code 3\nOutput:\nbroken\n"


def user(*texts: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text} for text in texts]
    return {"type": "message", "role": "user", "content": content}


def about(**more: str) -> dict[str, str]:
    told = {"thread_id": "t-1", "request_kind": "turn", "agent_name": "/root", **more}
    return {"x-codex-turn-metadata": json.dumps(told)}


async def ask(client: ModelClient, model: ModelServer, *items: dict[str, Any], **more: Any) -> Any:
    body = {"model": "m", "input": list(items), "tools": TOOLS, "client_metadata": about(), **more}
    return await client.http.post(f"{model.url}/v1/responses", json=body)


async def test_given_items_when_they_are_read_then_they_are_what_user_and_tools_said(client: ModelClient) -> None:
    called = {"type": "function_call", "call_id": "c1", "name": "exec_command", "arguments": "{}"}
    answered = {"type": "function_call_output", "call_id": "c1", "output": SHOWN}
    told = {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be kind"}]}
    async with ModelServer([Say("yes")]) as model:
        await ask(
            client, model, told, user("<environment_context>x"), user("one", "two"), called, answered, user("meanwhile")
        )
        (request,) = model.requests
    assert (request.session, request.purpose, request.system.strip()) == ("t-1", Purpose.TURN, "be kind")
    assert request.prompts == ["one", "two"]
    assert request.interjections == ["meanwhile"]
    assert [(one.call_id, one.text, one.is_error) for one in request.results] == [("c1", "broken", True)]
    assert request.tools == ["exec_command", "apply_patch", "mcp__swarm__get_task"]


async def test_given_a_call_that_was_cut_off_when_the_user_speaks_then_that_is_a_prompt(client: ModelClient) -> None:
    called = {"type": "function_call", "call_id": "c1", "name": "exec_command", "arguments": "{}"}
    answered = {"type": "function_call_output", "call_id": "c1", "output": "aborted by user"}
    async with ModelServer([Say("yes")]) as model:
        await ask(client, model, user("one"), called, answered, user("<turn_aborted>"), user("two"))
        (request,) = model.requests
    assert (request.prompts, request.interjections) == (["one", "two"], [])


async def test_given_requests_without_tools_or_of_other_agents_when_they_come_then_they_do_not_move_the_script(
    client: ModelClient,
) -> None:
    async with ModelServer([Say("the script")]) as model:
        await ask(client, model, user("summarize"), tools=[])
        await ask(client, model, user("go"), client_metadata=about(agent_name="/another"))
        answer = await ask(client, model, user("hello"))
        assert [one.purpose for one in model.everything] == [Purpose.BACKGROUND, Purpose.DELEGATE, Purpose.TURN]
    assert answer.json()["output"][0]["content"][0]["text"] == "the script"


async def test_given_calls_in_the_words_of_scripts_when_they_are_answered_then_they_fit_the_tools_on_offer(
    client: ModelClient,
) -> None:
    calls = [
        Call("Bash", {"command": "ls"}, id="c1"),
        Call("apply_patch", {"input": "a patch"}, id="c2"),
        Call("mcp__swarm__get-task", {"id": "x"}, id="c3"),
        Call("unknown", {}, id="c4"),
    ]
    async with ModelServer([Message([Think("hm"), *calls])]) as model:
        output = (await ask(client, model, user("go"))).json()["output"]
    shown = [{name: item[name] for name in item.keys() - {"id", "status"}} for item in output[1:]]
    assert output[0]["type"] == "reasoning"
    assert shown == [
        {"type": "function_call", "name": "exec_command", "arguments": '{"cmd": "ls"}', "call_id": "c1"},
        {"type": "custom_tool_call", "name": "apply_patch", "input": "a patch", "call_id": "c2"},
        {
            "type": "function_call",
            "name": "get_task",
            "namespace": "mcp__swarm",
            "arguments": '{"id": "x"}',
            "call_id": "c3",
        },
        {"type": "function_call", "name": "unknown", "arguments": "{}", "call_id": "c4"},
    ]


async def test_given_a_text_when_it_is_streamed_then_its_pieces_make_it_and_the_end_tells_what_it_took(
    client: ModelClient,
) -> None:
    text = "words that do not fit into one piece " * 20
    async with ModelServer([Say(text, usage=Usage(1000, 50, 100, 200))]) as model:
        created, added, *deltas, done, completed = events(await ask(client, model, user("hello"), stream=True))
    assert (created["type"], added["item"]["content"]) == ("response.created", [])
    assert "".join(event["delta"] for event in deltas) == text == done["item"]["content"][0]["text"]
    usage = completed["response"]["usage"]
    assert (usage["input_tokens"], usage["input_tokens_details"], usage["output_tokens"]) == (
        1300,
        {"cached_tokens": 200},
        50,
    )


async def test_given_failures_when_they_are_answered_then_they_have_the_form_of_this_api(client: ModelClient) -> None:
    failing = FailStream(Say("x"), after=1, kind="overloaded_error")
    async with ModelServer([Fail(404, message="no such model", details={"resets_at": 7}), failing]) as model:
        refused = await ask(client, model, user("hello"))
        *_, failed = events(await ask(client, model, user("hello"), stream=True))
    error = refused.json()["error"]
    assert (refused.status_code, error["message"], error["code"], error["resets_at"]) == (
        404,
        "no such model",
        "model_not_found",
        7,
    )
    assert (failed["type"], failed["response"]["error"]["code"]) == ("response.failed", "server_is_overloaded")
