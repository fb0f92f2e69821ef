"""What comes back: whole, as a stream, with the numbers that were asked for."""

import pytest
from tests.model_server.model_client import KEY, ModelClient, events, turn

from agent_swarm.testing.model_server import Call, Message, ModelRequest, ModelServer, Say, Think, Usage

pytestmark = pytest.mark.anyio
USAGE = Usage(input_tokens=1000, output_tokens=50, cache_creation_input_tokens=100, cache_read_input_tokens=200)


async def test_given_a_text_when_it_is_asked_for_whole_then_it_comes_as_one_message(client: ModelClient) -> None:
    async with ModelServer([Say("a word", usage=USAGE)]) as model:
        answer = await client.ask(model)
    body = answer.json()
    assert (body["type"], body["role"], body["model"]) == ("message", "assistant", "claude-test")
    assert body["content"] == [{"type": "text", "text": "a word"}]
    assert (body["stop_reason"], body["stop_sequence"]) == ("end_turn", None)
    assert body["usage"] == {
        "input_tokens": 1000,
        "output_tokens": 50,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 200,
    }
    assert answer.headers["request-id"].startswith("req_")


async def test_given_a_text_when_it_is_streamed_then_its_pieces_make_it_and_the_end_tells_what_it_took(
    client: ModelClient,
) -> None:
    text = "words that do not fit into one piece " * 20
    async with ModelServer([Say(text, usage=USAGE)]) as model:
        answer = await client.ask(model, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, start, *deltas, stop, ending, last = events(answer)
    assert first["message"]["usage"]["input_tokens"] == 1000
    assert start["content_block"] == {"type": "text", "text": ""}
    assert "".join(event["delta"]["text"] for event in deltas) == text
    assert 1 < len(deltas) <= 8
    assert stop == {"type": "content_block_stop", "index": 0}
    assert ending["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert ending["usage"]["output_tokens"] == 50
    assert last == {"type": "message_stop"}


async def test_given_a_call_when_it_is_streamed_then_its_input_comes_as_pieces_of_json(client: ModelClient) -> None:
    async with ModelServer([Call("Bash", {"command": "echo 'a long enough one'"}, id="toolu_1")]) as model:
        _, start, *deltas, _, ending, _ = events(await client.ask(model, stream=True))
    assert start["content_block"] == {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    pieces = [event["delta"]["partial_json"] for event in deltas]
    assert "".join(pieces) == '{"command": "echo \'a long enough one\'"}'
    assert len(pieces) > 1
    assert ending["delta"]["stop_reason"] == "tool_use"


async def test_given_several_blocks_when_they_are_answered_then_they_keep_their_order(client: ModelClient) -> None:
    message = Message([Think("hm"), Say("two"), Call("Bash", {}), Call("Read", {})], usage=USAGE, model="other")
    async with ModelServer([message, message]) as model:
        streamed = events(await client.ask(model, stream=True))
        whole = (await client.ask(model)).json()
    starts = [event for event in streamed if event["type"] == "content_block_start"]
    assert [event["index"] for event in starts] == [0, 1, 2, 3]
    kinds = ["thinking", "text", "tool_use", "tool_use"]
    assert [event["content_block"]["type"] for event in starts] == kinds
    assert [block["type"] for block in whole["content"]] == kinds
    assert whole["model"] == streamed[0]["message"]["model"] == "other"
    assert len({block["id"] for block in whole["content"] if "id" in block}) == 2


async def test_given_a_stop_reason_when_it_is_answered_then_it_is_told(client: ModelClient) -> None:
    async with ModelServer([Message([Say("cut")], stop_reason="max_tokens")]) as model:
        assert (await client.ask(model)).json()["stop_reason"] == "max_tokens"


async def test_given_a_function_when_a_turn_comes_then_it_answers_from_what_the_turn_holds(client: ModelClient) -> None:
    def answer(request: ModelRequest) -> Say:
        return Say(f"{request.model} {request.system} {request.prompt} {request.tools} {request.key == KEY}")

    async with ModelServer(answer) as model:
        system = [{"type": "text", "text": "be brief"}]
        assert await client.say(model, "hi", system=system) == "claude-test be brief hi ['Bash'] True"


async def test_given_an_async_function_in_a_script_when_its_turn_comes_then_it_is_awaited(client: ModelClient) -> None:
    async def later(request: ModelRequest) -> Say:
        return Say(f"later: {request.prompt}")

    async with ModelServer([Say("first"), later]) as model:
        assert [await client.say(model), await client.say(model)] == ["first", "later: hello"]


async def test_given_tokens_to_count_when_they_are_asked_for_then_a_number_comes_and_no_reply_is_spent(
    client: ModelClient,
) -> None:
    async with ModelServer([Say("still there")]) as model:
        counted = await client.http.post(f"{model.url}/v1/messages/count_tokens", json=turn())
        assert counted.json()["input_tokens"] > 0
        assert await client.say(model) == "still there"


async def test_given_a_client_that_looks_whether_somebody_is_there_then_somebody_is(client: ModelClient) -> None:
    async with ModelServer() as model:
        assert (await client.http.head(f"{model.url}/")).status_code == 200
        missing = await client.http.get(f"{model.url}/v1/nothing")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
async def test_given_a_body_that_is_no_object_when_it_arrives_then_it_is_refused(
    client: ModelClient, content: bytes
) -> None:
    async with ModelServer() as model:
        refused = await client.http.post(f"{model.url}/v1/messages", content=content)
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")
