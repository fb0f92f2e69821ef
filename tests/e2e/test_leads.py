"""Leads in a running swarm: a goal becomes tasks, others do them and talk, and what they deliver becomes one result."""

import asyncio
import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_claude import Host, bash

from agent_swarm.testing.model_server import Call, ModelRequest, ModelServer, Say
from agent_swarm.testing.model_server.replies import Reply
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = pytest.mark.slow

LEAD, ONE, TWO = "BE THE LEAD", "WRITE PART ONE", "WRITE PART TWO"
IDLE = bash("while :; do sleep 0.1; done")


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints."""
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Start")
    return folder


def files_of(repository: Path, task: Any) -> set[str]:
    """The files of what a task delivered."""
    return set(git(repository, "ls-tree", "--name-only", task["result"]["branch"]).splitlines())


def start_lead(swarm: RealSwarm, **variables: str) -> str:
    """A lead that has registered, so that tasks can be addressed to it; its id."""
    lead = swarm.start_worker(slots=1, variables={**variables, "AGENT_ROLE": "lead"})
    swarm.wait_until(
        lambda: any(agent["id"] == lead for agent in swarm.call("GET", "/api/agents")["agents"]), "the lead is there"
    )
    return lead


def outcomes(swarm: RealSwarm, task_id: str) -> list[str]:
    """How the attempts of a task ended."""
    return [one["outcome"] for one in swarm.call("GET", f"/api/tasks/{task_id}/attempts")["attempts"]]


SCRIPT = """
create-tasks <<TASKS
[{"title": "one", "harness": "script", "project": "shop",
  "prompt": "wait-for MARKS/go\\nrun echo 1 > one\\ncommit one\\nresult one is there"},
 {"title": "two", "harness": "script", "project": "shop",
  "prompt": "wait-for MARKS/go\\nrun echo 2 > two\\ncommit two\\nresult two is there"}]
TASKS
wait-tasks into came.json
run <<MERGE
for branch in $(sed -n 's/.*"branch": "\\(.*\\)",/\\1/p' came.json); do git merge --no-edit "origin/$branch"; done
rm came.json
MERGE
result both are merged
"""


def test_given_a_script_lead_that_waits_when_server_and_workers_are_killed_then_it_goes_on_once_with_all_results(
    swarm: RealSwarm, repository: Path
) -> None:
    swarm.start_server()
    swarm.call("POST", "/api/projects", {"name": "shop", "repoUrl": str(repository)})
    lead = start_lead(swarm)
    script = SCRIPT.replace("MARKS", str(swarm.marks))
    goal = {"ref": "goal", "title": "goal", "harness": "script", "prompt": script, "project": "shop", "agentId": lead}
    goal_id = swarm.file(goal)["goal"]
    swarm.wait_until(lambda: swarm.task(goal_id)["status"] == "paused", "the lead waits without a slot")
    swarm.kill_server()
    swarm.kill_worker(lead)
    (swarm.marks / "go").touch()
    swarm.start_server()
    workers = [swarm.start_worker(slots=1) for _ in range(2)]
    swarm.start_worker(agent_id=lead, variables={"AGENT_ROLE": "lead"})
    swarm.wait_until(lambda: swarm.task(goal_id)["status"] == "completed", "the lead goes on")

    task = swarm.task(goal_id)
    assert task["result"]["text"] == "both are merged"
    assert files_of(repository, task) == {"one", "two"}
    assert outcomes(swarm, goal_id) == ["paused", "completed"]
    assert set(swarm.completions().values()) == {1}
    resumed = [event for event in swarm.events() if event["type"] == "task.resumed"]
    assert [event["taskId"] for event in resumed] == [goal_id]
    assert workers


QUESTION = {"title": "Release it?", "questions": [{"id": "name", "text": "Under which name?", "kind": "text"}]}


def steer_the_second(history: str) -> Reply:
    """The lead tells whoever works on the second of the tasks that it has filed something."""
    found = re.search(r"([0-9a-f-]{36})\W+title\W+two\b", history)
    assert found, history
    return Call("mcp__swarm__steer-task", {"taskId": found[1], "message": "mind the second half"})


class Cast:
    """Plays one script per role, each in its own order; the lead's second part begins with the account it waits for."""

    def __init__(self, marks: Path) -> None:
        self._played: Counter[str] = Counter()
        child = {"harness": "claude", "project": "shop"}
        tasks = [{"title": "one", "prompt": ONE, **child}, {"title": "two", "prompt": TWO, **child}]
        self._scripts: dict[str, list[Reply | Callable[[str], Reply]]] = {
            LEAD: [
                Call("mcp__swarm__join-swarm", {}),
                Call("mcp__swarm__send-task", {"tasks": tasks}),
                steer_the_second,
                Call("mcp__swarm__wait-for-tasks", {}),
            ],
            ONE: [
                bash("echo 1 > one && git add one && git commit --quiet --message one"),
                Call("mcp__swarm__post-message", {"broadcast": True, "text": "part one has no interface"}),
                bash(f"until [ -e {marks}/again ]; do sleep 0.1; done"),
                Say("one is there"),
            ],
            TWO: [
                bash(f"until [ -e {marks}/again ]; do sleep 0.1; done"),
                Call("mcp__swarm__read-messages", {"unread": False}),
                bash("echo 2 > two && git add two && git commit --quiet --message two"),
                Say("two is there"),
            ],
            "account": [
                Call("mcp__swarm__request-human-input", {**QUESTION, "waitSeconds": 40}),
                Call("mcp__swarm__store-progress", {"result": "both are merged"}),
                Say("done"),
            ],
        }
        self.accounts: list[str] = []

    def __call__(self, request: ModelRequest) -> Reply:
        """The next reply to whoever asks."""
        history = json.dumps(request.body["messages"], ensure_ascii=False)
        role = next(role for role in (LEAD, ONE, TWO) if role in history)
        if role == LEAD and "<ended-tasks>" in history:
            if not self.accounts:
                self.accounts.append(history)
                branches = re.findall(r'branch=\\"(swarm/[^"\\]+)', history)
                return bash(" && ".join(f"git merge --quiet --no-edit origin/{branch}" for branch in branches))
            role = "account"
        place = self._played[role]
        self._played[role] += 1
        reply = self._scripts[role][place] if place < len(self._scripts[role]) else IDLE
        return reply(history) if callable(reply) else reply


