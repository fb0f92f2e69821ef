"""Harness `claude` with the real Claude Code and a scripted model: nothing between them is pretended."""

import asyncio
import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_swarm.harness.base import Bounds, EventKind, Outcome, PermissionMode, Permissions, Session, Turn
from agent_swarm.harness.claude import ClaudeHarness
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.harness.kept.opening import GO_ON
from agent_swarm.sandbox.base import Sandbox
from agent_swarm.testing.harness_contract import AgentContract, MakeTurn, Transcript
from agent_swarm.testing.model_server import (
    Always,
    Call,
    CutStream,
    Fail,
    Hang,
    Message,
    ModelRequest,
    ModelServer,
    Say,
    SlowStream,
    Usage,
    follow_steps,
    rate_limited,
)
from agent_swarm.testing.model_server.replies import Reply
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.tool_server import ToolServer
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SANDBOXES = ("process", "bubblewrap")

WITHIN = 60.0
ENDLESS = "touch up; while :; do sleep 0.05; done"
ALL = Permissions(mode=PermissionMode.ALL)

Environment = Callable[..., dict[str, str]]


def bash(command: str) -> Call:
    return Call("Bash", {"command": command, "description": "a step"})


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir(exist_ok=True)
    return tmp_path / "workspace"


@pytest.fixture
def harness(claude_cli: Path) -> ClaudeHarness:
    return ClaudeHarness(str(claude_cli))


class Agent:
    """Runs turns against one model."""

    def __init__(self, harness: ClaudeHarness, sandbox: Sandbox, base: Turn) -> None:
        self.harness, self.sandbox, self.base = harness, sandbox, base
        self.transcript = Transcript()

    async def open(self, prompt: str = "do it", **changes: Any) -> Session:
        return await self.harness.open(self.sandbox, replace(self.base, prompt=prompt, **changes))

    async def run(self, session: Session) -> Outcome:
        return await asyncio.wait_for(session.run(self.transcript), WITHIN)

    async def once(self, prompt: str = "do it", **changes: Any) -> Outcome:
        session = await self.open(prompt, **changes)
        try:
            return await self.run(session)
        finally:
            await session.close()

    def logs(self) -> str:
        return "\n".join(str(event.data["text"]) for event in self.transcript.of(EventKind.LOG))

    def used(self) -> tuple[int, int, float]:
        """Input tokens, output tokens and dollars of everything that was told."""
        events = self.transcript.of(EventKind.USAGE)
        return (
            sum(event.data["inputTokens"] for event in events),
            sum(event.data["outputTokens"] for event in events),
            sum(event.data.get("costUsd", 0.0) for event in events),
        )


Hire = Callable[..., Agent]


@pytest.fixture
def hire(
    harness: ClaudeHarness, sandbox: Sandbox, workspace: Path, tmp_path: Path, claude_environment: Environment
) -> Hire:
    def make(model: ModelServer, **variables: str) -> Agent:
        base = Turn(
            task_id="0198b2a4-0000-7000-8000-000000000001",
            attempt=1,
            prompt="",
            workspace=workspace,
            state_dir=tmp_path / "state",
            env={**claude_environment(model.url), "CLAUDE_CODE_MAX_RETRIES": "1", **variables},
            permissions=ALL,
        )
        return Agent(harness, sandbox, base)

    return make


class TestContract(AgentContract):
    """The suite that every harness passes."""

    good = "```steps\nrun echo well\nsay done\n```"
    failing = "please fail"
    endless = f"```steps\nrun {ENDLESS}\n```"

    @pytest.fixture
    async def model(self) -> Any:
        def answer(request: ModelRequest) -> Reply:
            return Fail(400, message="no") if "please fail" in request.prompt else follow_steps(request)

        async with ModelServer(answer) as model:
            yield model

    @pytest.fixture
    def make_turn(
        self, tmp_path: Path, workspace: Path, model: ModelServer, claude_environment: Environment
    ) -> MakeTurn:
        def make(prompt: str, *, attempt: int = 1, session: str | None = None, **env: str) -> Turn:
            return Turn(
                task_id="0198b2a4-0000-7000-8000-000000000001",
                attempt=attempt,
                prompt=prompt,
                workspace=workspace,
                state_dir=tmp_path / "state",
                env={**claude_environment(model.url), "CLAUDE_CODE_MAX_RETRIES": "1", **env},
                session=session,
                permissions=ALL,
            )

        return make


