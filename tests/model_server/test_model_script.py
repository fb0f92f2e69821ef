"""Which reply a request gets, and what is remembered of it."""

import asyncio

import pytest
from tests.model_server.model_client import KEY, REMINDER, ModelClient, text, tool_result, turn

from agent_swarm.testing.model_server import Fail, ModelRequest, ModelServer, Purpose, Say

pytestmark = pytest.mark.anyio

DELEGATE = {"x-claude-code-agent-id": "a1"}


async def test_given_two_conversations_when_they_take_turns_then_each_plays_the_script_from_its_start(
    client: ModelClient,
) -> None:
    async with ModelServer([Say("one"), Say("two")]) as model:
        order = ["ada", "bob", "ada", "bob"]
        assert [await client.say(model, session=session) for session in order] == ["one", "one", "two", "two"]


async def test_given_a_shared_script_when_two_conversations_take_turns_then_they_play_it_together(
    client: ModelClient,
) -> None:
    async with ModelServer([Say("one"), Say("two")], is_shared=True) as model:
        assert [await client.say(model, session=session) for session in ("ada", "bob")] == ["one", "two"]


async def test_given_a_client_without_sessions_when_it_asks_then_its_first_message_tells_conversations_apart(
    client: ModelClient,
) -> None:
    async with ModelServer([Say("one"), Say("two")]) as model:
        assert [await client.say(model, text, session="") for text in ("a", "b", "a")] == ["one", "one", "two"]


async def test_given_a_session_in_the_metadata_when_no_header_names_it_then_it_counts(client: ModelClient) -> None:
    async with ModelServer() as model:
        await client.ask(model, session="", metadata={"user_id": '{"session_id": "s-9"}'})
        await client.ask(model, session="", metadata={"user_id": "somebody"})
        assert [request.session for request in model.requests] == ["s-9", ""]


async def test_given_a_spent_script_when_a_further_turn_comes_then_it_is_refused_and_says_why(
    client: ModelClient,
) -> None:
    async with ModelServer([Say("all")]) as model:
        await client.ask(model)
        answer = await client.ask(model)
    assert answer.status_code == 403
    assert "the script has no more replies" in answer.json()["error"]["message"]


async def test_given_requests_that_are_no_turn_when_they_come_then_no_reply_is_spent_on_them(
    client: ModelClient,
) -> None:
    async with ModelServer([Say("the reply")]) as model:
        assert await client.say(model, "a title, please", tools=[]) == "ok"
        answer = await client.http.post(f"{model.url}/v1/messages", json=turn("explore"), headers=DELEGATE)
        assert answer.json()["content"][0]["text"] == "you said: explore"
        assert await client.say(model) == "the reply"
        assert [request.purpose for request in model.everything] == [
            Purpose.BACKGROUND,
            Purpose.DELEGATE,
            Purpose.TURN,
        ]
        assert [request.prompt for request in model.requests] == ["hello"]


async def test_given_a_script_for_delegates_when_one_asks_then_it_answers(client: ModelClient) -> None:
    async with ModelServer([], delegates=lambda request: Say(f"so: {request.prompt}")) as model:
        answer = await client.http.post(f"{model.url}/v1/messages", json=turn("look"), headers=DELEGATE)
    assert answer.json()["content"][0]["text"] == "so: look"


async def test_given_a_test_that_waits_when_the_turn_comes_then_it_gets_that_request(client: ModelClient) -> None:
    async with ModelServer() as model, asyncio.TaskGroup() as group:
        waiting = group.create_task(model.requested(2))
        await client.ask(model, "first")
        await client.ask(model, "second")
        assert (await waiting).prompt == "second"


async def test_given_a_test_that_waits_in_vain_when_its_time_is_up_then_it_learns_what_was_asked(
    client: ModelClient,
) -> None:
    async with ModelServer() as model:
        await client.ask(model)
        with pytest.raises(AssertionError, match=r"so far the model was asked for \['turn'\]"):
            await model.requested(2, within=0.01)


async def test_given_a_function_that_raises_when_the_block_ends_then_the_test_learns_of_it(
    client: ModelClient,
) -> None:
    def refuse(request: ModelRequest) -> Fail:
        raise AssertionError(f"not expected: {request.prompt}")

    with pytest.raises(AssertionError, match="not expected: hello"):
        async with ModelServer(refuse) as model:
            assert (await client.ask(model)).status_code == 403


async def test_given_a_server_when_it_is_stopped_and_started_then_it_is_at_the_same_address(
    client: ModelClient,
) -> None:
    async with ModelServer() as model:
        url = model.url
        await model.stop()
        await model.stop()
        await model.start()
        assert model.url == url
        assert await client.say(model, "again") == "you said: again"


async def test_given_a_request_when_it_is_looked_at_then_it_tells_what_came_in_but_does_not_show_the_key(
    client: ModelClient,
) -> None:
    async with ModelServer() as model:
        messages = [
            {"role": "user", "content": [REMINDER, {"type": "text", "text": "build it"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}]},
            tool_result("it broke", is_error=True),
        ]
        await client.ask(model, messages=messages)
        (request,) = model.requests
    assert (request.prompts, request.prompt, request.key) == (["build it"], "build it", KEY)
    assert [(result.call_id, result.text, result.is_error) for result in request.results] == [
        ("toolu_1", "it broke", True)
    ]
    assert KEY not in repr(request)


async def test_given_what_a_client_adds_when_a_request_is_looked_at_then_only_the_users_words_are_prompts(
    client: ModelClient,
) -> None:
    interjected = "The user sent a new message while you were working:\nhurry\n\nThis is how Claude Code surfaces it."
    interrupted = tool_result("stopped", is_error=True)
    interrupted["content"] += [text("[Request interrupted by user for tool use]"), text("something else\n")]
    steered = tool_result("fine")
    steered["content"].append(text(interjected))
    async with ModelServer() as model:
        await client.ask(model, messages=[{"role": "user", "content": "first"}, interrupted, steered])
        (request,) = model.requests
    assert request.prompts == ["first", "something else"]
    assert [result.text for result in request.results] == ["fine"]
    assert request.interjections == ["hurry"]
