"""No secret turns up where it does not belong, however an agent prints it: in a whole swarm of real processes.

Every place that is looked at is named in `PLACES`; one that is empty fails the test, so that it cannot pass for having
looked at nothing.
"""

import asyncio
import json
import os
import random
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from tests.e2e.canaries import AGENT, Search, environments

from agent_swarm.testing import agent_cli, nats, postgres
from agent_swarm.testing import claude_cli as claude
from agent_swarm.testing.model_server import Call, ModelServer, Say
from agent_swarm.testing.real_fleet import RealFleet
from agent_swarm.testing.real_swarm import RealSwarm
from agent_swarm.vault.keys import new_key

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
needs_nats = pytest.mark.skipif(
    nats.binary() is None and not os.environ.get("SKIP_NOTHING"), reason="nats-server is not installed: make dev"
)

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
    """What is planted, by where."""
    return {
        "API key": swarm.key,
        "worker's environment": "kept/by+the worker=\"4711\"&'é'",
        "passed to agents": "deploy-password-0815-zyx",
        "harness's credential": "model-key-of-no-known-shape-77",
        "git's token": "git-token-of-no-known-shape-88",
        "git's password": "url/password+99-of=git",
        "stored secret": "stored/in+the 'configuration' 4712",
    }


def store(swarm: RealSwarm, secrets: dict[str, str]) -> None:
    """Have the server keep one of them, for the environment of agents."""
    entry = {"scope": "global", "key": "STORED_SECRET", "value": secrets["stored secret"], "isSecret": True}
    swarm.call("PUT", "/api/config", entry)


def repository(secrets: dict[str, str]) -> str:
    password = secrets["git's password"]
    return f"https://bot:{quote(password, safe='')}@git.example/backup.git"


def variables_of(secrets: dict[str, str]) -> dict[str, str]:
    return {
        "KEEPER_SECRET": secrets["worker's environment"],
        "DEPLOY_PASSWORD": secrets["passed to agents"],
        "AGENT_SWARM_PASS_ENV": "DEPLOY_PASSWORD",
        "ANTHROPIC_API_KEY": secrets["harness's credential"],
        "OPENAI_API_KEY": secrets["harness's credential"],
        "GITHUB_TOKEN": secrets["git's token"],
        "BACKUP_REMOTE": repository(secrets),
    }


def look_everywhere(search: Search, swarm: RealSwarm) -> None:
    """Into every place that outlives the moment."""
    if isinstance(swarm, RealFleet):
        search.look_into("database", swarm.database_url)
    else:
        search.look_below("database", swarm.folder / "server", "agent-swarm-db.sqlite")
        search.look_below("write-ahead log", swarm.folder / "server", "agent-swarm-db.sqlite-wal")
    search.look_below("transcripts", swarm.folder, "server*/transcripts/**/*")
    search.look_below("transcripts", swarm.folder / "transcripts")
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


def workspaces(swarm: RealSwarm) -> list[Path]:
    """What is there of runs: they are cleared up after their results are told."""
    return [*swarm.folder.glob("workers/*/runs/*/*"), *swarm.folder.glob("workers/*/trash/*")]


def sung(swarm: RealSwarm) -> dict[str, bool]:
    """Where the agent was heard: what it prints gets there."""
    files = [*swarm.folder.glob("server*/transcripts/**/*.jsonl"), *swarm.folder.glob("transcripts/**/*.jsonl")]
    return {
        "transcripts": any(SONG in path.read_bytes() for path in files),
        "events": SONG.decode() in json.dumps(swarm.events()),
    }


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
def test_given_secrets_everywhere_when_an_agent_prints_them_in_every_way_then_they_turn_up_nowhere(
    swarm: RealSwarm, sandbox: str
) -> None:
    search = Search(secrets_of(swarm))
    with search.watching_processes():
        swarm.start_server()
        search.secrets["encryption key"] = (swarm.folder / "server" / ".encryption-key").read_text().strip()
        sing(swarm, search, sandbox=sandbox, servers=1)
    look_everywhere(search, swarm)
    swarm.kill_server()
    search.look_below("database", swarm.folder / "server", "agent-swarm-db.sqlite*")

    assert search.found == [], search.looked_at
    assert {place for place, size in search.looked_at.items() if size} == PLACES


@pytest.mark.parametrize("with_nats", [False, pytest.param(True, marks=needs_nats)], ids=["bus of PostgreSQL", "NATS"])
def test_given_several_servers_when_an_agent_prints_secrets_in_every_way_then_they_turn_up_nowhere_on_the_way_between(
    tmp_path: Path, with_nats: bool
) -> None:
    key = new_key().text
    with ExitStack() as stack:
        server = stack.enter_context(postgres.server())
        url = stack.enter_context(postgres.database_with_tables(server))
        nodes = stack.enter_context(nats.nodes(1)) if with_nats else None
        fleet = RealFleet(
            tmp_path / "fleet",
            url,
            servers=2,
            chance=random.Random(4711),
            nats_url=nodes.urls[0] if nodes else "",
            variables={"SECRETS_ENCRYPTION_KEY": key},
        )
        stack.callback(fleet.close)
        search = Search({**secrets_of(fleet), "encryption key": key})
        with search.watching_processes():
            for number in range(2):
                fleet.start_node(number)
            sing(fleet, search, sandbox="process", servers=2)
        for number in range(2):
            fleet.stop_node(number)
        search.look_into("database", url)
        look_at_files(search, url)
        if nodes:
            search.look_below("NATS", nodes.folder)
            heard = b"".join(path.read_bytes() for path in nodes.folder.glob("**/*") if path.is_file())
            assert SONG in heard, "transcripts went through NATS"

    assert search.found == [], search.looked_at
    more = {"files of the database"} | ({"NATS"} if with_nats else set())
    assert {place for place, size in search.looked_at.items() if size} == PLACES - {"write-ahead log"} | more


