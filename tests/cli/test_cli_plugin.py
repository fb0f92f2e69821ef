"""What the files of the Claude Code plugin run, `agent-swarm` and no other program, and what `/swarm-status` shows."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.cli.recorded_server import RecordedServer, answer

PLUGIN = Path(__file__).parents[2] / "plugin"
COMMANDS = sorted((PLUGIN / "commands").glob("*.md"))
ARGUMENTS = "\"Create 'Button'\" frontend,ui high"


def hooks() -> dict[str, list[str]]:
    """The commands of the hooks, by the event that runs them."""
    told = json.loads((PLUGIN / "hooks" / "hooks.json").read_text())["hooks"]
    return {event: [hook["command"] for group in groups for hook in group["hooks"]] for event, groups in told.items()}


def ran(command: str, folder: Path, *, exit_code: int = 0) -> list[str]:
    """What `agent-swarm` was called with by a shell that finds nothing else."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    stub = programs / "agent-swarm"
    stub.write_text(f'#!/bin/sh\nfor word in "$@"; do echo "$word"; done > {folder}/called\nexit {exit_code}\n')
    stub.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", command], env={"PATH": str(programs)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return (folder / "called").read_text().splitlines()


@pytest.mark.parametrize("file", COMMANDS, ids=lambda file: file.stem)
def test_given_a_command_of_the_plugin_when_its_line_runs_then_it_calls_agent_swarm_with_what_was_typed(
    file: Path, tmp_path: Path
) -> None:
    text = file.read_text()
    [line] = re.findall(r"^!`(.+)`$", text, re.MULTILINE)
    verb = file.stem.removeprefix("swarm-")

    called = ran(line.replace("$ARGUMENTS", ARGUMENTS), tmp_path)

    assert called[:2] == ["swarm", verb]
    assert called[-3:] == ["Create 'Button'", "frontend,ui", "high"]
    assert f"allowed-tools: Bash(agent-swarm swarm {verb}:*)\n" in text


def test_given_the_files_of_the_plugin_then_they_are_called_as_they_were() -> None:
    assert [file.stem for file in COMMANDS] == ["swarm-chat", "swarm-project", "swarm-status", "swarm-task"]
    assert (PLUGIN / "agents" / "swarm-master.md").is_file()


@pytest.mark.parametrize("event", ["SessionStart", "TaskCreated", "TaskCompleted", "PostToolUse", "SessionEnd"])
def test_given_a_hook_of_the_plugin_when_it_runs_then_it_mirrors_and_succeeds_whatever_comes_of_it(
    event: str, tmp_path: Path
) -> None:
    [command] = hooks()[event]

    for exit_code in (0, 1):
        assert ran(command, tmp_path, exit_code=exit_code)[:3] == ["swarm", "mirror", "--hook"]
    absent = subprocess.run(["/bin/sh", "-c", command], env={"PATH": ""}, capture_output=True, check=False)
    assert (absent.returncode, absent.stdout, absent.stderr) == (0, b"", b"")


STATUS = """\
=== SWARM ===
Name: dev-swarm
Status: active
Sandboxes: 2
Project: shop

=== AGENTS ===
[⚪ OFFLINE] Backend Agent (backend)
[🔵 WORKING] Frontend Agent (frontend)
└─ Task: <id4>

=== TASKS ===
Blocked: 1
Pending: 0
Running: 1
Completed: 0

=== CHAT ===
operator: Hello team!
"""


def test_given_the_status_of_a_swarm_as_servers_tell_it_when_it_is_shown_then_in_the_lines_of_the_plugin(
    run: Run, recorded_server: RecordedServer
) -> None:
    steps = json.loads((PLUGIN.parent / "tests/server/plugin/golden/get-swarms-id-status.json").read_text())
    [told] = [
        step["response"]["body"] for step in steps if step.get("request", {}).get("path") == "/swarms/dev-swarm/status"
    ]
    recorded_server.will(answer(told))
    variables = {"SWARM_API_URL": recorded_server.url, "SWARM_DEFAULT_ID": "dev-swarm", "API_KEY": "k"}

    shown = run("swarm", "status", env=variables)

    assert (shown.code, shown.out) == (0, STATUS)
    assert [(one.method, one.path) for one in recorded_server.requests] == [("GET", "/swarms/dev-swarm/status")]
