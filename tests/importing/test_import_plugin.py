"""Importing the Swarm plugin's JSON folders."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.importing.conftest import Home
from tests.importing.foreign_swarm import write_folders

from agent_swarm.domain.budgets import NO_CAPS, RootCaps
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.importing.carrying_out import import_into
from agent_swarm.importing.foreign import UnreadableSource, our_id
from agent_swarm.importing.plugin.folders import read_folders
from agent_swarm.importing.plugin.records import understood
from agent_swarm.importing.report import Outcome
from agent_swarm.store.families.budgets import BUDGETS
from agent_swarm.store.families.swarms import SWARMS
from agent_swarm.store.records import MessageFilter

pytestmark = pytest.mark.slow  # each makes two databases

SWARM = "swarm-1769380552744"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / ".swarm"
    write_folders(
        root,
        {
            "swarms": {f"{SWARM}.json": {"id": SWARM, "name": "dev-swarm", "projectId": "p-1"}},
            "projects": {"p-1.json": {"id": "p-1", "name": "shop", "gitUrl": "git@git.example:team/shop.git"}},
            "agents": {
                "all.json": [
                    {
                        "sandboxId": "box-1",
                        "name": "Frontend Agent",
                        "role": "frontend",
                        "skills": ["react"],
                        "swarmId": SWARM,
                    },
                    {"sandboxId": "box-2", "name": "Backend Agent", "role": "backend", "tags": ["db"]},
                ]
            },
            "tasks": {
                "tasks.json": {
                    "swarmId": SWARM,
                    "tasks": [
                        {"id": "task-1", "title": "Create Button", "status": "completed"},
                        {
                            "id": "task-2",
                            "title": "Style Button",
                            "tags": ["ui"],
                            "priority": "high",
                            "depends": "task-1",
                        },
                        {"id": "task-3", "title": "Test Button", "description": "All sizes", "dependsOn": ["task-2"]},
                        {"id": "task-4", "title": "Ship", "status": "running"},
                        {"id": "task-5", "status": "pending"},
                        "nonsense",
                    ],
                },
                "broken.json": "{",
            },
            "chats": {
                f"{SWARM}.json": [
                    {"id": "m-2", "from": "master", "message": "Go", "timestamp": "2026-01-26T10:00:01Z"},
                    {"id": "m-1", "from": "Frontend Agent", "message": "Hello @all!", "timestamp": 1769421600000},
                    {"from": "master", "message": "Go", "timestamp": "2026-01-26T10:00:02Z"},
                    {"from": "master", "message": "Go", "timestamp": "2026-01-26T10:00:02Z"},
                    {"from": "master", "message": ""},
                ],
                "other.json": [{"swarmId": "swarm-9", "from": "master", "message": "Who is there?"}],
            },
        },
    )
    (root / "credentials.env").write_text('export FLY_API_TOKEN="FlyV1-secret"\n')
    return root


def take(home: Home, root: Path, caps: RootCaps = NO_CAPS) -> Outcome:
    return import_into(home.address, home.folder, understood(read_folders(root)), source=root, caps=caps)


def test_given_their_folders_when_they_are_imported_then_agents_projects_and_open_tasks_are_here(
    home: Home, root: Path
) -> None:
    done = take(home, root)
    assert done.new == {
        "agents": 2,
        "projects": 1,
        "swarms": 1,
        "tasks": 3,
        "messages": 4,
        "schedules": 0,
        "config": 0,
    }
    tasks = home.tasks()
    assert {name: task.state.status for name, task in tasks.items()} == {
        "Style Button": TaskStatus.PENDING,
        "Test Button": TaskStatus.BLOCKED,
        "Ship": TaskStatus.PENDING,
    }
    style = tasks["Style Button"].spec
    assert (style.priority, style.labels, style.harness) == (75, ("ui",), "claude")
    assert style.project_id == our_id("swarm-plugin", "project", "p-1")
    assert tasks["Test Button"].spec.prompt == "Test Button\n\nAll sizes"
    agent = home.read(lambda queries: queries.agent(our_id("swarm-plugin", "agent", "box-2")))
    assert agent is not None
    assert (agent.name, agent.profile.skills) == ("Backend Agent", frozenset({"db"}))


def test_given_caps_for_root_tasks_when_tasks_are_imported_then_each_has_a_budget_once(home: Home, root: Path) -> None:
    for _ in range(2):
        take(home, root, RootCaps(attempts=4))
    budgets = home.read(lambda queries: queries.scan(BUDGETS, limit=10))
    ids = sorted(task.spec.id for task in home.tasks().values())
    assert sorted((one.scope_id, one.cap_attempts, one.cap_micros) for one in budgets) == [
        (task_id, 4, None) for task_id in ids
    ]
    home.head()


def test_given_what_cannot_be_read_or_has_no_home_when_it_is_imported_then_it_is_reported_and_kept(
    home: Home, root: Path
) -> None:
    done = take(home, root)
    assert {(one.source_id, one.reason) for one in done.problems} == {
        ("tasks/broken.json", "it is no JSON"),
        ("tasks/tasks.json, record 6", "it is no JSON object"),
        ("task-5", "title is missing"),
        ("", "message is missing"),
        ("", "its swarm swarm-9 is not there"),
    }
    assert done.report is not None
    report = done.report.read_text()
    assert "Who is there?" in report
    assert "Hello @all!" not in report
    assert "FlyV1-secret" not in report + json.dumps(done.as_json())
    assert "credentials.env is not read" in done.notes[0]


def test_given_their_folders_when_they_are_imported_again_then_nothing_changes(home: Home, root: Path) -> None:
    take(home, root)
    head = home.head()
    assert take(home, root).is_unchanged
    assert take(home, root.parent).is_unchanged  # the directory that holds them does, too
    assert home.head() == head


def test_given_two_swarms_with_the_same_task_ids_when_they_are_imported_then_they_are_two_tasks(
    home: Home, root: Path
) -> None:
    write_folders(
        root, {"tasks": {"other.json": {"swarmId": "swarm-2", "tasks": [{"id": "task-2", "title": "Other"}]}}}
    )
    done = take(home, root)
    assert done.new["tasks"] == 4
    assert "task task-2: its swarm swarm-2 is not there, it is in none" in done.notes
    assert home.tasks()["Other"].spec.swarm_id is None


def test_given_a_swarm_when_it_is_imported_then_its_tasks_and_its_agents_are_in_it(home: Home, root: Path) -> None:
    take(home, root)
    swarm = home.read(lambda queries: queries.record(SWARMS, SWARM))
    assert swarm is not None
    assert (swarm.name, swarm.project_id) == ("dev-swarm", our_id("swarm-plugin", "project", "p-1"))
    style = home.tasks()["Style Button"].spec
    assert (style.swarm_id, style.timeout, style.requires.any_tag) == (SWARM, 600 * SECOND, frozenset({"ui"}))
    members = home.read(lambda queries: queries.agents(swarm_id=SWARM))
    assert [one.name for one in members] == ["Frontend Agent"]


def test_given_a_chat_when_it_is_imported_then_it_is_told_in_order_with_names_and_times_and_wakes_nobody(
    home: Home, root: Path
) -> None:
    take(home, root)
    assert _chat(home) == [
        ("Frontend Agent", "[2026-01-26T10:00:00.000Z] Hello @all!", 0),
        ("master", "[2026-01-26T10:00:01Z] Go", 0),
        ("master", "[2026-01-26T10:00:02Z] Go", 0),
        ("master", "[2026-01-26T10:00:02Z] Go", 0),
    ]
    write_folders(root, {"chats": {"later.json": [{"swarmId": SWARM, "from": "master", "message": "Done"}]}})
    assert (take(home, root).new["messages"], _chat(home)[-1]) == (1, ("master", "Done", 0))


def test_given_a_swarm_of_that_name_when_another_is_imported_then_it_its_tasks_and_its_chat_are_reported(
    home: Home, root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write_folders(other, {"swarms": {"a.json": {"id": "team-a", "name": "dev-swarm"}}})
    assert take(home, other).new["swarms"] == 1
    assert take(home, other).is_unchanged
    done = take(home, root)
    assert (done.new["swarms"], done.new["tasks"], done.new["messages"], done.new["agents"]) == (0, 0, 0, 2)
    reasons = [one.reason for one in done.problems]
    assert "'dev-swarm' is the name of another swarm: give one of the two another name" in reasons
    assert reasons.count("its swarm cannot be imported") == 7


def test_given_an_import_that_was_killed_before_its_commit_when_it_is_run_again_then_all_of_it_is_here_once(
    home: Home, root: Path
) -> None:
    script = (
        "import os, signal, sys; from agent_swarm.store.sql.engine import Decided; "
        "Decided.commit = lambda self: os.kill(os.getpid(), signal.SIGKILL); "
        "from agent_swarm.cli.main import main; sys.argv[0] = 'agent-swarm'; main()"
    )
    command = [sys.executable, "-c", script, "import", "swarm-plugin", str(root), "--data-dir", str(home.folder)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    done = take(home, root)
    assert (done.new["swarms"], done.new["messages"], sum(done.unchanged.values())) == (1, 4, 0)
    assert take(home, root).is_unchanged
    home.head()


def _chat(home: Home) -> list[tuple[str, str, int]]:
    found = home.read(lambda queries: queries.messages(MessageFilter(channel=SWARM), before=None, limit=50))
    return [(one.sender_name, one.text, one.recipients) for one, _ in reversed(found)]


def test_given_a_directory_of_something_else_when_it_is_imported_then_it_is_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="holds none of the folders"):
        take(home, tmp_path / "nowhere")
    assert not home.folder.exists()
