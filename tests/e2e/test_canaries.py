"""No secret turns up where it does not belong, however an agent prints it: in a whole swarm of real processes.

Every place that is looked at is named in `PLACES`; one that is empty fails the test, so that it cannot pass for having
looked at nothing.
"""

import asyncio
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.e2e.canaries import AGENT, Search, environments

from agent_swarm.testing import claude_cli as claude
from agent_swarm.testing.model_server import Call, ModelServer, Say
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

SONG = b"the canary sings"
PLACES = {
    "database",
    "write-ahead log",
    "transcripts",
    "logs",
    "spool",
    "folder of the worker",
    "events",
    "tasks",
    "attempts",
    "metrics",
    "arguments of processes",
}


def secrets_of(swarm: RealSwarm) -> dict[str, str]:
    """What is planted, by where. A secret of the stored configuration is one more line."""
    return {
        "API key": swarm.key,
        "worker's environment": "kept/by+the worker=\"4711\"&'é'",
        "passed to agents": "deploy-password-0815-zyx",
        "harness's credential": "model-key-of-no-known-shape-77",
        "git's token": "git-token-of-no-known-shape-88",
        "git's password": "url/password+99-of=git",
    }


def repository(secrets: dict[str, str]) -> str:
    password = secrets["git's password"]
    return f"https://bot:{quote(password, safe='')}@git.example/backup.git"


def variables_of(secrets: dict[str, str]) -> dict[str, str]:
    return {
        "KEEPER_SECRET": secrets["worker's environment"],
        "DEPLOY_PASSWORD": secrets["passed to agents"],
        "AGENT_SWARM_PASS_ENV": "DEPLOY_PASSWORD",
        "ANTHROPIC_API_KEY": secrets["harness's credential"],
        "GITHUB_TOKEN": secrets["git's token"],
        "BACKUP_REMOTE": repository(secrets),
    }


def look_everywhere(search: Search, swarm: RealSwarm) -> None:
    """Into every place that outlives the moment."""
    server = swarm.folder / "server"
    search.look_below("database", server, "agent-swarm-db.sqlite")
    search.look_below("write-ahead log", server, "agent-swarm-db.sqlite-wal")
    search.look_below("transcripts", server / "transcripts")
    search.look_below("logs", swarm.folder, "*.log")
    search.look_below("spool", swarm.folder / "workers", "*/attempts/**/*")
    search.look_below("folder of the worker", swarm.folder / "workers")
    search.look("events", json.dumps(swarm.events(), ensure_ascii=False).encode())
    search.look("metrics", metrics(swarm))
    for event in swarm.events():
        if event["type"] == "task.created":
            task = swarm.call("GET", f"/api/tasks/{event['taskId']}")
            attempts = swarm.call("GET", f"/api/tasks/{event['taskId']}/attempts")
            search.look("tasks", json.dumps(task, ensure_ascii=False).encode())
            search.look("attempts", json.dumps(attempts, ensure_ascii=False).encode())


