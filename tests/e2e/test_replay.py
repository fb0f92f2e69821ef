"""A recorded run of the real Claude Code, replayed by the command line: the same tree and events, and nobody asked."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.failing_over import ONE, TWO, Accounts

from agent_swarm.testing import agent_cli
from agent_swarm.testing.model_server import Call, ModelServer, Say
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.real_swarm import RealSwarm
from agent_swarm.worker.replay.tape import Recording

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KEY = "a-canary-of-the-model-of-the-worker"
WITHIN_SECONDS = 240
ALL = {"AGENT_SWARM_RECORD": "true"}
WORK = 'echo hello > made.txt; mkdir -p sub; cp made.txt sub/copy.txt; echo "key: $ANTHROPIC_API_KEY$OPENAI_API_KEY"'


@dataclass
class Replayed:
    """What `agent-swarm replay --json` answered."""

    code: int
    told: Any
    errors: str

    def file(self, name: str) -> str:
        """What a file of its workspace holds."""
        return Path(self.told["workspace"], name).read_text()


@dataclass
class Stage:
    """A swarm whose worker records, and what replays what it recorded."""

    swarm: RealSwarm
    program: Path

    async def record(self, model: ModelServer, task: dict[str, Any], **more: str) -> str:
        """Run a task to its end on a new worker; its id."""
        key = {"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY, "GEMINI_API_KEY": KEY}
        where = {"ANTHROPIC_BASE_URL": model.url, "OPENAI_BASE_URL": f"{model.url}/v1"}
        where["GOOGLE_GEMINI_BASE_URL"] = model.url
        copilot = {**agent_cli.copilot_at(model.url), "COPILOT_PROVIDER_API_KEY": KEY}
        variables = {**self.variables, **key, **where, **copilot, "YOLO": "true", **more}
        await asyncio.to_thread(lambda: self.swarm.start_worker(variables=variables))
        task = {"ref": "one", "title": "one", **task}
        task_id = (await asyncio.to_thread(self.swarm.file, task))["one"]
        await asyncio.to_thread(
            self.swarm.wait_until, lambda: self.swarm.task(task_id)["status"] == "completed", "it is done"
        )
        return task_id

    @property
    def variables(self) -> dict[str, str]:
        return {"PATH": f"{self.program.parent}:{os.environ['PATH']}", "CLAUDE_CODE_MAX_RETRIES": "1"}

    def recording(self, task_id: str) -> Path:
        (found,) = (self.swarm.folder / "workers").glob(f"*/recordings/{task_id}/1/recording.jsonl")
        return found

    async def replay(self, what: str, *arguments: str, **variables: str) -> Replayed:
        """In a process of its own, that knows no model and no server."""
        command = (sys.executable, "-m", "agent_swarm", "replay", what, "--json", *arguments)
        env = {"HOME": str(self.swarm.folder), **self.variables, **variables}
        env["AGENT_SWARM_WORKER_DIR"] = str(self.swarm.folder / "workers")
        done = await asyncio.to_thread(
            lambda: subprocess.run(
                command, env=env, capture_output=True, text=True, timeout=WITHIN_SECONDS, check=False
            )
        )
        return Replayed(done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr)


@pytest.fixture
def stage(swarm: RealSwarm, claude_cli: Path) -> Stage:
    return Stage(swarm, claude_cli)


def bash(command: str) -> Call:
    return Call("Bash", {"command": command, "description": "a step"})


def changed(recording: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Have something else in a recording."""
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    for line in lines:
        change(line)
    recording.write_text("".join(json.dumps(line) + "\n" for line in lines))


