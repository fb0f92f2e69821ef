"""`agent-swarm template`, and a worker that starts from one, against a real server."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run, caller, clean_environment

from agent_swarm.testing.waiting import until

AGENT_ID = "0b5e3c1e-6f0a-4c57-9d5e-2f1a7c3b9e10"


def test_given_the_package_when_templates_are_listed_shown_and_made_then_each_command_says_so(
    run: Run, tmp_path: Path
) -> None:
    made = run("template", "new", "team/tester", "--from", "official/reviewer")
    folder = Path(made.out.strip())
    assert (folder / "template.toml").is_file()
    assert "agent-swarm template show team/tester" in made.err
    listed = {one["id"]: one["template"] for one in json.loads(run("template", "list", "--json").out)["templates"]}
    assert {"official/coder", "official/lead", "team/tester"} <= set(listed)
    shown = run("template", "show", "team/tester").out
    assert "permissions:  read-only" in shown
    assert json.loads(run("template", "show", str(folder), "--json").out)["role"] == "reviewer"
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a template"]):
        subprocess.run([*git, *command], check=True)
    assert json.loads(run("template", "show", f"file://{folder}", "--json").out)["role"] == "reviewer"
    (folder / "template.toml").write_text('name = "x"\n[defaults]\nslots = "many"\n')
    assert "defaults.slots" in run("template", "show", "team/tester").err
    assert "is there already" in run("template", "new", "team/tester").err
    assert "choose another name" in run("template", "new", "official/mine").err
    assert run("template", "show", "absent").code == 1


@pytest.mark.slow
def test_given_a_worker_with_a_template_when_it_starts_twice_then_it_is_applied_once(
    server: dict[str, str], tmp_path: Path
) -> None:
    swarm = caller(server, tmp_path)
    env = {**clean_environment(tmp_path / "home"), **server, "AGENT_ID": AGENT_ID, "TEMPLATE_ID": "official/coder"}

    def started() -> "subprocess.Popen[bytes]":
        argv = [sys.executable, "-m", "agent_swarm", "worker", "--harness", "script"]
        return subprocess.Popen(argv, env=env, cwd=tmp_path, stderr=subprocess.DEVNULL)

    def status() -> str:
        found = {one["id"]: one for one in json.loads(swarm("agent", "ls", "--json").out)["agents"]}
        return str(found.get(AGENT_ID, {}).get("status"))

    first = started()
    asyncio.run(until(lambda: status() == "idle", within=30))
    told = json.loads(swarm("agent", "profile", "show", AGENT_ID, "--json").out)
    assert (told["version"], told["role"], told["note"]) == (1, "coder", "template official/coder")
    assert told["instructions"].startswith("You write code that others will read and run.")
    [agent] = json.loads(swarm("agent", "ls", "--json").out)["agents"]
    assert (agent["templateId"], agent["permissions"]) == ("official/coder", "workspace-write")
    swarm("agent", "profile", "set", AGENT_ID, "--role", "plumber")
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 0
    second = started()
    asyncio.run(until(lambda: status() == "idle", within=30))
    told = json.loads(swarm("agent", "profile", "show", AGENT_ID, "--json").out)
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    assert (told["version"], told["role"], told["skills"]) == (2, "plumber", ["coding", "debugging", "git", "testing"])