def look_at_files(search: Search, url: str) -> None:
    """Into what PostgreSQL has on the disk, its write-ahead log too."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        (folder,) = connection.execute("SELECT current_setting('data_directory')").fetchone() or ("",)
        (number,) = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone() or (
            0,
        )
    for below in ("pg_wal", f"base/{number}"):
        search.look_below("files of the database", Path(folder) / below)


def sing(swarm: RealSwarm, search: Search, *, sandbox: str, servers: int) -> None:
    """Two agents of a worker with secrets print all of them; look while they do, and after."""
    secrets = search.secrets
    (swarm.marks / "agent.py").write_text(AGENT)
    (swarm.marks / "secrets.json").write_text(json.dumps(secrets_of(swarm)))  # agents do not know the others
    prompt = f"python3 {swarm.marks}/agent.py {swarm.marks}/secrets.json {swarm.marks}/{{0}} {swarm.marks}/go {{1}}"
    store(swarm, secrets)
    log_in(swarm, secrets)
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
    check_environments(secrets, swarm, servers=servers)
    (swarm.marks / "go").touch()
    swarm.wait_until(lambda: set(swarm.statuses()) == {"completed", "failed"}, "both have ended")
    look_everywhere(search, swarm)
    assert swarm.stop_worker(worker) == 0
    look_everywhere(search, swarm)


def log_in(swarm: RealSwarm, secrets: dict[str, str]) -> None:
    """Somebody's session: its tokens are secrets too."""
    pair = swarm.call("POST", "/api/auth/token", {"apiKey": swarm.key})
    secrets |= {"access token": pair["accessToken"], "refresh token": pair["refreshToken"]}


def check_environments(secrets: dict[str, str], swarm: RealSwarm, *, servers: int) -> None:
    """Only those hold a secret that must: the worker, servers, agents; git has none under way now."""
    own = {pid: env for pid, env in environments().items() if str(swarm.folder).encode() in env}
    holding = {name: {pid for pid, env in own.items() if secret.encode() in env} for name, secret in secrets.items()}
    worker = holding["worker's environment"]
    agents = {pid for pid, env in own.items() if b"AGENT_SWARM_TASK_ID=" in env}
    assert len(own) >= servers + 3, "servers, worker and two agents"
    assert len(worker) == 1
    for name in ("harness's credential", "git's token", "git's password"):
        assert holding[name] <= worker, name
    assert len(holding["API key"]) <= servers + 1, "servers and worker"
    assert len(holding["encryption key"]) <= servers, "servers alone, where it is given to them"
    assert not holding["encryption key"] & (worker | agents)
    assert holding["passed to agents"] > worker
    assert len(agents) >= 2
    assert holding["stored secret"] <= agents, "agents alone: no worker, no server"
    assert len(holding["stored secret"]) >= 2
    for name in ("access token", "refresh token"):
        assert not holding[name], name


@pytest.mark.parametrize("harness", ["claude", "codex", "copilot"])
async def test_given_a_real_agent_cli_when_its_model_has_it_print_its_credential_then_that_turns_up_nowhere(
    swarm: RealSwarm, claude_cli: Path, request: pytest.FixtureRequest, harness: str
) -> None:
    assert claude_cli.parent == request.getfixturevalue(f"{harness}_cli").parent
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
            "OPENAI_BASE_URL": f"{model.url}/v1",
            **agent_cli.copilot_at(model.url),
            "COPILOT_PROVIDER_API_KEY": secrets["harness's credential"],
            "YOLO": "true",
        }
        task: Any = {"ref": "one", "harness": harness, "prompt": "sing"}
        if harness != "claude":
            task["model"] = agent_cli.MODEL
        with search.watching_processes():
            await asyncio.to_thread(swarm.start_server)
            await asyncio.to_thread(store, swarm, secrets)
            await asyncio.to_thread(lambda: swarm.start_worker(variables=variables))
            await asyncio.to_thread(swarm.file, task)
            await asyncio.to_thread(swarm.wait_for_all, 1)
            await asyncio.to_thread(swarm.wait_until, lambda: workspaces(swarm) == [], "its workspace is gone")
            await asyncio.to_thread(look_everywhere, search, swarm)

            secrets["token of the attempt"] = (swarm.marks / "up.token").read_text()
            await asyncio.to_thread(look_everywhere, search, swarm)

    assert (swarm.marks / "up").exists()
    assert search.found == []
    assert (await asyncio.to_thread(sung, swarm))["transcripts"]
