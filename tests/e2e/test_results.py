"""Offers, deadlines and results by a schema, with real servers and workers."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_claude import Host

from agent_swarm.domain.ids import new_id
from agent_swarm.testing.model_server import ModelServer, Say
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SCHEMA: dict[str, Any] = {"type": "object", "required": ["answer"], "properties": {"answer": {"type": "integer"}}}


async def test_given_claude_with_a_wrong_result_when_it_is_told_then_it_corrects_it_in_the_same_attempt(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    script: Script = [Say("forty-two"), Say('{"answer": "42"}'), Say('{"answer": 42}')]
    async with ModelServer(script, is_shared=True) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        await host.start_worker()
        task_id = await host.file("count", resultSchema=SCHEMA)
        task = await host.until(task_id, "completed")
        told = json.dumps(model.requests[-1].body["messages"])
    assert (task["result"]["data"], task["attempt"]) == ({"answer": 42}, 1)
    assert "Your result is not what the task asks for" in told
    assert "data/answer" in told


def test_given_a_program_whose_result_does_not_match_when_it_was_tried_often_enough_then_the_task_fails(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    swarm.start_worker()
    fits = {"ref": "a", "title": "a", "harness": "shell", "prompt": "echo '{\"answer\": 42}'", "resultSchema": SCHEMA}
    fails = {**fits, "ref": "b", "title": "b", "prompt": "echo 42", "maxAttempts": 1}
    ids = swarm.file(fits, fails)
    swarm.wait_until(lambda: swarm.task(ids["a"])["status"] == "completed", "what matches is completed")
    swarm.wait_until(lambda: swarm.task(ids["b"])["status"] == "failed", "what does not match fails")
    assert swarm.task(ids["a"])["result"]["data"] == {"answer": 42}
    assert swarm.task(ids["b"])["failure"]["code"] == "resultSchema"


def test_given_workers_that_take_offers_or_ask_when_they_are_offered_a_task_then_each_does_as_it_was_told(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    asks = swarm.start_worker(agent_id=new_id(), variables={"AGENT_SWARM_OFFERS": "ask"})
    takes = swarm.start_worker(agent_id=new_id())
    swarm.wait_until(lambda: len(swarm.call("GET", "/api/agents")["agents"]) == 2, "both workers are there")
    task = {"title": "t", "harness": "shell", "prompt": "true", "offerSeconds": 600}
    ids = swarm.file({**task, "ref": "a", "offerTo": asks}, {**task, "ref": "b", "offerTo": takes})
    swarm.wait_until(lambda: swarm.task(ids["b"])["status"] == "completed", "the one that takes offers has done it")
    done = swarm.task(ids["b"])
    assert (done["agentId"], done["offers"][0]["status"]) == (takes, "accepted")
    assert swarm.task(ids["a"])["status"] == "offered"
    swarm.call("POST", f"/api/tasks/{ids['a']}/accept", {})
    swarm.wait_until(lambda: swarm.task(ids["a"])["status"] == "completed", "what a person accepted is done")
    assert swarm.task(ids["a"])["agentId"] == asks


def test_given_an_offer_when_the_server_is_killed_then_it_runs_out_all_the_same(swarm: RealSwarm) -> None:
    swarm.start_server()
    asks = swarm.start_worker(agent_id=new_id(), variables={"AGENT_SWARM_OFFERS": "ask"})
    swarm.wait_until(lambda: len(swarm.call("GET", "/api/agents")["agents"]) == 1, "the worker is there")
    task = {"ref": "a", "title": "a", "harness": "shell", "prompt": "true", "offerTo": asks, "offerSeconds": 5}
    task_id = swarm.file(task)["a"]
    swarm.kill_server()
    swarm.start_server()
    swarm.wait_until(lambda: swarm.task(task_id)["status"] == "completed", "it came back to the queue, and was done")
    assert swarm.task(task_id)["offers"][0]["status"] == "expired"