class TestWork:
    """What an agent does arrives as typed events and in the workspace."""

    async def test_given_a_task_when_the_agent_works_then_calls_results_diffs_and_text_are_events(
        self, hire: Hire, workspace: Path
    ) -> None:
        (workspace / "notes.txt").write_text("one\ntwo\n")
        notes = str(workspace / "notes.txt")
        script: Script = [
            bash("echo made > made.txt; cat made.txt"),
            Call("Read", {"file_path": notes}),
            Call("Edit", {"file_path": notes, "old_string": "two", "new_string": "2"}),
            Message([Say("all "), Say("done")]),
        ]
        async with ModelServer(script) as model:
            agent = hire(model)
            outcome = await agent.once("work")
        assert outcome.ok
        assert (workspace / "made.txt").read_text() == "made\n"
        calls = [event.data["name"] for event in agent.transcript.of(EventKind.TOOL_CALL)]
        results = agent.transcript.of(EventKind.TOOL_RESULT)
        assert calls == ["Bash", "Read", "Edit"]
        assert (results[0].data["ok"], results[0].data["output"]) == (True, "made")
        assert "-two\n+2" in results[2].data["diff"]
        assert [event.data["text"] for event in agent.transcript.of(EventKind.TEXT)] == ["all ", "done"]

    async def test_given_a_tool_that_fails_when_it_answers_then_its_result_says_so(self, hire: Hire) -> None:
        async with ModelServer([bash("echo broken; exit 3"), Say("it failed")]) as model:
            agent = hire(model)
            assert (await agent.once()).ok
        result = agent.transcript.of(EventKind.TOOL_RESULT)[0].data
        assert result["ok"] is False
        assert "broken" in result["output"]

    async def test_given_model_system_prompt_and_task_when_the_agent_asks_its_model_then_all_three_arrive(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Say("yes")]) as model:
            agent = hire(model)
            await agent.once("say yes", model="claude-haiku-4-5", system_prompt="You are a Python specialist")
            request = model.requests[0]
        assert request.model == "claude-haiku-4-5"
        assert "You are a Python specialist" in json.dumps(request.body["system"])
        assert request.prompt == "say yes"

    async def test_given_a_running_agent_when_its_command_line_is_read_then_neither_prompt_nor_key_is_in_it(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Hang()]) as model:
            agent = hire(model, ANTHROPIC_API_KEY="sk-ant-hidden-key")
            session = await agent.open("a prompt for few eyes", system_prompt="a system prompt for few eyes")
            running = asyncio.create_task(agent.run(session))
            await model.requested()
            started = agent.transcript.of(EventKind.STARTED)[0]
            words = " ".join(psutil.Process(started.data["pid"]).cmdline())
            await session.close()
            await running
        assert "few eyes" not in words
        assert "hidden-key" not in words
        assert session.handle is not None and session.handle in words

    async def test_given_an_mcp_server_when_the_agent_calls_its_tool_then_it_is_called_and_its_token_is_for_few_eyes(
        self, hire: Hire, tmp_path: Path
    ) -> None:
        script: Script = [Call("mcp__swarm__echo", {"text": "over there"}), Say("called")]
        async with ToolServer("tool-token") as tools, ModelServer(script) as model:
            agent = hire(model)
            outcome = await agent.once(mcp_servers={"swarm": tools.config()})
            offered = [tool["name"] for tool in model.requests[0].body["tools"]]
        assert outcome.ok
        assert "mcp__swarm__echo" in offered
        assert tools.calls == [{"text": "over there"}]
        assert agent.transcript.of(EventKind.TOOL_RESULT)[0].data["output"] == "echo: over there"
        assert stat.S_IMODE((tmp_path / "state" / "claude" / "mcp.json").stat().st_mode) == 0o600

    async def test_given_an_mcp_server_that_refuses_the_token_when_the_agent_runs_then_that_is_a_failure(
        self, hire: Hire
    ) -> None:
        async with (
            ToolServer("tool-token") as tools,
            ModelServer([Always(Say("no tools, no matter"))]) as model,
        ):
            outcome = await hire(model).once(mcp_servers={"swarm": tools.config(token="another")})
        assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, "infrastructure", "mcpUnavailable")
        assert "swarm" in outcome.message


