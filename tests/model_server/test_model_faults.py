"""The ways to go wrong."""

import asyncio

import httpx2
import pytest
from tests.model_server.model_client import ModelClient, events, turn

from agent_swarm.testing.model_server import (
    Always,
    Call,
    CutStream,
    Fail,
    FailStream,
    Garbage,
    Hang,
    ModelServer,
    Say,
    SlowStream,
    rate_limited,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "authentication_error"), (429, "rate_limit_error"), (500, "api_error"), (529, "overloaded_error")],
)
async def test_given_a_failure_when_a_turn_comes_then_it_has_the_form_of_the_api(
    client: ModelClient, status: int, kind: str
) -> None:
    async with ModelServer([Fail(status, message="no", headers={"retry-after": "7"})]) as model:
        answer = await client.ask(model, stream=True)
    assert answer.status_code == status
    assert answer.headers["retry-after"] == "7"
    body = answer.json()
    assert body == {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": body["request_id"]}
    assert body["request_id"] == answer.headers["request-id"]


async def test_given_a_used_up_window_when_a_turn_comes_then_the_headers_say_until_when(client: ModelClient) -> None:
    async with ModelServer([rate_limited(resets_at=1_900_000_000, retry_after=2)]) as model:
        answer = await client.ask(model)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
    told = {name: answer.headers[f"anthropic-ratelimit-unified-{name}"] for name in ("status", "reset", "5h-reset")}
    assert told == {"status": "rejected", "reset": "1900000000", "5h-reset": "1900000000"}


async def test_given_a_cut_stream_when_it_is_read_then_it_breaks_after_the_events_it_was_to_have(
    client: ModelClient,
) -> None:
    async with (
        ModelServer([CutStream(Say("a long enough text, in pieces"), after=3)]) as model,
        client.http.stream("POST", f"{model.url}/v1/messages", json=turn(stream=True)) as answer,
    ):
        lines = answer.aiter_lines()
        read = [await anext(lines) for _ in range(3 * 3)]  # an event is two lines and a blank one
        with pytest.raises(httpx2.RemoteProtocolError):
            await anext(lines)
    assert read[-3] == "event: content_block_delta"


async def test_given_a_cut_when_nothing_is_streamed_then_no_answer_comes(client: ModelClient) -> None:
    async with ModelServer([CutStream()]) as model:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.ask(model)


async def test_given_a_failing_stream_when_it_is_read_then_it_ends_in_an_error_event(client: ModelClient) -> None:
    async with ModelServer([FailStream(after=2, message="too busy")]) as model:
        *first, last = events(await client.ask(model, stream=True))
    assert [event["type"] for event in first] == ["message_start", "content_block_start"]
    assert last["error"] == {"type": "overloaded_error", "message": "too busy"}


async def test_given_a_gate_when_a_stream_comes_to_it_then_it_waits_there_until_the_gate_is_open(
    client: ModelClient,
) -> None:
    gate = asyncio.Event()
    async with ModelServer([SlowStream(Say("slow"), after=2, gate=gate)]) as model:
        request = client.http.stream("POST", f"{model.url}/v1/messages", json=turn(stream=True))
        async with request as answer:
            lines = answer.aiter_lines()
            before = [await anext(lines) for _ in range(6)]  # two events of two lines, and the blank ones after them
            gate.set()
            after = [line async for line in lines if line.startswith("event: ")]
    assert [line for line in before if line.startswith("event: ")] == [
        "event: message_start",
        "event: content_block_start",
    ]
    assert after[0] == "event: content_block_delta"
    assert after[-1] == "event: message_stop"


async def test_given_a_stream_with_pauses_when_it_is_read_then_all_of_it_comes(client: ModelClient) -> None:
    async with ModelServer([SlowStream(Call("Bash", {}), chunk_seconds=0.001)]) as model:
        assert events(await client.ask(model, stream=True))[-1] == {"type": "message_stop"}


async def test_given_a_model_that_hangs_when_it_is_released_then_it_answers(client: ModelClient) -> None:
    hang = Hang(then=Say("late"))
    async with ModelServer([hang]) as model, asyncio.TaskGroup() as group:
        asking = group.create_task(client.say(model))
        await model.requested(1)
        assert not asking.done()
        hang.release()
        assert await asking == "late"


async def test_given_a_model_that_hangs_when_the_server_stops_then_the_client_is_let_go(client: ModelClient) -> None:
    async with ModelServer([Hang()]) as model:
        asking = asyncio.create_task(client.say(model))
        await model.requested(1)
    with pytest.raises(httpx2.TransportError):
        await asking


async def test_given_garbage_when_a_turn_comes_then_the_body_is_what_was_said(client: ModelClient) -> None:
    async with ModelServer([Garbage(b"\xff<", status=502)]) as model:
        answer = await client.ask(model)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (502, b"\xff<", "text/html")


async def test_given_a_failure_for_always_when_turns_go_on_then_each_gets_it(client: ModelClient) -> None:
    async with ModelServer([Say("once"), Always(Fail(529))]) as model:
        assert [(await client.ask(model)).status_code for _ in range(4)] == [200, 529, 529, 529]
