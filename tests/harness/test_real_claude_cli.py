"""The real Claude Code against the stub model: that the stub speaks its language, and what the program does with it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from agent_swarm.testing.claude_cli import KEY
from agent_swarm.testing.model_server import Always, Call, Fail, Hang, ModelServer, Say, Step, Usage, rate_limited

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HEADLESS = ("--print", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions")
LINE_BYTES = 16 * 1024 * 1024
WITHIN_SECONDS = 120  # started for the first time, a program of 400 MB is read from the disk
FEW_RETRIES = {"CLAUDE_CODE_MAX_RETRIES": "1"}
THE_FUTURE = 4_000_000_000

Line = dict[str, Any]


@dataclass
class Session:
    """A running client: lines of JSON in, lines of JSON out."""

    process: asyncio.subprocess.Process

    def say(self, text: str) -> None:
        """One message of the user, in the format `stream-json`."""
        message = {"type": "user", "message": {"role": "user", "content": text}}
        self.send(message)

    def send(self, line: Line) -> None:
        """One line."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line).encode() + b"\n")

    async def turn(self) -> list[Line]:
        """The lines up to the next result, that one being the last."""
        lines: list[Line] = []
        while not lines or lines[-1]["type"] != "result":
            lines.append(await self._line())
        return lines

    async def ended(self) -> int:
        """Close its input, read what it still says, and tell the exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        async with asyncio.timeout(WITHIN_SECONDS):
            await self.process.stdout.read()
            return await self.process.wait()

    async def _line(self) -> Line:
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN_SECONDS):
            text = await self.process.stdout.readline()
        assert text, "it ended without a result"
        line: Line = json.loads(text)
        return line


Running = AbstractAsyncContextManager[Session]


class Started(Protocol):
    """`started(model, *arguments, **variables)`: a client in the test's workspace, killed at the end if it lives."""

    def __call__(
        self, model: ModelServer, *arguments: str, **variables: str
    ) -> AbstractAsyncContextManager[Session]: ...


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


