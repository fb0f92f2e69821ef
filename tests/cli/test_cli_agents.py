"""Agents by command: introduced, shown in their tree, stopped and started; what is said of them, in versions."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Ended, caller

Swarm = Callable[..., Ended]

pytestmark = pytest.mark.slow


@pytest.fixture
def swarm(server: dict[str, str], tmp_path: Path) -> Swarm:
    return caller(server, tmp_path)


def test_given_agents_below_agents_when_they_are_listed_stopped_and_started_then_the_tree_is_seen(swarm: Swarm) -> None:
    told = swarm("agent", "add", "boss", "--lead")
    boss = told.out.split()[0]
    assert f"AGENT_ID={boss} agent-swarm worker" in told.err
    swarm("agent", "add", "tester", "--parent", "boss", "--skills", "pytest,docs")
    swarm("agent", "add", "another", "--parent", "tester")

    rows = [line.split("  ") for line in swarm("agent", "ls", "--tree").out.splitlines()[1:]]
    assert [next(cell for cell in row[1:] if cell).strip() for row in rows] == ["boss", "tester", "another"]
    shown = swarm("agent", "show", "tester").out
    for fact in ("0 of 1 busy, 0 free", "below:       boss", "above:       another", "docs, pytest"):
        assert fact in shown
    assert "stopped boss and 2 below it" in swarm("agent", "stop", "boss", "-r", "--reason", "it loops").out
    assert "boss is stopped already" in swarm("agent", "stop", "boss").out
    assert "offline, stopped" in swarm("agent", "ls").out
    assert "by operator at" in swarm("agent", "show", "another").out
    assert "it loops" in swarm("agent", "show", "another").out
    assert json.loads(swarm("agent", "start", "tester", "--json").out)["agent"]["stopped"] is None
    assert "started boss and 1 below it" in swarm("agent", "start", "boss", "--recursive").out
    assert "boss was not stopped" in swarm("agent", "start", "boss").out


def test_given_an_agent_when_its_profile_is_set_compared_and_restored_then_versions_are_kept(
    swarm: Swarm, tmp_path: Path
) -> None:
    swarm("agent", "add", "writer", "--skills", "docs")
    style = tmp_path / "style.md"
    style.write_text("short sentences\n")

    told = swarm("agent", "profile", "set", "writer", "--instructions", str(style), "--tags", "docs", "--note", "why")
    assert "version 2 counts" in told.out
    swarm("agent", "profile", "set", "writer", "--as-reported", "skills", "--tags", "")
    assert json.loads(swarm("agent", "profile", "show", "writer", "--json").out)["tags"] == []
    shown = swarm("agent", "profile", "show", "writer").out
    assert "version 3, by operator" in shown
    assert "short sentences" in shown
    assert "+short sentences" in swarm("agent", "profile", "diff", "writer", "1", "2").out
    assert "-skills: docs" in swarm("agent", "profile", "diff", "writer", "2", "3").out
    refused = swarm("agent", "profile", "restore", "writer", "1", "--expect", "2", code=1)
    assert "version 3, expected 2" in refused.err
    assert "version 4 counts" in swarm("agent", "profile", "restore", "writer", "2").out
    rows = swarm("agent", "profile", "versions", "writer").out.splitlines()
    assert [row.split()[0] for row in rows[1:]] == ["1", "2", "3", "4"]
    assert rows[2].endswith("why") and "as version 2" in rows[4]
    assert json.loads(swarm("agent", "profile", "show", "writer", "--json").out)["skills"] == ["docs"]
