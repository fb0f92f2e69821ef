"""The plugin in the real Claude Code: installed from the checkout, its commands and hooks against a real server."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_swarm import __version__
from agent_swarm.testing.claude_cli import environment
from agent_swarm.testing.model_server import Call, ModelServer, Say
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
HEADLESS = ("--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions")
LIST = "checkout-team"


class Claude:
    """Claude Code with the plugin, in a home of this test."""

    def __init__(self, program: Path, folder: Path, swarm: RealSwarm) -> None:
        self._program = program
        self._folder = folder
        self._swarm = swarm
        self.tasks = folder / "config" / "tasks" / LIST
        for name in ("config", "work"):
            (folder / name).mkdir(parents=True)

    def environment(self, model_url: str = "http://127.0.0.1:9", **more: str) -> dict[str, str]:
        """What it is started with: the plugin's variables are those of the seed."""
        scripts = Path(sys.executable).parent
        given = {
            "CLAUDE_CONFIG_DIR": str(self._folder / "config"),
            "PATH": f"{scripts}:{os.environ['PATH']}",
            "SWARM_API_URL": self._swarm.url,
            "API_KEY": self._swarm.key,
            "AGENT_SWARM_HOME": str(self._folder / "of-the-cli"),
            "CLAUDE_CODE_TASK_LIST_ID": LIST,
            "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
        }
        return environment(self._folder, model_url, **{**given, **more})

    def do(self, *arguments: str, code: int = 0) -> str:
        """A command of the program, to its end."""
        done = subprocess.run(
            [self._program, *arguments],
            env=self.environment(),
            cwd=self._folder / "work",
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def install(self) -> None:
        """As a user does it."""
        self.do("plugin", "marketplace", "add", str(ROOT))
        self.do("plugin", "install", "swarm@agent-swarm")

    async def ask(self, prompt: str, script: Script, **more: str) -> tuple[list[dict[str, Any]], list[Any]]:
        """A session with one prompt: the lines that it printed, and what the model was asked."""
        async with ModelServer(script) as model:
            done = await _ran(
                [str(self._program), "--print", prompt, *HEADLESS, "--allowedTools", "TaskCreate,TaskUpdate,TaskList"],
                self._folder / "work",
                self.environment(model.url, **more),
            )
            return [json.loads(line) for line in done.splitlines()], model.everything


async def _ran(argv: list[str], folder: Path, env: Mapping[str, str]) -> str:
    import asyncio

    process = await asyncio.create_subprocess_exec(
        *argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(180):
        out, err = await process.communicate()
    assert process.returncode == 0, out.decode() + err.decode()
    return out.decode()


@pytest.fixture
def claude(claude_cli: Path, tmp_path: Path, swarm: RealSwarm) -> Claude:
    return Claude(claude_cli, tmp_path / "claude", swarm)


def native(swarm: RealSwarm) -> dict[str, str]:
    """The tasks of the native team on the board: their statuses by title."""
    found = swarm.call("GET", "/api/tasks?limit=100")["tasks"]
    return {task["title"]: task["status"] for task in found if "claude-team" in task["tags"]}


def states(swarm: RealSwarm) -> dict[str, list[str]]:
    """What their tags say of how they stand."""
    found = swarm.call("GET", "/api/tasks?limit=100")["tasks"]
    return {task["title"]: sorted({*task["tags"]} - {"claude-team", LIST}) for task in found}


def test_given_the_plugin_when_it_is_validated_then_strictly_and_with_the_packages_version(
    claude: Claude, swarm: RealSwarm
) -> None:
    swarm.start_server()
    for folder in (ROOT / "plugin", ROOT):
        assert "Validation passed" in claude.do("plugin", "validate", "--strict", str(folder))
    claude.install()
    assert "swarm@agent-swarm" in claude.do("plugin", "list")
    manifest = json.loads((ROOT / "plugin" / ".claude-plugin" / "plugin.json").read_text())
    assert manifest["version"] == __version__  # else installed ones would not be brought up to date


async def test_given_the_plugin_when_its_commands_are_typed_then_they_do_what_the_swarm_shows(
    claude: Claude, swarm: RealSwarm
) -> None:
    swarm.start_server()
    swarm_id = swarm.call("POST", "/swarms", {"name": "checkout"})["id"]
    swarm.call("POST", "/projects", {"name": "shop", "gitUrl": "https://example.com/shop.git", "swarm": swarm_id})
    claude.install()

    async def typed(command: str) -> str:
        lines, asked = await claude.ask(command, [Say("told")], SWARM_DEFAULT_ID="checkout")
        assert lines[-1]["result"] == "told", lines[-1]
        return json.dumps(asked[0].body["messages"])

    filed = await typed('/swarm-task "Create Button" frontend,ui high')
    task = swarm.call("GET", f"/swarms/{swarm_id}/tasks")["tasks"][0]
    assert (task["title"], sorted(task["tags"]), task["priority"]) == ("Create Button", ["frontend", "ui"], "high")
    assert task["id"] in filed
    shown = await typed("/swarm-status")
    assert "=== SWARM ===\\nName: checkout\\nStatus: active" in shown
    assert "Pending: 1" in shown
    said = await typed('/swarm:swarm-chat "What\'s the status?" @frontend')
    message = swarm.call("GET", f"/swarms/{swarm_id}/chat")["messages"][0]
    assert message["message"] == "@frontend What's the status?"
    assert message["id"] in said
    assert "https://example.com/shop.git" in await typed("/swarm-project status")


async def test_given_the_plugin_when_a_session_starts_then_agent_skill_and_tools_are_there(
    claude: Claude, swarm: RealSwarm
) -> None:
    swarm.start_server()
    claude.install()
    lines, asked = await claude.ask("look around", [Call("mcp__plugin_swarm_swarm__get-swarm", {}), Say("done")])
    told = next(line for line in lines if line.get("subtype") == "init")
    assert "swarm:swarm-master" in told["agents"]
    assert "swarm:agent-swarm" in told["slash_commands"]
    assert [(one["name"], one["status"]) for one in told["mcp_servers"]] == [("plugin:swarm:swarm", "connected")]
    assert not any(result.is_error for result in asked[1].results)


async def test_given_a_native_team_when_it_makes_and_completes_tasks_then_the_board_shows_them_once(
    claude: Claude, swarm: RealSwarm
) -> None:
    swarm.start_server()
    claude.install()
    script: Script = [
        Call("TaskCreate", {"subject": "build it", "description": "well"}),
        Call("TaskCreate", {"subject": "test it", "description": "twice"}),
        Call("TaskUpdate", {"taskId": "2", "addBlockedBy": ["1"]}),
        Call("TaskUpdate", {"taskId": "1", "status": "in_progress"}),
        Say("it is begun"),
    ]
    await claude.ask("make a plan", script)
    assert native(swarm) == {"build it": "backlog", "test it": "backlog"}
    assert states(swarm) == {"build it": ["in-progress"], "test it": ["waiting"]}
    await claude.ask("go on", [Call("TaskUpdate", {"taskId": "1", "status": "completed"}), Say("half of it is done")])
    assert states(swarm)["test it"] == []
    assert native(swarm) == {"build it": "completed", "test it": "backlog"}
    await claude.ask("go on", [Call("TaskUpdate", {"taskId": "2", "status": "deleted"}), Say("done")])
    assert native(swarm) == {"build it": "completed", "test it": "cancelled"}


async def test_given_a_server_that_is_down_when_a_native_team_works_then_the_next_session_catches_up(
    claude: Claude, swarm: RealSwarm
) -> None:
    claude.install()
    script: Script = [
        Call("TaskCreate", {"subject": "build it", "description": "well"}),
        Call("TaskCreate", {"subject": "test it", "description": "twice"}),
        Call("TaskUpdate", {"taskId": "1", "status": "completed"}),
        Say("worked without a board"),
    ]
    lines, _ = await claude.ask("make a plan", script)
    assert lines[-1]["result"] == "worked without a board"
    later = {"id": "3", "subject": "ship it", "description": "", "status": "pending", "blocks": [], "blockedBy": ["2"]}
    (claude.tasks / "3.json").write_text(json.dumps(later))  # by a session without the plugin

    swarm.start_server()
    await claude.ask("good morning", [Say("good morning")])
    assert native(swarm) == {"build it": "completed", "test it": "backlog", "ship it": "backlog"}
    assert states(swarm)["ship it"] == ["waiting"]