@pytest.fixture
def started(claude_cli: Path, claude_environment: Callable[..., dict[str, str]], workspace: Path) -> Started:
    @asynccontextmanager
    async def start(model: ModelServer, *arguments: str, **variables: str) -> AsyncIterator[Session]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            claude_cli,
            *HEADLESS,
            *arguments,
            cwd=workspace,
            env=claude_environment(model.url, **variables),
            stdin=pipe,
            stdout=pipe,
            limit=LINE_BYTES,
        )
        try:
            yield Session(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return start


async def run(started: Started, model: ModelServer, prompt: str, **variables: str) -> tuple[int, list[Line]]:
    """Exit code and lines of a whole run."""
    async with started(model, **variables) as session:
        assert session.process.stdin is not None
        session.process.stdin.write(prompt.encode())
        session.process.stdin.close()
        lines = await session.turn()
        return await session.ended(), lines


def contents(lines: Sequence[Line], kind: str) -> list[Line]:
    """The blocks of the messages of one side."""
    return [block for line in lines if line["type"] == kind for block in line["message"]["content"]]


async def test_given_a_prompt_when_the_model_answers_then_the_result_is_its_text_and_costs_what_it_used(
    started: Started,
) -> None:
    usage = Usage(input_tokens=1000, output_tokens=50, cache_creation_input_tokens=100, cache_read_input_tokens=200)
    async with ModelServer([Say("good morning", usage=usage)]) as model:
        code, lines = await run(started, model, "hello there")
    result = lines[-1]
    assert (code, result["is_error"], result["terminal_reason"]) == (0, False, "completed")
    assert result["result"] == "good morning"
    counted = {name: result["usage"][name] for name in ("input_tokens", "output_tokens", "cache_read_input_tokens")}
    assert counted == {"input_tokens": 1000, "output_tokens": 50, "cache_read_input_tokens": 200}
    assert result["total_cost_usd"] > 0
    (request,) = model.everything  # it asks for nothing in the background
    assert (request.prompt, request.key, request.is_streamed) == ("hello there", KEY, True)
    assert request.session == result["session_id"]
    assert "Bash" in request.tools


async def test_given_a_call_of_bash_when_the_agent_makes_it_then_the_file_is_there_and_the_model_gets_the_output(
    started: Started, workspace: Path
) -> None:
    script: list[Step | Always] = [Call("Bash", {"command": "echo made > made.txt; echo output"}), Say("done")]
    async with ModelServer(script) as model:
        code, lines = await run(started, model, "make it")
        (result,) = (await model.requested(2)).results
    assert (code, lines[-1]["result"]) == (0, "done")
    assert (workspace / "made.txt").read_text() == "made\n"
    assert (result.text, result.is_error) == ("output", False)
    assert [block["type"] for block in contents(lines, "assistant")] == ["tool_use", "text"]


async def test_given_steps_in_the_prompt_when_no_script_is_given_then_the_agent_does_them(
    started: Started, workspace: Path
) -> None:
    steps = "```steps\nwrite notes.txt <<END\nit's one\nEND\nrun wc -l < notes.txt > count.txt\nsay written\n```"
    async with ModelServer() as model:
        code, lines = await run(started, model, f"Do this:\n{steps}\n")
    assert (code, lines[-1]["result"]) == (0, "written")
    assert (workspace / "notes.txt").read_text() == "it's one\n"
    assert (workspace / "count.txt").read_text().strip() == "1"


async def test_given_an_agent_that_starts_another_when_both_ask_then_only_the_first_moves_the_script(
    started: Started,
) -> None:
    asked = Call("Agent", {"description": "look", "prompt": "look around", "run_in_background": False})
    async with ModelServer([asked, Say("all seen")]) as model:
        code, lines = await run(started, model, "have a look")
    assert (code, lines[-1]["result"]) == (0, "all seen")
    assert [request.purpose.value for request in model.everything] == ["turn", "delegate", "turn"]
    assert "you said: look around" in model.requests[1].results[0].text


@pytest.mark.parametrize(("status", "error"), [(401, "authentication_failed"), (529, "overloaded")])
async def test_given_a_model_that_fails_when_retries_are_spent_then_the_result_is_an_error_with_its_status(
    started: Started, status: int, error: str
) -> None:
    async with ModelServer([Always(Fail(status, message="no more"))]) as model:
        code, lines = await run(started, model, "hello", **FEW_RETRIES)
    result = lines[-1]
    assert (code, result["is_error"], result["terminal_reason"]) == (1, True, "api_error")
    assert result["api_error_status"] == status
    assert "no more" in result["result"]
    retries = [line for line in lines if line.get("subtype") == "api_retry"]
    assert [(line["attempt"], line["error_status"], line["error"]) for line in retries] == [(1, status, error)]
    assert len(model.requests) == 2


async def test_given_a_used_up_window_when_the_reset_is_far_off_then_the_run_ends_without_a_retry(
    started: Started,
) -> None:
    async with ModelServer([Always(rate_limited(resets_at=THE_FUTURE))]) as model:
        code, lines = await run(started, model, "hello")
    assert (code, lines[-1]["api_error_status"], len(model.requests)) == (1, 429, 1)


async def test_given_a_process_that_is_kept_when_it_gets_two_messages_then_the_second_knows_of_the_first(
    started: Started,
) -> None:
    async with (
        ModelServer([Say("one"), Say("two")]) as model,
        started(model, "--input-format", "stream-json") as session,
    ):
        session.say("first")
        first = await session.turn()
        session.say("second")
        second = await session.turn()
        assert await session.ended() == 0
        request = await model.requested(2)
    assert [lines[-1]["result"] for lines in (first, second)] == ["one", "two"]
    assert first[-1]["session_id"] == second[-1]["session_id"]
    assert request.prompts == ["first", "second"]


async def test_given_a_model_that_hangs_when_the_process_is_interrupted_then_the_turn_ends_and_the_next_one_works(
    started: Started,
) -> None:
    async with (
        ModelServer([Hang(), Say("here again")]) as model,
        started(model, "--input-format", "stream-json") as session,
    ):
        session.say("first")
        await model.requested(1)
        interrupt = {"type": "control_request", "request_id": "1", "request": {"subtype": "interrupt"}}
        session.send(interrupt)
        first = await session.turn()
        session.say("second")
        second = await session.turn()
        assert await session.ended() == 0
    assert (first[-1]["is_error"], first[-1]["subtype"]) == (True, "error_during_execution")
    assert second[-1]["result"] == "here again"