class TestConversation:
    """One process for a whole conversation: follow-ups, queues, interrupts, eviction, resuming."""

    async def test_given_a_kept_agent_when_it_gets_a_message_then_the_same_process_answers_in_the_same_conversation(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Say("first"), Say("second")]) as model:
            agent = hire(model)
            session = await agent.open("one", bounds=Bounds(idle=timedelta(minutes=1)))
            assert (await agent.run(session)).result == "first"
            await session.send("two")
            assert (await agent.run(session)).result == "second"
            assert [request.prompt for request in model.requests] == ["one", "two"]
            assert len(agent.transcript.of(EventKind.STARTED)) == 1
            await session.close()

    async def test_given_ten_messages_at_once_when_the_agent_is_busy_then_each_is_delivered_and_read_once(
        self, hire: Hire, workspace: Path
    ) -> None:
        heard: list[str] = []

        def answer(request: ModelRequest) -> Reply:
            heard.append(json.dumps(request.body["messages"][-1]))
            return bash("touch up; until [ -e go ]; do sleep 0.02; done") if len(heard) == 1 else Say("heard")

        async with ModelServer(answer) as model:
            agent = hire(model)
            session = await agent.open("begin")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            messages = [f"message number {number:02}" for number in range(10)]
            await asyncio.wait_for(asyncio.gather(*(session.send(text) for text in messages)), WITHIN)
            (workspace / "go").touch()
            outcome = await running
            everything = json.dumps(model.requests[-1].body["messages"])
        assert outcome.ok
        assert [everything.count(text) for text in messages] == [1] * 10
        assert [everything.index(text) for text in messages] == sorted(everything.index(text) for text in messages)

    async def test_given_a_message_that_comes_twice_when_the_agent_is_busy_then_it_reads_it_once_and_both_are_receipts(
        self, hire: Hire, workspace: Path
    ) -> None:
        hold = bash("touch up; until [ -e go ]; do sleep 0.02; done")
        async with ModelServer([hold, Say("heard")]) as model:
            agent, message_id = hire(model), "0198b2a4-5b7e-7c3d-9e4f-0123456789ab"
            session = await agent.open("begin")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            sending = (session.send("a word with you", message_id=message_id) for _ in range(2))
            await asyncio.wait_for(asyncio.gather(*sending), WITHIN)
            await session.send("a word with you", message_id=message_id)
            (workspace / "go").touch()
            outcome = await running
            everything = json.dumps(model.requests[-1].body["messages"])
        assert outcome.ok
        assert everything.count("a word with you") == 1

    async def test_given_an_agent_in_a_tool_when_it_is_interrupted_by_a_message_then_it_reads_that_and_goes_on(
        self, hire: Hire, workspace: Path
    ) -> None:
        async with ModelServer([bash(ENDLESS), Say("turned")]) as model:
            agent = hire(model)
            session = await agent.open("begin")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            await session.send("turn round", interrupt=True)
            outcome = await running
            assert "turn round" in json.dumps(model.requests[1].body["messages"])
        assert (outcome.ok, outcome.result) == (True, "turned")

    async def test_given_an_agent_in_a_tool_when_it_is_interrupted_then_it_ends_by_itself_and_can_be_resumed(
        self, hire: Hire, workspace: Path
    ) -> None:
        async with ModelServer([bash(ENDLESS), Say("went on")]) as model:
            agent = hire(model)
            session = await agent.open("the task")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            await session.interrupt()
            stopped = await running
            assert (stopped.ok, stopped.failure_code) == (False, "interrupted")
            last = agent.transcript.events[-1]
            assert (last.kind, last.data["exit"][:9]) == (EventKind.ENDED, "exit code")
            await session.close()
            outcome = await agent.once("never sent", session=session.handle)
            history = json.dumps(model.requests[1].body["messages"])
        assert outcome.result == "went on"
        assert "the task" in history
        assert "never sent" not in history

    async def test_given_an_agent_that_stopped_for_an_answer_when_it_is_resumed_then_that_is_what_it_is_told_next(
        self, hire: Hire, workspace: Path
    ) -> None:
        async with ModelServer([bash(ENDLESS), Say("went on")]) as model:
            agent = hire(model)
            session = await agent.open("the task")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            await session.interrupt()
            await running
            await session.close()
            outcome = await agent.once("never sent", session=session.handle, answers="You asked: Deploy?\nOutcome: no")
            prompt = model.requests[1].prompt
        assert outcome.result == "went on"
        assert prompt.endswith("You asked: Deploy?\nOutcome: no")
        assert prompt.startswith(GO_ON)

    async def test_given_an_idle_agent_when_it_was_evicted_then_the_next_message_resumes_its_conversation(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Say("first"), Say("second")]) as model:
            agent = hire(model)
            session = await agent.open("one", bounds=Bounds(idle=timedelta(milliseconds=10)))
            await agent.run(session)
            process = psutil.Process(agent.transcript.of(EventKind.STARTED)[0].data["pid"])
            await until(lambda: not process.is_running())
            await session.send("two")
            assert (await agent.run(session)).result == "second"
            history = json.dumps(model.requests[1].body["messages"])
            await session.close()
        assert history.index("one") < history.index("first") < history.index("two")
        assert len(agent.transcript.of(EventKind.STARTED)) == 2

    async def test_given_a_killed_agent_when_it_is_resumed_then_it_knows_what_it_did(
        self, hire: Hire, workspace: Path
    ) -> None:
        async with ModelServer([bash(ENDLESS), Say("went on")]) as model:
            agent = hire(model)
            session = await agent.open("remember me")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            await session.close()
            assert not (await running).ok
            outcome = await agent.once(session=session.handle)
            assert "remember me" in json.dumps(model.requests[1].body["messages"])
        assert outcome.result == "went on"

    async def test_given_a_conversation_that_nobody_knows_when_it_is_resumed_then_a_new_one_gets_task_and_context(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Say("begun")]) as model:
            agent = hire(model)
            unknown = "11111111-2222-4333-8444-555555555555"
            outcome = await agent.once("the whole task", session=unknown, context="what was done before")
            prompt = model.requests[0].prompt
        assert outcome.result == "begun"
        assert prompt == "what was done before\n\nthe whole task"
        assert "cannot be resumed" in agent.logs()

    async def test_given_an_agent_that_has_ended_when_it_gets_a_message_then_that_is_refused(self, hire: Hire) -> None:
        async with ModelServer([Say("bye")]) as model:
            agent = hire(model)
            session = await agent.open()
            await agent.run(session)
            with pytest.raises(NotDelivered):
                await session.send("too late")
            await session.close()


