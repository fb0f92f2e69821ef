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

from agent_swarm.testing import claude_cli as claude
from agent_swarm.testing import codex_cli as codex
from agent_swarm.testing.model_server import Call, ModelServer, Say
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KEY = "a-canary-of-the-model-of-the-worker"
WITHIN_SECONDS = 240
WORK = 'echo hello > made.txt; mkdir -p sub; cp made.txt sub/copy.txt; echo "key: $ANTHROPIC_API_KEY$OPENAI_API_KEY"'


@dataclass
class Replayed:
    """What `agent-swarm replay --json` answered."""

    code: int
    told: Any
    errors: str


@dataclass
class Stage:
    """A swarm whose worker records, and what replays what it recorded."""

    swarm: RealSwarm
    program: Path

    async def record(self, model: ModelServer, task: dict[str, Any]) -> str:
        """Run a task to its end; its id."""
        await asyncio.to_thread(self.swarm.start_server)
        key = {"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY}
        where = {"ANTHROPIC_BASE_URL": model.url, "OPENAI_BASE_URL": f"{model.url}/v1"}
        variables = {**self.variables, **key, **where, "YOLO": "true", "AGENT_SWARM_RECORD": "true"}
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
            lambda: subprocess.run(command, env=env, capture_output=True, text=True, timeout=WITHIN_SECONDS, check=False)
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


async def test_given_a_recorded_run_when_it_is_replayed_with_nobody_there_then_tree_and_events_are_the_same(
    stage: Stage, tmp_path: Path
) -> None:
    async with ModelServer([bash(WORK), bash("ls -l; cat sub/copy.txt"), Say("all done")]) as model:
        task_id = await stage.record(model, {"harness": "claude", "prompt": "do the work"})
        asked = len(model.everything)
    await asyncio.to_thread(stage.swarm.close)
    text = stage.recording(task_id).read_text()
    assert KEY not in text and "all done" in text
    assert stage.recording(task_id).stat().st_mode & 0o077 == 0
    replayed = await stage.replay(task_id, "--into", str(tmp_path / "again"))
    assert replayed.code == 0, (replayed.told, replayed.errors)
    assert replayed.told["same"] and replayed.told["tree"] == [] and replayed.told["events"] is None
    assert replayed.told["steps"] >= 3 and replayed.told["steps"] <= asked
    assert Path(replayed.told["workspace"], "sub", "copy.txt").read_text() == "hello\n"
    assert replayed.told["result"] == "all done"
