"""Workflows end to end: by the command line over real processes, and with a server that is killed in the middle."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.testing.real_swarm import RealSwarm, processes_below

pytestmark = pytest.mark.slow

PLAIN = {"AGENT_SWARM_WORKFLOW_SANDBOX": "process"}  # works on every host

RELEASE = """
name: release
inputs:
  version: {description: what is released}
  targets: {type: list, default: [linux, mac, win]}
stages:
  - name: check
    kind: shell
    run: |
      echo "checked $VERSION"
      echo '{"tests": 12}' > "$AGENT_SWARM_OUTPUT"
    env: {VERSION: "{{ inputs.version }}"}
  - name: build
    kind: shell
    needs: [check]
    foreach: inputs.targets
    maxParallel: 2
    run: echo "built $TARGET"
    env: {TARGET: "{{ item }}"}
  - name: notes
    kind: swarm
    needs: [check]
    harness: shell
    prompt: echo "notes of {{ inputs.version }}, {{ stages.check.data.tests }} tests"
  - name: release
    kind: noop
    needs: [build, notes]
    gate: {title: "Release {{ inputs.version }}?"}
  - name: beta
    kind: noop
    needs: [release]
    if: contains(inputs.version, 'beta')
  - name: tell
    kind: builtin
    uses: message
    needs: [release, beta]
    with: {text: "{{ inputs.version }} is out"}
outputs:
  notes: "{{ stages.notes.output }}"
  built: "{{ stages.build.data }}"
"""


class Program:
    """The command line, talking to the server of a swarm."""

    def __init__(self, swarm: RealSwarm) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(swarm.folder),
            "API_KEY": swarm.key,
            "AGENT_SWARM_URL": swarm.url,
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """A command that goes on."""
        return subprocess.Popen(
            [sys.executable, "-m", "agent_swarm", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: str) -> Any:
        """What a command that succeeds prints."""
        process = self.start(*arguments, "--json")
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return json.loads(out)


def test_given_a_workflow_with_a_gate_a_loop_and_an_agent_when_run_by_command_then_it_comes_to_its_outputs(
    swarm: RealSwarm, tmp_path: Path
) -> None:
    file = tmp_path / "release.yaml"
    file.write_text(RELEASE)
    swarm.start_server(variables=PLAIN)
    swarm.start_worker()
    program = Program(swarm)

    waiting = program.start("workflow", "run", str(file), "--input", "version=1.4", "--wait", "--json")
    swarm.wait_until(lambda: bool(swarm.call("GET", "/api/approvals")["approvals"]), "the gate asks")
    (asked,) = program.json("approval", "list")["approvals"]
    assert asked["title"] == "Release 1.4?"
    (listed,) = program.json("workflow", "runs")["runs"]
    stands = {one["name"]: one["status"] for one in program.json("workflow", "show", listed["id"][-8:])["stages"]}
    assert stands["release"] == "paused"
    assert stands["tell"] == "blocked"
    program.json("approval", "answer", asked["id"], "open=yes")

    out, errors = waiting.communicate(timeout=90)
    assert waiting.returncode == 0, errors
    assert f"release: asks people; answer with: agent-swarm approval show {asked['id']}" in errors
    run = json.loads(out)
    assert run["status"] == "completed"
    assert run["outputs"]["notes"] == "notes of 1.4, 12 tests"
    assert [one["output"] for one in run["outputs"]["built"]] == ["built linux", "built mac", "built win"]
    outcomes = {one["name"]: one["outcome"] for one in run["stages"]}
    assert outcomes == {**dict.fromkeys(outcomes, "completed"), "beta": "skipped"}
    assert swarm.call("GET", "/api/messages")["messages"][0]["text"] == "1.4 is out"


def test_given_a_server_that_is_killed_in_the_middle_when_it_is_back_then_the_run_ends_and_no_stage_was_done_twice(
    swarm: RealSwarm, tmp_path: Path
) -> None:
    swarm.start_server(variables=PLAIN)
    going = tmp_path / "going"
    stages = [
        {"name": "first", "kind": "shell", "run": f"echo first >> {swarm.marks}/done"},
        # Ends at its second attempt: the first one is killed with the server.
        {
            "name": "long",
            "kind": "shell",
            "needs": ["first"],
            "run": f"test -e {going} || {{ touch {going}; sleep 600; }}",
        },
        {
            "name": "each",
            "kind": "shell",
            "needs": ["long"],
            "foreach": [1, 2, 3, 4, 5],
            "env": {"N": "{{ item }}"},
            "run": f"echo each $N >> {swarm.marks}/done",
        },
        {"name": "beside", "kind": "builtin", "uses": "format", "with": {"text": "x"}, "needs": ["first"]},
    ]
    run_id = swarm.call("POST", "/api/workflows", {"workflow": {"name": "long", "stages": stages}})["id"]
    swarm.wait_until(going.exists, "the long stage is at work")

    swarm.kill_server()
    swarm.start_server(variables=PLAIN)

    def run() -> Any:
        return swarm.call("GET", f"/api/workflows/{run_id}")

    swarm.wait_until(lambda: run()["status"] == "completed", "the run has ended")
    done = Counter((swarm.marks / "done").read_text().splitlines())
    assert done == Counter(["first", *(f"each {number}" for number in range(1, 6))])
    (long,) = [one for one in run()["stages"] if one["name"] == "long"]
    attempts = swarm.call("GET", f"/api/tasks/{long['taskId']}/attempts")["attempts"]
    assert [one["outcome"] for one in attempts] == ["lost", "completed"]
    assert all(number == 1 for number in swarm.completions().values())
    assert not [
        pid for pid in processes_below(swarm.folder / "server") if b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
