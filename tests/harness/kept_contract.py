"""What agent CLIs promise that are kept for a whole conversation, with the real CLI and a scripted model.

A test module subclasses `KeptContract`, supplies `harness`, which does not ask a failing model again, and says how
its CLI is different.
"""

import asyncio
import os
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
from tests.harness.kept_agent import ENDLESS, HOLD, WITHIN, Agent, Hire, bash

from agent_swarm.harness.base import Bounds, EventKind, Harness, PermissionMode, Permissions, Turn
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.harness.kept.opening import GO_ON
from agent_swarm.harness.stream import interrupted
from agent_swarm.sandbox.base import Sandbox
from agent_swarm.testing import agent_cli
from agent_swarm.testing.model_server import Always, Call, Fail, Hang, ModelRequest, ModelServer, Say, Usage
from agent_swarm.testing.model_server.replies import Reply
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.tool_server import ToolServer
from agent_swarm.testing.waiting import until

# As providers say it: some CLIs pass on nothing else.
WORDS = {
    401: "Incorrect API key provided: sk-x",
    404: "The model 'gpt-x' does not exist or you do not have access to it",
    429: "Rate limit reached for gpt-x in organization x",
    500: "The server had an error while processing your request",
    529: "The server is overloaded",
}


class KeptFixtures:
    """An agent of the module's harness, in a workspace, that works for a scripted model."""

    model_name: ClassVar[str] = agent_cli.MODEL

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Path:
        (tmp_path / "workspace").mkdir(exist_ok=True)
        return tmp_path / "workspace"

    @pytest.fixture
    def base(self, workspace: Path, tmp_path: Path) -> Turn:
        return Turn(
            task_id="0198b2a4-0000-7000-8000-000000000001",
            attempt=1,
            prompt="",
            workspace=workspace,
            state_dir=tmp_path / "state",
            env={},
            model=self.model_name,
            permissions=Permissions(mode=PermissionMode.ALL),
        )

    def environment(self, folder: Path, model: ModelServer, **variables: str) -> dict[str, str]:
        """Of an agent."""
        return agent_cli.environment(folder, model.url, **variables)

    @pytest.fixture
    def hire(self, harness: Harness, sandbox: Sandbox, base: Turn, tmp_path: Path) -> Hire:
        def make(model: ModelServer, **variables: str) -> Agent:
            env = self.environment(tmp_path / "agent", model, **variables)
            return Agent(harness, sandbox, replace(base, env=env))

        return make