@pytest.mark.anyio
async def test_given_a_lead_and_two_workers_that_are_claude_when_the_server_is_killed_then_a_change_is_built_and_merged(
    swarm: RealSwarm, claude_cli: Path, repository: Path
) -> None:
    cast = Cast(swarm.marks)
    async with ModelServer(cast) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        await asyncio.to_thread(swarm.call, "POST", "/api/projects", {"name": "shop", "repoUrl": str(repository)})
        lead = await asyncio.to_thread(lambda: start_lead(swarm, **host.variables))
        for _ in range(2):
            await host.start_worker()
        goal = await host.file(LEAD, agentId=lead, project="shop")

        def has_spoken() -> bool:
            return any(one["kind"] == "broadcast" for one in swarm.call("GET", "/api/messages")["messages"])

        def questions() -> list[Any]:
            found: list[Any] = swarm.call("GET", "/api/approvals")["approvals"]
            return found

        await host.until(goal, "paused")
        await asyncio.to_thread(swarm.wait_until, has_spoken, "a worker says something")
        await asyncio.to_thread(swarm.kill_server)
        await host.start_server()
        (swarm.marks / "again").touch()
        await asyncio.to_thread(swarm.wait_until, lambda: bool(questions()), "the lead asks people")
        asked = (await asyncio.to_thread(questions))[0]
        answer = {"answers": {"name": "shop-two"}}
        await asyncio.to_thread(swarm.call, "POST", f"/api/approvals/{asked['id']}/answer", answer)
        task = await host.until(goal, "completed")
        attempts = await host.attempts(goal)
        histories = [json.dumps(request.body["messages"]) for request in model.requests]
    heard = [history for history in histories if TWO in history and LEAD not in history]
    answered = [history for history in histories if LEAD in history and "shop-two" in history]
    assert task["result"]["text"] == "both are merged"
    assert await asyncio.to_thread(files_of, repository, task) == {"one", "two"}
    assert [attempt["outcome"] for attempt in attempts] == ["paused", "completed"]
    assert attempts[0]["session"] == attempts[1]["session"] != ""
    assert all(word in cast.accounts[0] for word in ("one is there", "two is there"))
    assert all(any(words in said for said in heard) for words in ("part one has no interface", "mind the second half"))
    assert answered
    assert set((await asyncio.to_thread(swarm.completions)).values()) == {1}
