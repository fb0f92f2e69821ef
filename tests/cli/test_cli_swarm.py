"""`agent-swarm swarm` against a real server, and what other commands do with swarms."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Ended, caller

pytestmark = pytest.mark.slow

Swarm = Callable[..., Ended]
ADA = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"


@pytest.fixture
def swarm(server: dict[str, str], tmp_path: Path) -> Swarm:
    """`swarm("task", "list")`: the program as a process, to its end."""
    return caller(server, tmp_path)


def told(ended: Ended) -> Any:
    return json.loads(ended.out)


def test_given_a_swarm_when_it_is_made_used_and_deleted_then_each_command_says_what_it_did(swarm: Swarm) -> None:
    made = swarm("swarm", "create", "checkout")
    assert made.out.startswith("swarm-")
    assert "agent-swarm swarm join checkout AGENT" in made.err
    listed = told(swarm("swarm", "list", "--json"))["swarms"]
    assert [one["name"] for one in listed] == ["checkout"]
    swarm_id = listed[0]["id"]

    task_id = swarm("task", "add", "-q", "do it", "--swarm", "checkout").out.strip()
    assert swarm("task", "list", "-q", "--swarm", "checkout").out.split() == [task_id]
    assert told(swarm("agent", "ls", "--swarm", "checkout", "--json"))["agents"] == []
    shown = swarm("swarm", "show", "checkout")
    for fact in (swarm_id, "checkout", "1 pending"):
        assert fact in shown.out
    assert "no agents are in it" in shown.err
    assert swarm("swarm", "pause", "checkout").out == "checkout is paused\n"
    assert "swarm resume checkout" in swarm("task", "explain", task_id).out
    assert swarm("swarm", "resume", swarm_id).out == "checkout is active\n"

    refused = swarm("swarm", "rm", "checkout", code=1)
    assert "--cancel-tasks" in refused.err
    assert swarm("swarm", "rm", "checkout", "--cancel-tasks").out == "checkout is deleted\n"
    assert told(swarm("task", "show", task_id, "--json"))["status"] == "cancelled"
    assert "no swarms" in swarm("swarm", "ls").err


def test_given_a_graph_when_it_is_filed_for_a_swarm_then_tasks_that_name_none_are_in_there(
    swarm: Swarm, tmp_path: Path
) -> None:
    swarm("swarm", "create", "graphs")
    file = tmp_path / "graph.json"
    file.write_text(json.dumps([{"ref": "a", "prompt": "a"}, {"prompt": "b", "dependsOn": ["a"]}]))

    filed = told(swarm("task", "graph", str(file), "--swarm", "graphs", "--json"))

    assert len({task["swarmId"] for task in filed["tasks"]} - {None}) == 1
    swarm("swarm", "rm", "graphs", "--cancel-tasks")


def test_given_a_swarm_when_it_is_killed_and_lifted_by_its_name_then_each_command_says_which(swarm: Swarm) -> None:
    swarm_id = swarm("swarm", "create", "stopped").out.split()[0]

    killed = swarm("kill", "--swarm", "stopped", "--reason", "they deploy")

    assert killed.out.startswith(f"KILLED: swarm {swarm_id}: they deploy\n")
    assert f"agent-swarm lift --swarm {swarm_id}" in killed.out
    assert "status:    killed" in swarm("swarm", "show", "stopped").out
    assert "they deploy" in swarm("task", "add", "x", "--swarm", "stopped", code=1).err
    assert "they deploy" in swarm("swarm", "rm", "stopped", code=1).err
    swarm("task", "add", "-q", "elsewhere")
    assert swarm("lift", "--swarm", "stopped").out == f"lifted for swarm {swarm_id}\n"
    swarm("swarm", "rm", "stopped")


def test_given_what_is_not_there_when_it_is_named_then_the_commands_say_so(swarm: Swarm) -> None:
    assert "no swarm has the id or name 'no'" in swarm("swarm", "show", "no", code=1).err
    assert "no swarm has the id or name 'no'" in swarm("kill", "--swarm", "no", code=1).err
    assert "swarm 'no', which does not exist" in swarm("task", "add", "x", "--swarm", "no", code=1).err
    swarm("swarm", "create", "empty")
    assert swarm("swarm", "leave", "empty", ADA, code=1).err
    swarm("swarm", "rm", "empty")