class WorkContract(KeptFixtures):
    """What an agent does arrives as events, with the tools it is given, and without secrets."""

    shell: ClassVar[str] = "bash"  # the tool for commands, as it is told
    clean_exit: ClassVar[str] = "exit code 0"  # after an interrupt
    failures: ClassVar[dict[int, tuple[str, str]]] = {
        401: ("infrastructure", "authentication"),
        404: ("policy", "unknownModel"),
        429: ("infrastructure", "rateLimit"),
        500: ("infrastructure", "modelError"),
        529: ("infrastructure", "overloaded"),
    }
    failing_headers: ClassVar[dict[str, str]] = {}  # of a failing model: how soon it may be asked again
    asked_meanwhile: ClassVar[int] = 0  # how often the model may be asked until it is known that a server is missing
    is_steered: ClassVar[bool] = True  # whether messages are read in the turn that goes on
    echo: ClassVar[str] = "mcp__swarm__echo"  # as the model knows the tool of an MCP server
    asked_beyond: ClassVar[int] = 1  # how often it may be asked once a bound of calls is reached
    counts_each_answer: ClassVar[bool] = True  # or only what the last one of a turn has used
    counts_interrupted: ClassVar[bool] = True  # what a turn had used that was interrupted
    starts_within: ClassVar[float] = 8.0  # seconds until it has asked its model
    hides_keys: ClassVar[bool] = True  # from the commands of the agent
    keeps_keys: ClassVar[bool] = False  # in files of its own, which go with the run
    tells_output: ClassVar[bool] = True  # of commands
    key: ClassVar[str] = "OPENAI_API_KEY"
    effort: ClassVar[str] = ""  # as a model's name has it, where it can
    keeps_tokens_out_of_files: ClassVar[bool] = False  # those of MCP servers

    def silence(self) -> Reply:
        """Of a model about which the CLI says nothing."""
        return Hang()

    async def test_given_a_task_when_the_agent_works_then_calls_results_text_and_usage_are_events(
        self, hire: Hire, workspace: Path
    ) -> None:
        script: Script = [
            bash("echo made > made.txt; cat made.txt", Usage(1000, 50)),
            Call(self.echo, {"text": "over there"}),
            Say("done"),
        ]
        async with ToolServer("tool-token") as tools, ModelServer(script) as model:
            agent = hire(model)
            outcome = await agent.once(
                "work", system_prompt="You are a specialist", mcp_servers={"swarm": tools.config()}
            )
            first = model.requests[0]
        assert (outcome.ok, outcome.result) == (True, "done"), outcome
        assert (workspace / "made.txt").read_text() == "made\n"
        results = [event.data for event in agent.transcript.of(EventKind.TOOL_RESULT)]
        assert [result["ok"] for result in results] == [True, True]
        assert "made" in results[0]["output"] or not self.tells_output
        assert "echo: over there" in results[1]["output"]
        assert agent.transcript.of(EventKind.TOOL_CALL)[0].data["name"] == self.shell
        assert tools.calls == [{"text": "over there"}]
        assert [event.data["text"] for event in agent.transcript.of(EventKind.TEXT)] == ["done"]
        assert agent.used() == ((1000 + 2 * 10, 50 + 2 * 5) if self.counts_each_answer else (10, 5))
        assert first.prompt.endswith("work")
        assert first.key == agent_cli.KEY
        assert "You are a specialist" in f"{first.system}\n{first.prompt}"

    async def test_given_a_running_agent_when_arguments_files_and_shell_are_read_then_no_secret_is_in_them(
        self, hire: Hire, workspace: Path, tmp_path: Path
    ) -> None:
        look = "env > seen; touch up; until [ -e go ]; do sleep 0.02; done"
        worktree_of(tmp_path / "repository", workspace)
        async with ToolServer("tool-token") as tools, ModelServer([bash(look), Say("done")]) as model:
            agent = hire(model, HANDED_ON="yes", **{self.key: "sk-a-hidden-key"})
            session = await agent.open(
                "a prompt for few eyes",
                system_prompt="a system prompt for few eyes",
                model=f"{self.model_name}{self.effort}",
                mcp_servers={"swarm": tools.config()},
            )
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists, within=WITHIN)
            words = " ".join(psutil.Process(agent.pid()).cmdline())
            (workspace / "go").touch()
            assert (await running).ok
            await session.close()
            request = model.requests[0]
        assert "few eyes" not in words
        assert "hidden-key" not in words
        files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
        assert files
        hidden = (b"hidden-key", *((b"tool-token",) if self.keeps_tokens_out_of_files else ()))
        told = [path for path in files if any(word in path.read_bytes() for word in hidden)]
        assert not told or self.keeps_keys
        seen = (workspace / "seen").read_text()
        assert "HANDED_ON=yes" in seen
        assert ("hidden-key" in seen) != self.hides_keys
        assert not self.effort or request.body["reasoning"]["effort"] == "low"

    async def test_given_an_mcp_server_that_refuses_the_token_when_the_agent_runs_then_that_is_a_failure(
        self, hire: Hire
    ) -> None:
        async with ToolServer("tool-token") as tools, ModelServer([Always(Say("no matter"))]) as model:
            outcome = await hire(model).once(mcp_servers={"swarm": tools.config(token="another")})
            assert len(model.everything) <= self.asked_meanwhile
        assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, "infrastructure", "mcpUnavailable")
        assert "swarm" in outcome.message