class TestFailures:
    """Exit codes lie; what ended the turn is told by its result."""

    @pytest.mark.parametrize(
        ("reply", "failure", "code"),
        [
            (Fail(401), "infrastructure", "authentication"),
            (Fail(403), "infrastructure", "authentication"),
            (Fail(429, headers={"retry-after": "1"}), "infrastructure", "rateLimit"),
            (Fail(500), "infrastructure", "modelError"),
            (Fail(529), "infrastructure", "overloaded"),
            (Fail(404), "policy", "unknownModel"),
            (Fail(400), "agent", "modelRefused"),
        ],
        ids=lambda value: str(value.status) if isinstance(value, Fail) else None,
    )
    async def test_given_a_model_that_answers_with_an_error_when_the_agent_gives_up_then_its_kind_is_known(
        self, hire: Hire, reply: Fail, failure: str, code: str
    ) -> None:
        async with ModelServer([Always(reply)]) as model:
            outcome = await hire(model).once()
        assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, failure, code)
        assert outcome.message

    async def test_given_a_used_up_subscription_when_the_agent_gives_up_then_it_is_known_until_when(
        self, hire: Hire
    ) -> None:
        resets_at = float(int(time.time()) + 3600)
        async with ModelServer([Always(rate_limited(resets_at=resets_at, retry_after=0))]) as model:
            agent = hire(model, ANTHROPIC_API_KEY="", CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-one")
            outcome = await agent.once()
        assert (outcome.failure_code, outcome.retry_at) == ("rateLimit", resets_at)

    async def test_given_no_credentials_when_the_agent_runs_then_it_says_what_to_set(self, hire: Hire) -> None:
        async with ModelServer([Say("never")]) as model:
            outcome = await hire(model, ANTHROPIC_API_KEY="").once()
        assert (outcome.ok, outcome.failure_code) == (False, "authentication")
        assert "CLAUDE_CODE_OAUTH_TOKEN" in outcome.message

    async def test_given_a_bound_of_model_calls_when_it_is_reached_then_the_agent_is_to_blame(self, hire: Hire) -> None:
        async with ModelServer([Always(bash("true"))]) as model:
            outcome = await hire(model).once(bounds=Bounds(turns=2))
        assert (outcome.failure, outcome.failure_code) == ("agent", "maxTurns")

    async def test_given_a_bound_of_cost_when_it_is_reached_then_trying_again_is_not_allowed(self, hire: Hire) -> None:
        dear = Call("Bash", {"command": "true", "description": "x"}, usage=Usage(1_000_000, 100_000))
        async with ModelServer([Always(dear)]) as model:
            outcome = await hire(model).once(bounds=Bounds(cost_usd=0.01))
        assert (outcome.failure, outcome.failure_code) == ("policy", "budget")

    async def test_given_a_stream_that_is_cut_when_the_model_is_asked_again_then_the_work_goes_on(
        self, hire: Hire
    ) -> None:
        async with ModelServer([CutStream(), Say("after all"), Always(Say("after all"))]) as model:
            assert (await hire(model).once()).result == "after all"

    async def test_given_a_slow_stream_when_it_comes_to_its_end_then_the_answer_is_whole(self, hire: Hire) -> None:
        async with ModelServer([SlowStream(Say("slow and steady"), chunk_seconds=0.1)]) as model:
            assert (await hire(model).once()).result == "slow and steady"

    async def test_given_a_model_that_never_answers_when_the_agent_is_silent_for_too_long_then_it_has_stalled(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Always(Hang())]) as model:
            outcome = await hire(model).once(bounds=Bounds(silence=timedelta(seconds=2)))
        assert (outcome.failure, outcome.failure_code) == ("infrastructure", "stalled")

    async def test_given_an_agent_that_is_killed_from_outside_when_it_is_gone_then_it_is_not_to_blame(
        self, hire: Hire, workspace: Path
    ) -> None:
        async with ModelServer([bash(ENDLESS)]) as model:
            agent = hire(model)
            session = await agent.open()
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            os.kill(agent.transcript.of(EventKind.STARTED)[0].data["pid"], 9)
            outcome = await running
            await session.close()
        assert (outcome.failure, outcome.failure_code) == ("infrastructure", "killed")


