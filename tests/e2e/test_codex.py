"""Codex in a running swarm: one conversation outlives its worker, with the swarm's own tools in it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.testing import agent_cli
from agent_swarm.testing.model_server import Call, ModelServer, Say, Usage
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def bash(command: str, usage: Usage | None = None) -> Call:
    return Call("Bash", {"command": command}, usage=usage or Usage())


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_given_a_task_for_codex_when_it_is_steered_and_its_worker_stops_then_another_process_goes_on(
    swarm: RealSwarm, codex_cli: Path, sandbox: str
) -> None:
    hold = "touch up; until [ -e go ]; do sleep 0.05; done; env | grep -c KEY"
    script: Script = [
        bash(hold, Usage(1000, 50)),
        bash("echo half > half; while :; do sleep 0.1; done"),
        Call("mcp__swarm__get-task-details", {}),
        Say("went on", Usage(2000, 70)),
    ]
    async with ModelServer(script, is_shared=True) as model:
        environment = agent_cli.environment(swarm.folder, model.url)
        variables = {
            **agent_cli.model_at(model.url),
            "PATH": f"{codex_cli.parent}:{environment['PATH']}",
            "AGENT_SWARM_SANDBOX": sandbox,
            "YOLO": "true",
            "SHUTDOWN_TIMEOUT": "0",
        }
        await asyncio.to_thread(swarm.start_server)
        agent = await asyncio.to_thread(lambda: swarm.start_worker(variables=variables))
        task: Any = {
            "ref": "one",
            "title": "one",
            "harness": "codex",
            "model": agent_cli.MODEL,
            "prompt": "the whole task",
        }
        task_id = (await asyncio.to_thread(swarm.file, task))["one"]
        await model.requested(1)
        transcript = f"/api/tasks/{task_id}/attempts/1/transcript?limit=200"
        await asyncio.to_thread(
            swarm.wait_until,
            lambda: "touch up" in json.dumps(swarm.call("GET", transcript)),
            "the first answer is whole",
        )
        said = {"message": "mind the tide", "interrupt": True}
        await asyncio.to_thread(swarm.call, "POST", f"/api/tasks/{task_id}/steer", said)
        await model.requested(2)
        assert "mind the tide" in json.dumps(model.requests[1].messages)
        await asyncio.to_thread(
            swarm.wait_until, lambda: "echo half" in json.dumps(swarm.call("GET", transcript)), "it is in its loop"
        )
        assert await asyncio.to_thread(swarm.stop_worker, agent) == 0
        await asyncio.to_thread(lambda: swarm.start_worker(agent_id=agent, variables=variables))
        await asyncio.to_thread(
            swarm.wait_until, lambda: swarm.task(task_id)["status"] == "completed", "the task is completed"
        )
        last = model.requests[-1]
    done = await asyncio.to_thread(swarm.task, task_id)
    attempts = (await asyncio.to_thread(swarm.call, "GET", f"/api/tasks/{task_id}/attempts"))["attempts"]
    assert done["result"]["text"] == "went on"
    assert [attempt["outcome"] for attempt in attempts] == ["paused", "completed"]
    assert attempts[0]["session"] == attempts[1]["session"] != ""
    assert sum(attempt["inputTokens"] for attempt in attempts) == 1000 + 10 + 10 + 2000
    assert last.prompts[0] == "the whole task"
    assert "goes on now" in last.prompts[-1]
    assert task_id in last.results[-1].text, "its own task, by the tools of the swarm"