class KeptContract(WorkContract):
    """And beyond that: one process for a whole conversation, interrupts, failures, and nothing left behind."""

    async def test_given_a_kept_agent_when_it_is_told_more_and_evicted_then_each_answer_knows_what_came_before(
        self, hire: Hire
    ) -> None:
        script: Script = [Say(word, usage=Usage(1000, 50)) for word in ("first", "second", "third")]
        async with ModelServer(script) as model:
            agent = hire(model)
            session = await agent.open("one", bounds=Bounds(idle=timedelta(milliseconds=200)))
            assert (await agent.run(session)).result == "first"
            await session.send("two")
            assert (await agent.run(session)).result == "second"
            assert len(agent.transcript.of(EventKind.STARTED)) == 1
            process = psutil.Process(agent.pid())
            await until(lambda: not process.is_running(), within=WITHIN)
            await session.send("three")
            assert (await agent.run(session)).result == "third"
            assert model.requests[-1].prompts == ["one", "two", "three"]
            await session.close()
        assert len(agent.transcript.of(EventKind.STARTED)) == 2
        assert agent.used() == (3000, 150), "totals of a resumed conversation were counted before"

    async def test_given_messages_at_once_one_of_them_twice_when_the_agent_is_busy_then_each_is_read_once_in_order(
        self, hire: Hire, workspace: Path
    ) -> None:
        async with ModelServer([bash(HOLD), Say("heard"), Say("heard")]) as model:
            agent = hire(model)
            session = await agent.open("begin")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists, within=WITHIN)
            messages = [f"message number {number:02}" for number in range(10)]
            ids = [f"0198b2a4-5b7e-7c3d-9e4f-0123456789{number:02}" for number in range(10)]
            sending = [session.send(text, message_id=name) for text, name in zip(messages, ids, strict=True)]
            again = session.send(messages[0], message_id=ids[0])
            sent = asyncio.gather(*sending, again)
            if self.is_steered:
                await asyncio.wait_for(sent, WITHIN)
            (workspace / "go").touch()
            outcome = await running
            await asyncio.wait_for(sent, WITHIN)
            last = model.requests[-1]
            heard = last.interjections if self.is_steered else last.prompts[1:]
            assert "\n".join(heard) == "\n".join(messages)  # one text of all of them, where a CLI makes that
            with pytest.raises(NotDelivered):
                await session.send("too late")
            await session.close()
        assert outcome.result == "heard"

    async def test_given_an_agent_in_a_tool_when_messages_interrupt_it_then_the_tool_ends_and_it_reads_all_of_them(
        self, hire: Hire, workspace: Path
    ) -> None:
        marker = f"1000.{int.from_bytes(os.urandom(4))}"
        async with ModelServer([bash(f"touch up; sleep {marker}"), bash(HOLD), Say("turned")]) as model:
            agent = hire(model)
            session = await agent.open("begin")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists, within=WITHIN)
            (workspace / "up").unlink()
            await asyncio.gather(session.send("by the way"), session.send("turn round", interrupt=True))
            await until((workspace / "up").exists, within=WITHIN)
            assert not processes_with(marker), "what was interrupted runs on"
            (workspace / "go").touch()
            outcome = await running
            assert "\n".join(model.requests[1].prompts) == "begin\nby the way\nturn round"
        assert (outcome.ok, outcome.result) == (True, "turned")

    async def test_given_an_agent_that_was_interrupted_when_it_is_resumed_then_it_goes_on_with_what_people_answered(
        self, hire: Hire, workspace: Path
    ) -> None:
        async with ModelServer([bash(ENDLESS, Usage(1000, 50)), Say("went on", Usage(2000, 70))]) as model:
            agent = hire(model)
            session = await agent.open("the task")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists, within=WITHIN)
            await session.interrupt()
            stopped = await running
            last = agent.transcript.events[-1]
            assert (stopped.ok, stopped.failure_code) == (False, "interrupted")
            assert stopped != interrupted(), "it was ended before it said that its turn is over"
            assert (last.kind, last.data["exit"]) == (EventKind.ENDED, self.clean_exit)
            await session.close()
            outcome = await agent.once("never sent", session=session.handle, answers="You asked: Deploy?\nOutcome: no")
            prompts = model.requests[1].prompts
        assert outcome.result == "went on"
        assert prompts[0] == "the task"
        assert prompts[1].startswith(GO_ON)
        assert prompts[1].endswith("You asked: Deploy?\nOutcome: no")
        assert agent.used() == ((3000, 120) if self.counts_each_answer and self.counts_interrupted else (2000, 70))

    async def test_given_a_killed_agent_when_it_is_resumed_then_nothing_of_it_is_left_and_it_knows_its_task(
        self, hire: Hire, workspace: Path
    ) -> None:
        marker = f"1000.{int.from_bytes(os.urandom(4))}"
        stray = f"setsid sleep {marker} > /dev/null 2>&1 &"
        async with ModelServer([bash(f"{stray} {ENDLESS}"), Say("went on")]) as model:
            agent = hire(model)
            session = await agent.open("remember me")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists, within=WITHIN)
            os.kill(agent.pid(), 9)
            killed = await running
            assert not processes_with(marker), "what it had started lives on"
            await session.close()
            outcome = await agent.once(session=session.handle)
            assert model.requests[1].prompts[0] == "remember me"
        assert (killed.failure, killed.failure_code) == ("infrastructure", "killed")
        assert outcome.result == "went on"

    async def test_given_a_conversation_that_nobody_knows_when_it_is_resumed_then_a_new_one_gets_task_and_context(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Say("begun")]) as model:
            agent = hire(model)
            unknown = "01a21ee2-0bf9-7d00-b153-abc1198e4ab9"
            outcome = await agent.once("the whole task", session=unknown, context="what was done before")
            prompt = model.requests[0].prompt
        assert outcome.result == "begun"
        assert prompt == "what was done before\n\nthe whole task"
        assert "cannot be resumed" in agent.logs()

    async def test_given_a_model_that_fails_when_the_agent_gives_up_then_its_kind_is_known(self, hire: Hire) -> None:
        kinds, statuses = {}, iter(self.failures)
        status = next(statuses)

        def failing(_request: ModelRequest) -> Reply:
            return Fail(status, message=WORDS[status], headers=self.failing_headers)

        async with ModelServer(failing) as model:
            agent = hire(model)
            session = await agent.open(bounds=Bounds(idle=timedelta(minutes=1)))
            outcome = await agent.run(session)
            kinds[status] = (outcome.failure, outcome.failure_code)
            for status in statuses:  # in one process: to start it again would take longer than all the rest
                await session.send("once more")
                outcome = await agent.run(session)
                kinds[status] = (outcome.failure, outcome.failure_code)
                assert not outcome.ok
                assert outcome.message
            await session.close()
        assert kinds == self.failures

    async def test_given_a_model_that_never_answers_when_the_agent_is_silent_for_too_long_then_it_has_stalled(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Always(self.silence())]) as model:
            outcome = await hire(model).once(bounds=Bounds(silence=timedelta(seconds=self.starts_within)))
            assert model.requests
        assert (outcome.failure, outcome.failure_code) == ("infrastructure", "stalled")

    async def test_given_a_bound_of_model_calls_when_it_is_reached_then_the_agent_is_to_blame(self, hire: Hire) -> None:
        async with ModelServer([Always(bash("true"))]) as model:
            outcome = await hire(model).once(bounds=Bounds(turns=2))
            assert 2 <= len(model.requests) <= 2 + self.asked_beyond
        assert (outcome.failure, outcome.failure_code) == ("agent", "maxTurns")

    async def test_given_a_child_that_left_the_agents_session_when_the_run_ends_then_it_is_gone(
        self, hire: Hire, workspace: Path
    ) -> None:
        marker = f"1000.{int.from_bytes(os.urandom(4))}"
        child = f"setsid sh -c 'touch child; exec sleep {marker}' > /dev/null 2>&1 &"
        async with ModelServer([bash(f"{child} until [ -e child ]; do sleep 0.02; done"), Say("done")]) as model:
            assert (await hire(model).once()).ok
        assert (workspace / "child").exists()
        assert not processes_with(marker)


def worktree_of(repository: Path, folder: Path) -> None:
    """What a worker gives an attempt: the CLI looks for the repository behind it, too."""
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@x.example")
    subprocess.run([*git, "init", "--quiet", repository], check=True)
    subprocess.run([*git, "-C", repository, "commit", "--quiet", "--allow-empty", "-m", "Start"], check=True)
    subprocess.run([*git, "-C", repository, "worktree", "add", "--quiet", "--detach", folder], check=True)


def processes_with(word: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if word in (process.info["cmdline"] or ())]
