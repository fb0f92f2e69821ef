"""Harness `codex` with the real Codex and a scripted model: nothing between them is pretended."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.harness.kept_agent import ENDLESS, Hire, bash
from tests.harness.kept_contract import KeptContract, KeptFixtures, processes_with, worktree_of

from agent_swarm.harness.base import EventKind, PermissionMode, Permissions, Turn
from agent_swarm.harness.codex import CodexHarness
from agent_swarm.testing import agent_cli
from agent_swarm.testing.harness_contract import AgentContract, MakeTurn
from agent_swarm.testing.model_server import (
    Always,
    Call,
    CutStream,
    Fail,
    FailStream,
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

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ALL = Permissions(mode=PermissionMode.ALL)
NEW_FILE = "*** Begin Patch\n*** Add File: {path}\n+one\n*** End Patch\n"
CHANGE = "*** Begin Patch\n*** Update File: notes.txt\n@@\n one\n-two\n+2\n*** End Patch\n"


@pytest.fixture
def harness(codex_cli: Path) -> CodexHarness:
    return CodexHarness(str(codex_cli), retries=0)


class TestKept(KeptContract):
    """What every agent CLI promises that is kept."""

    shell = "exec_command"
    effort = ":low"
    keeps_tokens_out_of_files = True


class TestContract(KeptFixtures, AgentContract):
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
            env = agent_cli.environment(tmp_path / "codex", model.url, **env)
            return replace(base, prompt=prompt, attempt=attempt, session=session, env=env)

        return make


class TestWork(KeptFixtures):
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
        assert (first.prompt, first.key, first.model) == ("work", agent_cli.KEY, agent_cli.MODEL)
        assert "You are a specialist" in first.system
        assert "mcp__swarm__echo" in first.tools, "tools are offered, not to be searched for"


class TestRepositories(KeptFixtures):
    """What a repository says in `.codex`."""

    async def test_given_settings_in_a_repository_when_the_agent_works_then_they_do_not_count(
        self, hire: Hire, workspace: Path, tmp_path: Path
    ) -> None:
        worktree_of(tmp_path / "repository", workspace)
        (workspace / ".codex").mkdir()
        (workspace / ".codex" / "config.toml").write_text('developer_instructions = "of the repository"')
        async with ModelServer([Say("done")]) as model:
            assert (await hire(model).once()).ok
            assert "of the repository" not in model.requests[0].system


class TestFailures(KeptFixtures):
    """Exit codes say nothing; what ended the turn is told by its end."""

    @pytest.mark.parametrize(
        ("reply", "code"), [(FailStream(kind="server_is_overloaded"), "overloaded"), (CutStream(), "modelError")]
    )
    async def test_given_a_stream_that_fails_when_the_agent_gives_up_then_its_kind_is_known(
        self, hire: Hire, reply: Reply, code: str
    ) -> None:
        async with ModelServer([Always(reply)]) as model:
            outcome = await hire(model).once()
        assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, "infrastructure", code)

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

    async def test_given_a_prompt_beyond_what_the_cli_takes_when_it_is_sent_then_the_outcome_says_so(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Say("never")]) as model:
            outcome = await hire(model).once("x" * 1_100_000)
        assert (outcome.failure, outcome.failure_code) == ("agent", "modelRefused")
        assert "1048576" in outcome.message


class TestPermissions(KeptFixtures):
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


class TestRoughOutput(KeptFixtures):
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