def repository(folder: Path) -> Path:
    """A repository with one commit."""
    env = {**os.environ, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    folder.mkdir()
    (folder / "README").write_text("a project\n")
    for command in (("init", "-q", "-b", "main"), ("add", "-A"), (*who, "commit", "-q", "-m", "begin")):
        subprocess.run(("git", *command), cwd=folder, env=env, check=True)
    return folder


async def test_given_a_recorded_run_when_it_is_replayed_with_nobody_there_then_tree_and_events_are_the_same(
    stage: Stage, tmp_path: Path
) -> None:
    calls = [bash(WORK), Call("mcp__swarm__store-progress", {"progress": "half"}), bash("git add -A; git status -s")]
    async with ModelServer([*calls, Say("all done")]) as model:
        await asyncio.to_thread(stage.swarm.start_server)
        shop = {"name": "shop", "repoUrl": str(repository(tmp_path / "shop"))}
        await asyncio.to_thread(stage.swarm.call, "POST", "/api/projects", shop)
        task_id = await stage.record(model, {"harness": "claude", "project": "shop", "prompt": "do the work"}, **ALL)
        asked = len(model.everything)
    path = f"/api/tasks/{task_id}/attempts/1/transcript?limit=1"
    (told,) = (await asyncio.to_thread(stage.swarm.call, "GET", path))["lines"]
    assert str(stage.recording(task_id)) in told["data"]["text"], "people learn where it is"
    await asyncio.to_thread(stage.swarm.close)
    (tmp_path / "shop").rename(tmp_path / "gone")
    text = stage.recording(task_id).read_text()
    assert KEY not in text and "all done" in text and '"route":"mcp.swarm"' in text
    assert stage.recording(task_id).stat().st_mode & 0o077 == 0
    replayed = await stage.replay(task_id, "--into", str(tmp_path / "again"))
    assert replayed.code == 0, (replayed.told, replayed.errors)
    assert replayed.told["same"] and replayed.told["tree"] == [] and replayed.told["events"] is None
    assert len(calls) < replayed.told["steps"] <= asked
    assert replayed.file("sub/copy.txt") == "hello\n"
    assert replayed.told["result"] == "all done"


async def test_given_what_a_replay_cannot_see_when_it_is_replayed_then_it_stops_at_that_request_and_a_fork_goes_on(
    stage: Stage, tmp_path: Path
) -> None:
    outside = stage.swarm.marks / "outside"
    outside.write_text("seen by the recorded run\n")
    await asyncio.to_thread(stage.swarm.start_server)
    async with ModelServer([bash("echo one > one.txt"), bash(f"cat {outside}"), Say("done")]) as model:
        task_id = await stage.record(model, {"harness": "claude", "prompt": "look outside"}, **ALL)
        port = int(model.url.rpartition(":")[2])
    outside.unlink()
    diverged = await stage.replay(f"{task_id[:18]}/1", "--into", str(tmp_path / "again"))
    assert diverged.code == 7, (diverged.told, diverged.errors)
    divergence = diverged.told["divergence"]
    assert (divergence["step"], divergence["path"]) == (3, "/v1/messages")
    assert "seen by the recorded run" in divergence["difference"]["recorded"]
    assert "No such file" in divergence["difference"]["asked"]
    assert diverged.told["tree"] == [] and not diverged.told["same"]
    async with ModelServer([Say("forked")], is_shared=True, port=port) as model:
        fork = ("--fork-at", "2", "--model", "another-model", "--prompt", "Mind the tide.")
        without = await stage.replay(task_id, *fork)
        forked = await stage.replay(str(stage.recording(task_id)), *fork, ANTHROPIC_API_KEY=f"{KEY},another")
        assert (without.code, "no credentials of claude" in without.errors) == (1, True), without
        assert forked.code == 0, (forked.told, forked.errors)
        (request,) = model.requests
    assert (forked.told["result"], forked.told["steps"]) == ("forked", 2)
    assert request.body["model"] == "another-model"
    assert "Mind the tide." in json.dumps(request.body["messages"][-1])
    assert request.headers["x-api-key"] == KEY
    assert forked.file("one.txt") == "one\n"


async def test_given_a_task_for_codex_with_the_tag_and_a_list_of_hosts_when_it_is_replayed_then_it_is_the_same(
    swarm: RealSwarm, codex_cli: Path, tmp_path: Path
) -> None:
    stage = Stage(swarm, codex_cli)
    calls: Script = [Call("Bash", {"command": WORK}), Call("mcp__swarm__get-task-details", {}), Say("all done")]
    await asyncio.to_thread(swarm.start_server)
    async with ModelServer(calls) as model:
        task = {"harness": "codex", "model": agent_cli.MODEL, "prompt": "do the work", "tags": ["record"]}
        task_id = await stage.record(model, task, AGENT_SWARM_NETWORK="allow")
    await asyncio.to_thread(swarm.close)
    assert KEY not in stage.recording(task_id).read_text()
    replayed = await stage.replay(task_id, "--into", str(tmp_path / "again"))
    assert replayed.code == 0, (replayed.told, replayed.errors)
    assert (replayed.told["steps"], replayed.told["result"]) == (3, "all done")


@pytest.mark.parametrize(
    ("harness", "credentials"),
    [
        ("claude", {"CLAUDE_CODE_OAUTH_TOKEN": f"{ONE},{TWO}"}),
        ("claude", {"CLAUDE_CODE_OAUTH_TOKEN": ONE, "ANTHROPIC_API_KEY": TWO}),
        ("codex", {"CODEX_OAUTH": f"acc-1:{ONE}", "OPENAI_API_KEY": TWO}),
    ],
    ids=["claude", "claude-key", "codex-key"],
)
async def test_given_a_run_whose_first_account_was_used_up_when_it_is_replayed_then_both_parts_are_the_same(
    swarm: RealSwarm,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    counted: Path,
    harness: str,
    credentials: dict[str, str],
) -> None:
    stage = Stage(swarm, request.getfixturevalue(f"{harness}_cli"))
    await asyncio.to_thread(swarm.start_server)
    async with ModelServer(Accounts(counted, used_up=frozenset({ONE}))) as model:
        task = {"harness": harness, "prompt": "the whole task", "tags": ["record"]}
        task_id = await stage.record(model, task, CODEX_OAUTH_BASE_URL=f"{model.url}/v1", **credentials)
        assert {request.key for request in model.requests} == {ONE, TWO}
    await asyncio.to_thread(swarm.close)
    text = stage.recording(task_id).read_text()
    assert not any(secret in text for secret in (KEY, ONE, TWO))
    replayed = await stage.replay(task_id, "--into", str(tmp_path / "again"))
    assert replayed.code == 0, (replayed.told, replayed.errors)
    assert (replayed.told["same"], replayed.told["result"]) == (True, "all done")
    assert replayed.told["steps"] >= 3


async def test_given_a_cli_that_took_over_when_the_attempt_is_replayed_then_the_part_of_the_first_is_still_there(
    swarm: RealSwarm, claude_cli: Path, codex_cli: Path, tmp_path: Path, counted: Path
) -> None:
    stage = Stage(swarm, claude_cli)
    await asyncio.to_thread(swarm.start_server)
    async with ModelServer(Accounts(counted, used_up=frozenset({ONE}))) as model:
        task = {"harness": "claude,codex", "prompt": "the whole task", "tags": ["record"]}
        task_id = await stage.record(model, task, ANTHROPIC_API_KEY=ONE, OPENAI_API_KEY=TWO)
        again = (await asyncio.to_thread(swarm.file, {"ref": "two", "title": "two", **task}))["two"]
        await asyncio.to_thread(
            swarm.wait_until,
            lambda: swarm.task(again)["status"] == "completed",
            "codex has it at once",
        )
    await asyncio.to_thread(swarm.close)
    alone = stage.recording(again)
    assert Recording.read(alone).head.harness == "codex" and not Recording.read(alone).others
    first = await stage.replay(task_id, "--into", str(tmp_path / "first"))
    assert first.code == 0, (first.told, first.errors)
    assert first.told["same"] and "all done" not in first.told["result"]
    second = stage.recording(task_id).with_name("recording-2.jsonl")
    then = await stage.replay(str(second), "--into", str(tmp_path / "second"))
    assert then.code == 0, (then.told, then.errors)
    assert then.told["result"] == "all done"


@pytest.mark.parametrize(
    ("harness", "model_name"),
    [
        ("pi", f"openai/{agent_cli.MODEL}"),
        ("opencode", f"openai/{agent_cli.MODEL}"),
        ("gemini", "gemini-2.5-pro"),
        ("copilot", agent_cli.MODEL),
    ],
)
async def test_given_a_recorded_run_of_another_cli_when_it_is_replayed_then_tree_and_events_are_the_same(
    swarm: RealSwarm, request: pytest.FixtureRequest, tmp_path: Path, harness: str, model_name: str
) -> None:
    stage = Stage(swarm, request.getfixturevalue(f"{harness}_cli"))
    calls: Script = [Call("Bash", {"command": WORK}), Call("mcp__swarm__get-task-details", {}), Say("all done")]
    await asyncio.to_thread(swarm.start_server)
    async with ModelServer(calls) as model:
        task = {"harness": harness, "model": model_name, "prompt": "do the work", "tags": ["record"]}
        task_id = await stage.record(model, task)
        recorded = len(model.everything)
    await asyncio.to_thread(swarm.close)
    assert KEY not in stage.recording(task_id).read_text()
    replayed = await stage.replay(task_id, "--into", str(tmp_path / "again"))
    assert replayed.code == 0, (replayed.told, replayed.errors)
    assert replayed.told["same"] and replayed.told["tree"] == [] and replayed.told["events"] is None
    assert (replayed.file("sub/copy.txt"), replayed.told["result"]) == ("hello\n", "all done")
    assert 3 <= replayed.told["steps"] <= recorded
