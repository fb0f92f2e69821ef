"""Stored secrets in a real swarm: agents have them, and neither disk, history nor logs do."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = pytest.mark.slow

GLOBAL, OF_PROJECT = "hunter2-of-the-globe", "hunter2-of-the-shop"


def put(swarm: RealSwarm, key: str, value: str, **fields: Any) -> Any:
    return swarm.call("PUT", "/api/config", {"scope": "global", "key": key, "value": value, "isSecret": True, **fields})


def shell(ref: str, prompt: str, **fields: Any) -> dict[str, Any]:
    return {"ref": ref, "title": ref, "harness": "shell", "prompt": prompt, **fields}


def holders(folder: Path, secret: str) -> list[str]:
    """The files below `folder` in which the secret can be read."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if secret.encode() in path.read_bytes()]


def test_given_stored_secrets_when_agents_run_then_each_has_those_of_its_place_and_they_are_nowhere_else(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    repository = swarm.folder / "shop"
    repository.mkdir()
    swarm.call("POST", "/api/projects", {"name": "shop", "repoUrl": "https://git.example/shop.git"})
    worker = swarm.start_worker(slots=2)
    first = swarm.file(shell("before", "echo begun"))
    swarm.wait_for_all(1)

    put(swarm, "TOKEN", GLOBAL)
    put(swarm, "TOKEN", OF_PROJECT, scope="project", scopeId="shop")
    put(swarm, "MINE", "visible to one agent", scope="agent", scopeId=worker, isSecret=False)
    put(swarm, "NOT_MINE", "never", scope="agent", scopeId="0197a1c2-5b7e-7c3d-9e4f-0123456789ab", isSecret=False)
    put(swarm, "AGENT_SWARM_NO_AGENT_MINUTES", "7", isSecret=False)
    script = 'echo "token=$TOKEN mine=$MINE not=$NOT_MINE minutes=$AGENT_SWARM_NO_AGENT_MINUTES length=${#TOKEN}"'
    refs = swarm.file(shell("after", f"{script}; echo $TOKEN > token.txt; exit 0"))
    swarm.wait_for_all(2)

    text = swarm.task(refs["after"])["result"]["text"]
    assert text == f"token=[redacted] mine=visible to one agent not= minutes= length={len(GLOBAL)}"
    lines = swarm.call("GET", f"/api/tasks/{refs['after']}/attempts/1/transcript")
    everything = json.dumps([lines, swarm.events(), swarm.task(first["before"])])
    assert GLOBAL not in everything and OF_PROJECT not in everything
    swarm.stop_worker(worker)
    swarm.wait_until(lambda: holders(swarm.folder, GLOBAL) in ([], _of_the_agent(swarm)), "files are settled")
    assert set(holders(swarm.folder, GLOBAL)) <= set(_of_the_agent(swarm))
    assert holders(swarm.folder, OF_PROJECT) == []


def _of_the_agent(swarm: RealSwarm) -> list[str]:
    """The file that the agent itself wrote."""
    return [str(path) for path in swarm.folder.rglob("token.txt")]
