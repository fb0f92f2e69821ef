"""Harness `claude` with the real Claude Code and a scripted model: nothing between them is pretended."""

import asyncio
import json
import os
import stat
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.harness.kept_agent import ENDLESS, Agent, Hire, bash
from tests.harness.kept_contract import KeptContract, KeptFixtures

from agent_swarm.harness.base import Bounds, EventKind, PermissionMode, Permissions, Turn
from agent_swarm.harness.claude import ClaudeHarness
from agent_swarm.testing import claude_cli
from agent_swarm.testing.harness_contract import AgentContract, MakeTurn
from agent_swarm.testing.model_server import (
    Always,
    Call,
    CutStream,
    Fail,
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


@pytest.fixture
def harness(claude_cli: Path) -> ClaudeHarness:
    return ClaudeHarness(str(claude_cli))


class ClaudeFixtures(KeptFixtures):
    """An agent of Claude Code; its model is asked again once."""

    model_name = "claude-sonnet-5"

    def environment(self, folder: Path, model: ModelServer, **variables: str) -> dict[str, str]:
        """Of an agent."""
        return claude_cli.environment(folder, model.url, **{"CLAUDE_CODE_MAX_RETRIES": "1", **variables})


class TestKept(ClaudeFixtures, KeptContract):
    """What every agent CLI promises that is kept."""

    shell = "Bash"
    clean_exit = "exit code 1"
    key = "ANTHROPIC_API_KEY"
    hides_keys = False
    asked_meanwhile = 1


class TestContract(ClaudeFixtures, AgentContract):
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
            env = self.environment(tmp_path / "agent", model, **env)
            return replace(base, prompt=prompt, attempt=attempt, session=session, env=env)

        return make


class TestWork(ClaudeFixtures):
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

    async def test_given_model_effort_system_prompt_and_task_when_the_agent_asks_its_model_then_all_of_them_arrive(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Say("yes")]) as model:
            agent = hire(model)
            await agent.once("say yes", model="claude-opus-4-5:low", system_prompt="You are a Python specialist")
            request = model.requests[0]
        assert (request.model, request.body["output_config"]) == ("claude-opus-4-5", {"effort": "low"})
        assert "You are a Python specialist" in json.dumps(request.body["system"])
        assert request.prompt == "say yes"

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


class TestFailures(ClaudeFixtures):
    """Exit codes lie; what ended the turn is told by its result."""

    @pytest.mark.parametrize(
        ("reply", "failure", "code"),
        [
            (Fail(403), "infrastructure", "authentication"),
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


class TestUsage(ClaudeFixtures):
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
        cost = dollars(agent)
        assert agent.used() == (1300 + 3000, 120)
        assert cost > 0

    async def test_given_a_resumed_conversation_when_both_runs_are_added_up_then_nothing_is_counted_twice(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Always(Say("same", usage=Usage(1000, 50)))]) as model:
            agent = hire(model)
            session = await agent.open()
            await agent.run(session)
            await session.close()
            first, cost = agent.used(), dollars(agent)
            await agent.once(session=session.handle)
        assert (first, agent.used()) == ((1000, 50), (2000, 100))
        assert dollars(agent) == pytest.approx(2 * cost)

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
        assert agent.used() == (1000, 50)


class TestPermissions(ClaudeFixtures):
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


class TestRoughOutput(ClaudeFixtures):
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


def dollars(agent: Agent) -> float:
    """What everything has cost that was told."""
    return sum(float(event.data.get("costUsd", 0.0)) for event in agent.transcript.of(EventKind.USAGE))
