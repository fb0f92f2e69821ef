"""Harness `codex` with the real Codex and a scripted model: nothing between them is pretended."""

import asyncio
import json
import os
import subprocess
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.harness.codex_agent import ENDLESS, HOLD, WITHIN, Agent, Hire, bash

from agent_swarm.harness.base import Bounds, EventKind, PermissionMode, Permissions, Turn
from agent_swarm.harness.codex import CodexHarness
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.harness.kept.opening import GO_ON
from agent_swarm.sandbox.base import Sandbox
from agent_swarm.testing import codex_cli as codex
from agent_swarm.testing.harness_contract import AgentContract, MakeTurn
from agent_swarm.testing.model_server import (
    Always,
    Call,
    CutStream,
    Fail,
    FailStream,
    Hang,
    Message,
    ModelRequest,
    ModelServer,
    Say,
    Usage,
    follow_steps,
    usage_limited,
)
from agent_swarm.testing.model_server.replies import Reply
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.tool_server import ToolServer
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ALL = Permissions(mode=PermissionMode.ALL)
NEW_FILE = "*** Begin Patch\n*** Add File: {path}\n+one\n*** End Patch\n"
CHANGE = "*** Begin Patch\n*** Update File: notes.txt\n@@\n one\n-two\n+2\n*** End Patch\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir(exist_ok=True)
    return tmp_path / "workspace"


@pytest.fixture
def harness(codex_cli: Path) -> CodexHarness:
    return CodexHarness(str(codex_cli), retries=0)


@pytest.fixture
def base(workspace: Path, tmp_path: Path) -> Turn:
    return Turn(
        task_id="0198b2a4-0000-7000-8000-000000000001",
        attempt=1,
        prompt="",
        workspace=workspace,
        state_dir=tmp_path / "state",
        env={},
        model=codex.MODEL,
        permissions=ALL,
    )


@pytest.fixture
def hire(harness: CodexHarness, sandbox: Sandbox, base: Turn, tmp_path: Path) -> Hire:
    def make(model: ModelServer, **variables: str) -> Agent:
        env = codex.environment(tmp_path / "codex", model.url, **variables)
        return Agent(harness, sandbox, replace(base, env=env))

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
    def make_turn(self, base: Turn, model: ModelServer, tmp_path: Path) -> MakeTurn:
        def make(prompt: str, *, attempt: int = 1, session: str | None = None, **env: str) -> Turn:
            env = codex.environment(tmp_path / "codex", model.url, **env)
            return replace(base, prompt=prompt, attempt=attempt, session=session, env=env)

        return make