def metrics(swarm: RealSwarm) -> bytes:
    request = urllib.request.Request(f"{swarm.url}/metrics", headers={"Authorization": f"Bearer {swarm.key}"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        content: bytes = reply.read()
    return content


def sung(swarm: RealSwarm) -> dict[str, bool]:
    """Where the agent was heard: what it prints gets there."""
    transcripts = b"".join(path.read_bytes() for path in (swarm.folder / "server" / "transcripts").glob("**/*.jsonl"))
    return {"transcripts": SONG in transcripts, "events": SONG.decode() in json.dumps(swarm.events())}


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
def test_given_secrets_everywhere_when_an_agent_prints_them_in_every_way_then_they_turn_up_nowhere(
    swarm: RealSwarm, sandbox: str
) -> None:
    secrets = secrets_of(swarm)
    search = Search(secrets)
    (swarm.marks / "agent.py").write_text(AGENT)
    (swarm.marks / "secrets.json").write_text(json.dumps(secrets))
    prompt = f"python3 {swarm.marks}/agent.py {swarm.marks}/secrets.json {swarm.marks}/{{0}} {swarm.marks}/go {{1}}"

    with search.watching_processes():
        swarm.start_server()
        worker = swarm.start_worker(slots=2, variables={**variables_of(secrets), "AGENT_SWARM_SANDBOX": sandbox})
        with pytest.raises(urllib.error.HTTPError):
            swarm.call("POST", "/api/projects", {"name": "x", "repoUrl": repository(secrets)})
        tasks = swarm.file(
            {"ref": "good", "prompt": prompt.format("good", 0)},
            {"ref": "bad", "prompt": prompt.format("bad", 3), "maxAttempts": 1},
        )
        swarm.wait_until(
            lambda: all((swarm.marks / ref).exists() for ref in tasks) and all(sung(swarm).values()), "both sing"
        )
        secrets |= {f"token of {ref}": (swarm.marks / f"{ref}.token").read_text() for ref in tasks}
        look_everywhere(search, swarm)
        holders = check_environments(secrets, swarm)
        (swarm.marks / "go").touch()
        ended = {"completed", "failed"}
        swarm.wait_until(lambda: set(swarm.statuses()) == ended, "both have ended")
        look_everywhere(search, swarm)
        assert swarm.stop_worker(worker) == 0
    look_everywhere(search, swarm)
    swarm.kill_server()
    search.look_below("database", swarm.folder / "server", "agent-swarm-db.sqlite*")

    assert search.found == [], search.looked_at
    assert {place for place, size in search.looked_at.items() if size} == PLACES
    assert holders["passed to agents"] > holders["worker's environment"] > 0


def check_environments(secrets: dict[str, str], swarm: RealSwarm) -> dict[str, int]:
    """Only those hold a secret that must; how many hold each. The worker, and git, which has none under way now."""
    own = {pid: env for pid, env in environments().items() if str(swarm.folder).encode() in env}
    holding = {name: {pid for pid, env in own.items() if secret.encode() in env} for name, secret in secrets.items()}
    worker = holding["worker's environment"]
    assert len(own) >= 4, "server, worker and two agents"
    assert len(worker) <= 1
    for name in ("harness's credential", "git's token", "git's password"):
        assert holding[name] <= worker, name
    assert len(holding["API key"]) <= 2, "server and worker"
    return {name: len(pids) for name, pids in holding.items()}


async def test_given_a_real_agent_cli_when_its_model_has_it_print_its_credential_then_that_turns_up_nowhere(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    secrets = secrets_of(swarm)
    search = Search(secrets)
    (swarm.marks / "agent.py").write_text(AGENT)
    (swarm.marks / "secrets.json").write_text(json.dumps(secrets))
    (swarm.marks / "go").touch()
    command = f"{sys.executable} {swarm.marks}/agent.py {swarm.marks}/secrets.json {swarm.marks}/up {swarm.marks}/go 0"
    script: list[Any] = [Call("Bash", {"command": command, "description": "sing"}), Say("the canary sings")]
    async with ModelServer(script) as model:
        variables = {
            **variables_of(secrets),
            "PATH": f"{claude_cli.parent}:{claude.environment(swarm.folder, model.url)['PATH']}",
            "ANTHROPIC_BASE_URL": model.url,
            "YOLO": "true",
        }
        with search.watching_processes():
            await asyncio.to_thread(swarm.start_server)
            await asyncio.to_thread(lambda: swarm.start_worker(variables=variables))
            await asyncio.to_thread(swarm.file, {"ref": "one", "harness": "claude", "prompt": "sing"})
            await asyncio.to_thread(swarm.wait_for_all, 1)
            await asyncio.to_thread(look_everywhere, search, swarm)

            secrets["token of the attempt"] = (swarm.marks / "up.token").read_text()
            await asyncio.to_thread(look_everywhere, search, swarm)

    assert (swarm.marks / "up").exists()
    assert search.found == []
    assert (await asyncio.to_thread(sung, swarm))["transcripts"]
