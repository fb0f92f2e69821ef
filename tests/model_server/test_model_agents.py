"""The agents that answer without a script."""

from typing import Any

import pytest
from tests.model_server.model_client import ModelClient, text, tool_result

from agent_swarm.testing.model_server import ModelServer
from agent_swarm.testing.model_server.agents import StepsError, parse_steps

STEPS = """Please do this.
```steps
# first of all
say on it
run echo one
write it's.txt <<END
run this is text

END
call mcp__swarm__create_task {"title": "next"}
say all is written
```
Thank you."""


@pytest.mark.anyio
async def test_given_no_script_when_somebody_speaks_then_the_model_repeats_it(client: ModelClient) -> None:
    async with ModelServer() as model:
        assert await client.say(model, "good morning") == "you said: good morning"


@pytest.mark.anyio
async def test_given_steps_in_a_prompt_when_results_come_back_then_the_calls_are_made_one_by_one(
    client: ModelClient,
) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": STEPS}]
    answers = []
    async with ModelServer() as model:
        for _ in range(4):
            content = (await client.ask(model, messages=messages)).json()["content"]
            answers.append([block.get("text") or (block["name"], block["input"]) for block in content])
            messages += [{"role": "assistant", "content": content}, tool_result("fine")]
    first, second, third, last = answers
    assert first == ["on it", ("Bash", {"command": "echo one", "description": "Run a step"})]
    assert second[0][1]["command"] == """printf %s 'run this is text\n\n' > 'it'"'"'s.txt'"""
    assert third == [("mcp__swarm__create_task", {"title": "next"})]
    assert last == ["all is written"]


@pytest.mark.anyio
async def test_given_a_step_that_failed_when_its_result_comes_back_then_the_agent_says_so_and_stops(
    client: ModelClient,
) -> None:
    async with ModelServer() as model:
        messages = [{"role": "user", "content": STEPS}, tool_result("exit code 1", is_error=True)]
        assert await client.say(model, messages=messages) == "stopped: step 1 failed: exit code 1"


@pytest.mark.anyio
async def test_given_a_second_prompt_with_steps_when_it_comes_then_its_steps_begin_anew(client: ModelClient) -> None:
    async with ModelServer() as model:
        again = {"role": "user", "content": "```steps\nrun echo two\n```"}
        messages = [{"role": "user", "content": STEPS}, tool_result("fine"), again]
        (block,) = (await client.ask(model, messages=messages)).json()["content"]
    assert block["input"]["command"] == "echo two"


@pytest.mark.anyio
async def test_given_a_word_in_the_middle_of_the_steps_when_the_agent_hears_it_then_it_confirms_and_goes_on(
    client: ModelClient,
) -> None:
    result = tool_result("fine")
    result["content"].append(text("The user sent a new message while you were working:\nhurry"))
    async with ModelServer() as model:
        messages = [{"role": "user", "content": STEPS}, result]
        said, call = (await client.ask(model, messages=messages)).json()["content"]
    assert said["text"] == "heard: hurry"
    assert call["name"] == "Bash"


@pytest.mark.anyio
async def test_given_steps_without_a_last_word_when_they_are_done_then_the_agent_says_done(
    client: ModelClient,
) -> None:
    async with ModelServer() as model:
        messages = [{"role": "user", "content": "```steps\nrun true\n```"}, tool_result("")]
        assert await client.say(model, messages=messages) == "done"


@pytest.mark.anyio
async def test_given_lines_that_are_no_steps_when_they_are_asked_for_then_the_agent_says_which(
    client: ModelClient,
) -> None:
    async with ModelServer() as model:
        said = await client.say(model, "```steps\nrun true\nfly away\n```")
    assert said.startswith("cannot follow the steps: line 2: 'fly' is no step; expected one of: run COMMAND")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("run", "'run' is no step"),
        ("write a <<END\nx", "has no end"),
        ("call T [1]", "no object"),
        ("call T {", "JSON"),
    ],
)
def test_given_a_step_that_lacks_something_when_it_is_read_then_the_error_says_what(steps: str, message: str) -> None:
    with pytest.raises(StepsError, match=message):
        parse_steps(steps)
