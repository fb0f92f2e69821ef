"""Claude Code calls the tools of the swarm that runs it, with the token of its attempt, through restarts."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_claude import Host, bash

from agent_swarm.testing.model_server import Call, ModelServer, Say
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def results(request: Any) -> list[str]:
    """What the tools answered, as the model got it."""
    return [result.text for result in request.results]


async def test_given_a_server_that_is_killed_between_two_calls_when_claude_goes_on_then_both_did_what_they_should(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    script: Script = [
        Call("mcp__swarm__get-task-details", {}),
        bash(f"until [ -e {swarm.marks}/again ]; do sleep 0.1; done"),
        Call("mcp__swarm__store-progress", {"progress": "both calls went through"}),
        Call("mcp__swarm__my-agent-info", {}),
        Say("done"),
    ]
    async with ModelServer(script, is_shared=True) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        await host.start_worker()
        task_id = await host.file("look at your task")
        await asyncio.to_thread(swarm.wait_until, lambda: len(model.requests) >= 2, "the first call was answered")
        await asyncio.to_thread(swarm.kill_server)
        await host.start_server()
        (swarm.marks / "again").touch()
        task = await host.until(task_id, "completed")
        told = results(model.requests[-1])
    assert json.loads(told[0])["prompt"] == "look at your task"
    assert json.loads(told[2])["progress"] == task["progress"] == "both calls went through"
    assert {"ownTask:progress", "ownTask:read"} <= set(json.loads(told[3])["scopes"])
    offered = {tool["name"] for tool in model.requests[0].body["tools"]}
    tools = {name.removeprefix("mcp__swarm__") for name in offered if name.startswith("mcp__swarm__")}
    assert {"join-swarm", "get-task-details", "store-progress", "post-message", "request-human-input"} <= tools
    assert tools.isdisjoint({"send-task", "cancel-task", "steer-task", "set-config"})
    left = [path for path in swarm.folder.rglob("mcp.json") if path.is_file()]
    assert left == []


async def test_given_a_list_of_hosts_when_claude_calls_a_tool_then_the_server_is_on_it(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    script: Script = [Call("mcp__swarm__store-progress", {"progress": "through the door"}), Say("done")]
    async with ModelServer(script, is_shared=True) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        await host.start_worker(AGENT_SWARM_NETWORK="allow")
        task_id = await host.file("say where you are")
        task = await host.until(task_id, "completed")
    assert task["progress"] == "through the door"


async def test_given_a_token_that_the_server_refuses_when_claude_starts_then_the_run_fails_and_says_why(
    swarm: RealSwarm, claude_cli: Path, tmp_path: Path
) -> None:
    config = tmp_path / "servers.json"
    wrong = {"type": "http", "url": f"{swarm.url}/mcp", "headers": {"Authorization": "Bearer asw_attempt_0_wrong"}}
    config.write_text(json.dumps({"mcpServers": {"other": wrong}}))
    async with ModelServer([Say("no tools, no matter")], is_shared=True) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        await host.start_worker(AGENT_SWARM_MCP_CONFIG=str(config))
        requeued = await host.until_requeued(await host.file("use your tools"))
    assert requeued["data"]["code"] == "mcpUnavailable"
