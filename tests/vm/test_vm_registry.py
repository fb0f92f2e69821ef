"""The registry: private, shared by commands at once, and readable where an older program wrote it."""

import sqlite3
import threading
from pathlib import Path

import pytest

from agent_swarm.vm.errors import UnknownVm, VmError, VmExists
from agent_swarm.vm.names import VmRef, project_ref, task_ref
from agent_swarm.vm.registry import Registry, VmRow


def row(ref: VmRef, project: str = "shop") -> VmRow:
    return VmRow(ref=ref, project=project, provider="kvm", origin="tiny", status="running", created_at="")


def test_given_a_new_registry_then_it_is_for_its_owner_alone_and_in_wal_mode(tmp_path: Path) -> None:
    with Registry.open(tmp_path / "registry.db") as registry:
        registry.add(row(project_ref("shop")))
        files = list(tmp_path.iterdir())
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        assert {path.name for path in files} >= {"registry.db", "registry.db-wal"}


def test_given_a_registry_that_others_could_read_then_they_cannot_any_more(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.touch(mode=0o644)
    with Registry.open(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_given_rows_then_they_are_found_in_whatever_case(tmp_path: Path) -> None:
    with Registry.open(tmp_path / "registry.db") as registry:
        registry.add(row(project_ref("Shop")))
        registry.add(row(task_ref("fix"), project="Shop"))
        assert registry.get(project_ref("shop")).ref.name == "Shop"
        assert [task.ref.name for task in registry.tasks("Shop")] == ["fix"]
        with pytest.raises(VmExists, match="project 'SHOP' exists"):
            registry.require_absent(project_ref("SHOP"))
        with pytest.raises(UnknownVm, match="no task 'other'"):
            registry.get(task_ref("other"))


def test_given_an_operation_when_what_ends_it_fails_then_neither_it_nor_what_it_wrote_counts(tmp_path: Path) -> None:
    with Registry.open(tmp_path / "registry.db") as registry:
        number = registry.begin("create", task_ref("fix"), "begun", {"project": "shop"})
        registry.advance(number, "started")
        with pytest.raises(VmExists), registry.ending(number):  # noqa: PT012 - the second one fails
            registry.add(row(task_ref("fix")))
            registry.add(row(task_ref("fix")))
        assert registry.tasks() == []
        (left,) = registry.unfinished()
        assert (left.kind, left.vm_id, left.step, left.details) == (
            "create",
            "agent-swarm-fix",
            "started",
            {"project": "shop"},
        )
        with registry.ending(number):
            registry.add(row(task_ref("fix")))
        assert registry.unfinished() == []
        assert [task.ref.name for task in registry.tasks()] == ["fix"]


def test_given_a_file_of_the_first_version_then_tickets_are_tasks_and_belong_to_no_project(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    old = sqlite3.connect(path)
    old.executescript(
        "CREATE TABLE environment (ticket TEXT PRIMARY KEY, provider TEXT NOT NULL, vm_id TEXT NOT NULL,"
        " base_image TEXT, ip TEXT, status TEXT NOT NULL DEFAULT 'running',"
        " created_at TEXT NOT NULL DEFAULT (datetime('now')));"
        "INSERT INTO environment (ticket, provider, vm_id) VALUES ('fix', 'kvm', 'agent-swarm-fix');"
    )
    old.close()
    for _ in range(2):
        with Registry.open(path) as registry:
            (task,) = registry.tasks()
            assert (task.ref.name, task.project, task.status) == ("fix", "", "running")


def test_given_many_commands_at_once_then_each_waits_for_the_others(tmp_path: Path) -> None:
    failures: list[Exception] = []
    all_there = threading.Barrier(8)

    def add_some(name: str) -> None:
        all_there.wait()  # the file is new to all of them: the moment at which SQLite does not wait by itself
        try:
            with Registry.open(tmp_path / "registry.db") as registry:
                for number in range(5):
                    registry.add(row(task_ref(f"{name}{number}")))
        except Exception as exc:
            failures.append(exc)

    threads = [threading.Thread(target=add_some, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Registry.open(tmp_path / "registry.db") as registry:
        assert len(registry.tasks()) == 40


def test_given_a_file_that_is_no_database_then_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_text("<html>not found</html>" * 100)
    with pytest.raises(VmError, match="cannot use the registry"):
        Registry.open(path)
    assert path.read_text().startswith("<html>")
