"""Importing the Swarm plugin's JSON folders."""

import json
from pathlib import Path

import pytest
from tests.importing.conftest import Home
from tests.importing.foreign_swarm import write_folders

from agent_swarm.domain.budgets import NO_CAPS, RootCaps
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.importing.carrying_out import import_into
from agent_swarm.importing.foreign import UnreadableSource, our_id
from agent_swarm.importing.plugin.folders import read_folders
from agent_swarm.importing.plugin.records import understood
from agent_swarm.importing.report import Outcome
from agent_swarm.store.families.budgets import BUDGETS

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
                    {"sandboxId": "box-1", "name": "Frontend Agent", "role": "frontend", "skills": ["react"]},
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
            "chats": {"general.json": {"messages": [{"from": "master", "message": "Hello team!"}]}},
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
    assert done.new == {"agents": 2, "projects": 1, "tasks": 3, "schedules": 0, "config": 0}
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
    }
    assert done.report is not None
    report = done.report.read_text()
    assert "Hello team!" in report
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
    assert take(home, root).new["tasks"] == 4


def test_given_a_directory_of_something_else_when_it_is_imported_then_it_is_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="holds none of the folders"):
        take(home, tmp_path / "nowhere")
    assert not home.folder.exists()