class TestUsage:
    """What was used is told once, whatever happens to the run."""

    async def test_given_a_good_run_when_its_usage_is_added_up_then_it_is_what_the_model_counted(
        self, hire: Hire
    ) -> None:
        script: Script = [
            Call("Bash", {"command": "true", "description": "x"}, usage=Usage(1000, 50, 100, 200)),
            Say("done", usage=Usage(2000, 70, 0, 1000)),
        ]
        async with ModelServer(script) as model:
            agent = hire(model)
            await agent.once()
        tokens_in, tokens_out, cost = agent.used()
        assert (tokens_in, tokens_out) == (1300 + 3000, 120)
        assert cost > 0

    async def test_given_a_resumed_conversation_when_both_runs_are_added_up_then_nothing_is_counted_twice(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Always(Say("same", usage=Usage(1000, 50)))]) as model:
            agent = hire(model)
            session = await agent.open()
            await agent.run(session)
            await session.close()
            first = agent.used()
            await agent.once(session=session.handle)
        second = agent.used()
        assert (first[:2], second[:2]) == ((1000, 50), (2000, 100))
        assert second[2] == pytest.approx(2 * first[2])

    async def test_given_an_agent_that_is_killed_when_it_had_used_the_model_then_that_was_told(
        self, hire: Hire, workspace: Path
    ) -> None:
        call = Call("Bash", {"command": ENDLESS, "description": "x"}, usage=Usage(1000, 50))
        async with ModelServer([call]) as model:
            agent = hire(model)
            session = await agent.open()
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            await until(lambda: agent.used()[1] == 50)
            await session.close()
            await running
        assert agent.used()[:2] == (1000, 50)