class TestWork:
    """What an agent does arrives as typed events and in the workspace."""

    async def test_given_a_task_when_the_agent_works_then_calls_results_diffs_text_and_usage_are_events(
        self, hire: Hire, workspace: Path
    ) -> None:
        (workspace / "notes.txt").write_text("one\ntwo\n")
        script: Script = [
            bash("echo made > made.txt; cat made.txt", Usage(1000, 50, 100, 200)),
            Call("apply_patch", {"input": CHANGE}),
            bash("echo broken; exit 3"),
            Call("mcp__swarm__echo", {"text": "over there"}),
            Message([Say("all "), Say("done")]),
        ]
        async with ToolServer("tool-token") as tools, ModelServer(script) as model:
            agent = hire(model)
            outcome = await agent.once(
                "work", system_prompt="You are a specialist", mcp_servers={"swarm": tools.config()}
            )
            first = model.requests[0]
        assert (outcome.ok, outcome.result) == (True, "done")
        assert (workspace / "made.txt").read_text() == "made\n"
        assert (workspace / "notes.txt").read_text() == "one\n2\n"
        calls = [event.data["name"] for event in agent.transcript.of(EventKind.TOOL_CALL)]
        results = [event.data for event in agent.transcript.of(EventKind.TOOL_RESULT)]
        assert calls == ["exec_command", "apply_patch", "exec_command", "mcp__swarm__echo"]
        assert [result["ok"] for result in results] == [True, True, False, True]
        assert [result["output"] for result in results[::3]] == ["made\n", "echo: over there"]
        assert "-two\n+2" in results[1]["diff"]
        assert tools.calls == [{"text": "over there"}]
        assert [event.data["text"] for event in agent.transcript.of(EventKind.TEXT)] == ["all ", "done"]
        assert agent.used() == (1300 + 4 * 10, 50 + 4 * 5)
        assert (first.prompt, first.key, first.model) == ("work", codex.KEY, codex.MODEL)
        assert "You are a specialist" in first.system
        assert "mcp__swarm__echo" in first.tools, "tools are offered, not to be searched for"

    async def test_given_a_running_agent_when_arguments_files_and_shell_are_read_then_no_secret_is_in_them(
        self, hire: Hire, workspace: Path, tmp_path: Path
    ) -> None:
        look = "env > seen; touch up; until [ -e go ]; do sleep 0.02; done"
        worktree_of(tmp_path / "repository", workspace)
        (workspace / ".codex").mkdir()
        (workspace / ".codex" / "config.toml").write_text('developer_instructions = "of the repository"')
        async with ToolServer("tool-token") as tools, ModelServer([bash(look), Say("done")]) as model:
            agent = hire(model, OPENAI_API_KEY="sk-a-hidden-key", HANDED_ON="yes")
            session = await agent.open(
                "a prompt for few eyes",
                system_prompt="a system prompt for few eyes",
                model=f"{codex.MODEL}:low",
                mcp_servers={"swarm": tools.config()},
            )
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            words = " ".join(psutil.Process(agent.pid()).cmdline())
            (workspace / "go").touch()
            assert (await running).ok
            await session.close()
            request = model.requests[0]
        assert "few eyes" not in words
        assert "hidden-key" not in words
        files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
        assert files
        assert not [path for path in files if b"hidden-key" in (told := path.read_bytes()) or b"tool-token" in told]
        seen = (workspace / "seen").read_text()
        assert "HANDED_ON=yes" in seen
        assert "hidden-key" not in seen
        assert request.body["reasoning"]["effort"] == "low"
        assert "of the repository" not in request.system

    async def test_given_an_mcp_server_that_refuses_the_token_when_the_agent_runs_then_that_is_a_failure(
        self, hire: Hire
    ) -> None:
        async with ToolServer("tool-token") as tools, ModelServer([Always(Say("no matter"))]) as model:
            outcome = await hire(model).once(mcp_servers={"swarm": tools.config(token="another")})
            assert model.everything == []
        assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, "infrastructure", "mcpUnavailable")
        assert "swarm" in outcome.message


class TestConversation:
    """One process for a whole conversation: follow-ups, queues, interrupts, eviction, resuming."""

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
            await until(lambda: not process.is_running())
            await session.send("three")
            assert (await agent.run(session)).result == "third"
            assert model.requests[-1].prompts == ["one", "two", "three"]
            await session.close()
        assert len(agent.transcript.of(EventKind.STARTED)) == 2
        assert agent.used() == (3000, 150), "totals of a resumed conversation were counted before"

    async def test_given_messages_at_once_one_of_them_twice_when_the_agent_is_busy_then_each_is_read_once_in_order(
        self, hire: Hire, workspace: Path
    ) -> None:
        async with ModelServer([bash(HOLD), Say("heard")]) as model:
            agent = hire(model)
            session = await agent.open("begin")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            messages = [f"message number {number:02}" for number in range(10)]
            ids = [f"0198b2a4-5b7e-7c3d-9e4f-0123456789{number:02}" for number in range(10)]
            sending = [session.send(text, message_id=name) for text, name in zip(messages, ids, strict=True)]
            again = session.send(messages[0], message_id=ids[0])
            await asyncio.wait_for(asyncio.gather(*sending, again), WITHIN)
            (workspace / "go").touch()
            outcome = await running
            assert model.requests[-1].interjections == messages
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
            await until((workspace / "up").exists)
            (workspace / "up").unlink()
            await session.send("by the way")
            await session.send("turn round", interrupt=True)
            await until((workspace / "up").exists)
            assert not processes_with(marker), "what was interrupted runs on"
            (workspace / "go").touch()
            outcome = await running
            assert model.requests[1].prompts == ["begin", "by the way", "turn round"]
        assert (outcome.ok, outcome.result) == (True, "turned")

    async def test_given_an_agent_that_was_interrupted_when_it_is_resumed_then_it_goes_on_with_what_people_answered(
        self, hire: Hire, workspace: Path
    ) -> None:
        async with ModelServer([bash(ENDLESS, Usage(1000, 50)), Say("went on", Usage(2000, 70))]) as model:
            agent = hire(model)
            session = await agent.open("the task")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            began = time.monotonic()
            await session.interrupt()
            stopped = await running
            assert time.monotonic() - began < 2, "it had to be ended by signals"
            last = agent.transcript.events[-1]
            assert (stopped.ok, stopped.failure_code) == (False, "interrupted")
            assert (last.kind, last.data["exit"]) == (EventKind.ENDED, "exit code 0")
            await session.close()
            outcome = await agent.once("never sent", session=session.handle, answers="You asked: Deploy?\nOutcome: no")
            prompts = model.requests[1].prompts
        assert outcome.result == "went on"
        assert prompts[0] == "the task"
        assert prompts[1].startswith(GO_ON)
        assert prompts[1].endswith("You asked: Deploy?\nOutcome: no")
        assert agent.used() == (3000, 120)

    async def test_given_a_killed_agent_when_it_is_resumed_then_it_knows_what_it_did(
        self, hire: Hire, workspace: Path
    ) -> None:
        async with ModelServer([bash(ENDLESS), Say("went on")]) as model:
            agent = hire(model)
            session = await agent.open("remember me")
            running = asyncio.create_task(agent.run(session))
            await until((workspace / "up").exists)
            os.kill(agent.pid(), 9)
            killed = await running
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


