"""The stub model in the words of the Chat Completions API: the same scripts, the same questions about a request."""

import json
from typing import Any

import pytest
from tests.model_server.model_client import ModelClient

from agent_swarm.testing.model_server import Call, Fail, Message, ModelServer, Purpose, Say, Usage

pytestmark = pytest.mark.anyio

TOOLS = [{"type": "function", "function": {"name": "bash"}}]
SAID: list[dict[str, Any]] = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": [{"type": "text", "text": "<current_datetime>now</current_datetime>\n\none"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "function": {"name": "bash", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "made"},
]


async def ask(client: ModelClient, model: ModelServer, **more: Any) -> Any:
    body = {"model": "m", "messages": SAID, "tools": TOOLS, **more}
    return await client.http.post(f"{model.url}/v1/chat/completions", json=body)


async def test_given_messages_when_they_are_read_then_they_are_what_user_and_tools_said(client: ModelClient) -> None:
    async with ModelServer([Say("yes", usage=Usage(7, 3))]) as model:
        answer = (await ask(client, model)).json()
        (request,) = model.requests
    assert (request.purpose, request.system, request.prompts) == (Purpose.TURN, "be kind", ["one"])
    assert [(one.call_id, one.text) for one in request.results] == [("c1", "made")]
    assert request.tools == ["bash"]
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "yes"}
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


async def test_given_words_and_a_call_when_they_are_streamed_then_pieces_make_the_whole_and_usage_comes_last(
    client: ModelClient,
) -> None:
    words = "a text that is longer than one piece"
    async with ModelServer([Message([Say(words), Call("Bash", {"command": "ls"})], usage=Usage(7, 3))]) as model:
        lines = (await ask(client, model, stream=True)).text.split("\n\n")
    told = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    deltas = [one["choices"][0]["delta"] for one in told if one["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == words
    (call,) = (call for delta in deltas for call in delta.get("tool_calls", ()))
    assert call["function"] == {"name": "bash", "arguments": json.dumps({"command": "ls"})}
    assert [one["choices"][0]["finish_reason"] for one in told if one["choices"]][-1] == "tool_calls"
    assert told[-1]["usage"]["total_tokens"] == 10


async def test_given_an_error_when_the_script_says_so_then_it_has_the_form_of_the_api(client: ModelClient) -> None:
    async with ModelServer([Fail(429, message="slow down")]) as model:
        answer = await ask(client, model)
    assert (answer.status_code, answer.json()["error"]["message"]) == (429, "slow down")