class TestPermissions:
    """Who cannot be asked is refused, unless the profile allows it."""

    async def test_given_a_profile_of_edits_when_the_agent_wants_a_shell_then_it_is_refused_and_told_so(
        self, hire: Hire, workspace: Path
    ) -> None:
        script: Script = [
            bash('python3 -c \'open("forbidden", "w")\''),
            Call("Write", {"file_path": str(workspace / "ok"), "content": "x"}),
            Say("done"),
        ]
        async with ModelServer(script) as model:
            agent = hire(model)
            outcome = await agent.once(permissions=Permissions())
        assert outcome.ok
        assert not (workspace / "forbidden").exists()
        assert [denied.data["name"] for denied in agent.transcript.of(EventKind.DENIED)] == ["Bash"]
        assert [result.data["ok"] for result in agent.transcript.of(EventKind.TOOL_RESULT)] == [False, True]
        assert (workspace / "ok").exists()
        assert outcome.data is not None
        assert [denial["tool"] for denial in outcome.data["permissionDenials"]] == ["Bash"]

    async def test_given_a_tool_that_is_allowed_by_name_when_the_agent_uses_it_then_that_works_and_others_do_not(
        self, hire: Hire, workspace: Path
    ) -> None:
        allowed = Permissions(mode=PermissionMode.ALLOWED, allowed_tools=("Bash(touch *)",))
        async with ModelServer([bash("touch allowed"), bash("mkdir forbidden"), Say("done")]) as model:
            await hire(model).once(permissions=allowed)
        assert (workspace / "allowed").exists()
        assert not (workspace / "forbidden").exists()

    async def test_given_a_tool_that_is_denied_when_everything_else_is_allowed_then_it_is_not_even_offered(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Say("done")]) as model:
            await hire(model).once(permissions=Permissions(mode=PermissionMode.ALL, denied_tools=("Bash",)))
            offered = [tool["name"] for tool in model.requests[0].body["tools"]]
        assert "Bash" not in offered
        assert "Read" in offered

    async def test_given_settings_with_a_hook_when_it_blocks_a_tool_then_the_agent_hears_why(
        self, hire: Hire, tmp_path: Path, workspace: Path
    ) -> None:
        hook = {"matcher": "Bash", "hooks": [{"type": "command", "command": "echo 'not on my watch' >&2; exit 2"}]}
        settings = tmp_path / "state" / "settings.json"  # where the agent sees it
        settings.write_text(json.dumps({"hooks": {"PreToolUse": [hook]}}))
        async with ModelServer([bash("touch forbidden"), Say("done")]) as model:
            agent = hire(model)
            await agent.once(permissions=Permissions(mode=PermissionMode.ALL, settings=settings))
        assert not (workspace / "forbidden").exists()
        assert "not on my watch" in agent.transcript.of(EventKind.TOOL_RESULT)[0].data["output"]


class TestRoughOutput:
    """Whatever is on its output, and whatever it leaves behind."""

    async def test_given_garbage_floods_and_half_characters_on_its_output_when_the_agent_works_then_it_is_bounded(
        self, hire: Hire, claude_cli: Path, tmp_path: Path
    ) -> None:
        wrapper = tmp_path / "noisy"
        wrapper.write_text(
            "#!/bin/sh\n"
            'printf \'no json\\n\\303\\n{"type": "unknown"}\\n[1]\\n{"type": 7}\\n\'\n'
            "head -c 100000000 /dev/zero | tr '\\0' 'x'\n"
            "echo; yes 'a line' | head -n 100000\n"
            f'exec {claude_cli} "$@"\n'
        )
        wrapper.chmod(0o755)
        async with ModelServer([Say("through it all")]) as model:
            agent = hire(model, PATH=f"{claude_cli.parent}:{os.environ['PATH']}")
            agent.harness = ClaudeHarness(str(wrapper))
            outcome = await agent.once()
        assert outcome.result == "through it all"
        logs = agent.logs()
        assert "no json" in logs
        assert "\N{REPLACEMENT CHARACTER}" in logs
        assert len(logs) < 200_000
        assert "more lines that are no JSON were dropped" in logs

    async def test_given_a_tool_that_prints_100_megabytes_when_it_ends_then_the_agent_goes_on(self, hire: Hire) -> None:
        flood = "head -c 100000000 /dev/zero | tr '\\0' 'x'"
        async with ModelServer([bash(flood), Say("survived")]) as model:
            agent = hire(model)
            assert (await agent.once()).result == "survived"
        assert len(json.dumps(agent.transcript.of(EventKind.TOOL_RESULT)[0].data)) < 1_000_000

    async def test_given_a_child_that_left_the_agents_session_when_the_run_is_over_then_it_is_gone(
        self, hire: Hire, workspace: Path
    ) -> None:
        marker = f"1000.{int.from_bytes(os.urandom(4))}"
        command = (
            f"setsid sh -c 'touch child; exec sleep {marker}' > /dev/null 2>&1 & "
            "until [ -e child ]; do sleep 0.02; done"
        )
        async with ModelServer([bash(command), Say("left")]) as model:
            agent = hire(model)
            assert (await agent.once()).ok
        assert (workspace / "child").exists()
        assert not [
            process for process in psutil.process_iter(["cmdline"]) if marker in (process.info["cmdline"] or ())
        ]