class TestFailures:
    """Exit codes say nothing; what ended the turn is told by its end."""

    @pytest.mark.parametrize(
        ("reply", "failure", "code"),
        [
            (Fail(401), "infrastructure", "authentication"),
            (Fail(404), "policy", "unknownModel"),
            (Fail(429), "infrastructure", "rateLimit"),
            (Fail(500), "infrastructure", "modelError"),
            (Fail(529), "infrastructure", "overloaded"),
            (FailStream(kind="server_is_overloaded"), "infrastructure", "overloaded"),
            (CutStream(), "infrastructure", "modelError"),
        ],
        ids=lambda value: str(getattr(value, "status", type(value).__name__)) if not isinstance(value, str) else None,
    )
    async def test_given_a_model_that_fails_when_the_agent_gives_up_then_its_kind_is_known(
        self, hire: Hire, reply: Reply, failure: str, code: str
    ) -> None:
        async with ModelServer([Always(reply)]) as model:
            outcome = await hire(model).once()
        assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, failure, code)
        assert outcome.message

    async def test_given_a_used_up_subscription_when_the_agent_gives_up_then_it_is_known_until_when(
        self, hire: Hire
    ) -> None:
        resets_at = float(int(time.time()) + 3600)
        async with ModelServer([Always(usage_limited(resets_at=resets_at))]) as model:
            outcome = await hire(model).once()
        assert (outcome.failure_code, outcome.retry_at) == ("rateLimit", resets_at)

    async def test_given_a_model_that_cannot_be_reached_and_no_key_when_the_agent_runs_then_it_gives_up_soon(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Say("never")]) as model:
            agent = hire(model, OPENAI_API_KEY="")
            assert (outcome := await agent.once()).failure_code == "authentication"
            assert "OPENAI_API_KEY" in outcome.message
            nowhere = {**agent.base.env, "OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
            assert (await agent.once(env=nowhere)).failure_code == "modelError"
            assert model.everything == []

    async def test_given_a_stream_that_is_cut_when_the_model_may_be_asked_again_then_the_work_goes_on(
        self, hire: Hire, codex_cli: Path
    ) -> None:
        async with ModelServer([CutStream(), Say("after all")]) as model:
            agent = hire(model)
            agent.harness = CodexHarness(str(codex_cli), retries=1)
            assert (await agent.once()).result == "after all"
        assert "Reconnecting" in agent.logs()

    async def test_given_a_model_that_never_answers_when_the_agent_is_silent_for_too_long_then_it_has_stalled(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Always(Hang())]) as model:
            outcome = await hire(model).once(bounds=Bounds(silence=timedelta(seconds=2)))
        assert (outcome.failure, outcome.failure_code) == ("infrastructure", "stalled")

    async def test_given_a_login_with_chatgpt_when_the_agent_runs_then_its_account_is_asked_and_commands_do_not_see_it(
        self, hire: Hire
    ) -> None:
        async with ModelServer([bash("env | grep -c OAUTH; true"), Say("done")]) as model:
            agent = hire(
                model,
                OPENAI_BASE_URL="http://127.0.0.1:9/v1",
                CODEX_OAUTH="acc-1:a-token-of-a-login",
                CODEX_OAUTH_BASE_URL=f"{model.url}/v1",
            )
            outcome = await agent.once()
            asked = {(request.key, request.headers["chatgpt-account-id"]) for request in model.requests}
        assert outcome.ok
        assert asked == {("a-token-of-a-login", "acc-1")}
        assert agent.results()[0].strip() == "1", "where the model is, and no more"

    async def test_given_a_bound_of_model_calls_when_it_is_reached_then_the_agent_is_to_blame(self, hire: Hire) -> None:
        async with ModelServer([Always(bash("true"))]) as model:
            outcome = await hire(model).once(bounds=Bounds(turns=2))
            assert 2 <= len(model.requests) <= 3
        assert (outcome.failure, outcome.failure_code) == ("agent", "maxTurns")

    async def test_given_a_prompt_beyond_what_the_cli_takes_when_it_is_sent_then_the_outcome_says_so(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Say("never")]) as model:
            outcome = await hire(model).once("x" * 1_100_000)
        assert (outcome.failure, outcome.failure_code) == ("agent", "modelRefused")
        assert "1048576" in outcome.message


class TestPermissions:
    """Who cannot be asked is refused, unless the profile allows it: the CLI has a sandbox of its own."""

    @pytest.mark.parametrize(("mode", "in_workspace"), [(PermissionMode.EDITS, True), (PermissionMode.PLAN, False)])
    async def test_given_a_profile_when_the_agent_writes_then_only_what_it_may_change_is_changed(
        self, hire: Hire, workspace: Path, tmp_path: Path, mode: PermissionMode, in_workspace: bool
    ) -> None:
        (outside := tmp_path / "outside").mkdir()
        (tmp_path / "readable").write_text("can be read")
        script: Script = [
            bash(f"touch shell; touch {outside}/shell; cat {outside.parent}/readable"),
            Call("apply_patch", {"input": NEW_FILE.format(path="patch")}),
            Call("apply_patch", {"input": NEW_FILE.format(path=outside / "patch")}),
            Call("mcp__swarm__echo", {"text": "allowed"}),
            Say("done"),
        ]
        async with ToolServer("tool-token") as tools, ModelServer(script) as model:
            agent = hire(model)
            permissions = Permissions(mode=mode)
            outcome = await agent.once(permissions=permissions, mcp_servers={"swarm": tools.config()})
        assert outcome.ok, outcome
        assert "can be read" in agent.results()[0]
        assert [(workspace / name).exists() for name in ("shell", "patch")] == [in_workspace] * 2
        assert list(outside.iterdir()) == []
        assert tools.calls == [{"text": "allowed"}]


class TestRoughOutput:
    """Whatever is on its output, and whatever it leaves behind."""

    async def test_given_garbage_on_its_output_and_a_flood_of_a_tool_when_the_agent_works_then_all_is_bounded(
        self, hire: Hire, codex_cli: Path, tmp_path: Path, workspace: Path
    ) -> None:
        wrapper = tmp_path / "noisy"
        wrapper.write_text(
            "#!/bin/sh\n"
            'printf \'no json\\n\\303\\n{"method": "unknown"}\\n[1]\\n{"id": 7}\\n{"id": [], "method": 1}\\n\'\n'
            "head -c 1000000 /dev/zero | tr '\\0' 'x'\n"
            "echo; yes 'a line' | head -n 10000\n"
            f'exec {codex_cli} "$@"\n'
        )
        wrapper.chmod(0o755)
        marker = f"1000.{int.from_bytes(os.urandom(4))}"
        child = f"setsid sh -c 'touch child; exec sleep {marker}' > /dev/null 2>&1 &"
        leave = f"{child} until [ -e child ]; do sleep 0.02; done"
        flood = "head -c 10000000 /dev/zero | tr '\\0' 'x'"
        async with ModelServer([bash(flood), bash(leave), Say("through it all")]) as model:
            agent = hire(model)
            agent.harness = CodexHarness(str(wrapper))
            outcome = await agent.once()
        assert outcome.result == "through it all"
        assert (workspace / "child").exists()
        assert not processes_with(marker), "a child that left the agent's session lives on"
        logs = agent.logs()
        assert "no json" in logs
        assert "\N{REPLACEMENT CHARACTER}" in logs
        assert len(logs) < 200_000
        assert "more lines that are no JSON were dropped" in logs
        assert len(json.dumps(agent.transcript.of(EventKind.TOOL_RESULT)[0].data)) < 2_000_000


def worktree_of(repository: Path, folder: Path) -> None:
    """What a worker gives an attempt: the CLI looks for the repository behind it, too."""
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@x.example")
    subprocess.run([*git, "init", "--quiet", repository], check=True)
    subprocess.run([*git, "-C", repository, "commit", "--quiet", "--allow-empty", "-m", "Start"], check=True)
    subprocess.run([*git, "-C", repository, "worktree", "add", "--quiet", "--detach", folder], check=True)


def processes_with(word: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if word in (process.info["cmdline"] or ())]
