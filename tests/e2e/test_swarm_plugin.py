"""The Swarm plugin with real workers: tasks find who fits and end with a result, projects reach all sandboxes."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_leads import git

from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on main."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "README", "one\n")
    return folder


def commit(repository: Path, name: str, text: str) -> str:
    """Commit a file on main; the commit."""
    (repository / name).write_text(text)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", name)
    return git(repository, "rev-parse", "HEAD")


def crew(swarm: RealSwarm, *roles: str) -> list[str]:
    """Workers in the swarm dev-swarm, one of each role, by their ids."""
    swarm.call("POST", "/swarms", {"name": "dev-swarm"})
    ids = [swarm.start_worker(slots=1) for _ in roles]
    swarm.wait_until(lambda: len(swarm.call("GET", "/api/agents")["agents"]) == len(ids), "the workers are there")
    for agent_id, role in zip(ids, roles, strict=True):
        body = {"name": role, "sandboxId": agent_id, "role": role}
        assert swarm.call("POST", "/swarms/dev-swarm/agents", body)["sandboxId"] == agent_id
    swarm.wait_until(
        lambda: all(one["status"] == "idle" for one in swarm.call("GET", "/swarms/dev-swarm/agents")["agents"]),
        "they are in the swarm",
    )
    return ids


def file(swarm: RealSwarm, title: str, **fields: Any) -> str:
    """File a task of the shell in the swarm; its id."""
    filed = swarm.call("POST", "/swarms/dev-swarm/tasks", {"title": title, "harness": "shell", **fields})
    return str(filed["id"])


def task(swarm: RealSwarm, task_id: str) -> Any:
    """The task, as the plugin sees it."""
    return next(one for one in swarm.call("GET", "/swarms/dev-swarm/tasks")["tasks"] if one["id"] == task_id)


def ended(swarm: RealSwarm, task_id: str) -> Any:
    """The task, once it has ended."""
    swarm.wait_until(lambda: task(swarm, task_id)["finishedAt"] is not None, "the task has ended")
    return task(swarm, task_id)


def test_given_agents_of_several_roles_when_tasks_with_tags_are_filed_then_each_is_run_by_who_fits(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    frontend, backend = crew(swarm, "frontend", "backend")

    button = file(swarm, "echo the button is there", tags=["frontend", "ui"])
    test = file(swarm, "echo tested", tags=["qa", "backend"], dependsOn=[button])
    nobody = file(swarm, "echo never", tags=["sales"])

    first, second = ended(swarm, button), ended(swarm, test)
    assert (first["status"], first["sandboxId"], first["result"]) == ("completed", frontend, "the button is there")
    assert (second["status"], second["sandboxId"], second["result"]) == ("completed", backend, "tested")
    assert second["timeoutSeconds"] == 600
    assert task(swarm, nobody)["status"] == "pending"
    swarm.call("PUT", f"/swarms/dev-swarm/tasks/{nobody}", {"tags": ["frontend"]})
    assert ended(swarm, nobody)["sandboxId"] == frontend
    status = swarm.call("GET", "/swarms/dev-swarm/status")
    assert (status["sandboxes"], status["tasks"]["completed"]) == (2, 3)


def test_given_a_run_that_is_longer_than_its_task_may_take_when_it_is_over_time_then_it_fails(swarm: RealSwarm) -> None:
    swarm.start_server()
    crew(swarm, "frontend")

    late = file(swarm, "tail -f /dev/null", timeoutSeconds=1)
    swarm.wait_until(lambda: any(one["outcome"] for one in attempts(swarm, late)), "the attempt has ended")

    assert attempts(swarm, late)[0]["failureCode"] == "timeout"


def test_given_work_in_sandboxes_when_its_task_or_its_swarm_is_deleted_then_it_is_stopped_and_they_are_free(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    [frontend] = crew(swarm, "frontend")

    dropped = file(swarm, "true", description=f"touch {swarm.marks}/dropped; tail -f {swarm.marks}/dropped")
    swarm.wait_until(lambda: works(swarm, "dropped"), "the agent works")
    deleted = swarm.call("DELETE", f"/swarms/dev-swarm/tasks/{dropped}")
    assert (deleted["status"], deleted["archivedAt"] is None) == ("cancelled", False)
    swarm.wait_until(lambda: not works(swarm, "dropped"), "its process has ended")
    assert [one["outcome"] for one in attempts(swarm, dropped)] == ["cancelled"]
    assert swarm.call("GET", "/swarms/dev-swarm/tasks")["tasks"] == []

    running = file(swarm, "true", description=f"touch {swarm.marks}/running; tail -f {swarm.marks}/running")
    waiting = file(swarm, "echo never")
    swarm.wait_until(lambda: works(swarm, "running"), "the agent works")
    assert swarm.call("DELETE", "/swarms/dev-swarm")["status"] == "deleted"
    swarm.wait_until(lambda: not works(swarm, "running"), "its process has ended")
    assert [swarm.task(one)["status"] for one in (running, waiting)] == ["cancelled", "cancelled"]
    after = swarm.call("POST", "/api/tasks", {"prompt": "echo free", "harness": "shell"})["id"]
    swarm.wait_until(lambda: swarm.task(after)["status"] == "completed", "who was in it works for others")
    assert swarm.call("GET", f"/api/agents/{frontend}")["swarmId"] is None


def works(swarm: RealSwarm, mark: str) -> bool:
    """Whether there is a process of an agent that follows the file of this mark."""
    wanted, found = ["tail", "-f", str(swarm.marks / mark)], False
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            found = found or path.read_text().split("\0")[:3] == wanted
    return found


def attempts(swarm: RealSwarm, task_id: str) -> list[Any]:
    """The attempts at a task."""
    found: list[Any] = swarm.call("GET", f"/api/tasks/{task_id}/attempts")["attempts"]
    return found


def test_given_a_project_when_sandboxes_init_and_sync_it_then_each_fetches_and_what_agents_left_is_reported_untouched(
    swarm: RealSwarm, repository: Path, tmp_path: Path
) -> None:
    swarm.start_server()
    frontend, backend = crew(swarm, "frontend", "backend")
    made = {"name": "shop", "gitUrl": f"file://{repository}", "swarm": "dev-swarm"}
    swarm.call("POST", "/projects", made)
    first = git(repository, "rev-parse", "HEAD")

    report = swarm.call("POST", "/projects/shop/init")
    assert (report["ok"], {one["sandboxId"] for one in report["sandboxes"]}) == (True, {frontend, backend})
    assert {(one["status"], one["branch"], one["head"]) for one in report["sandboxes"]} == {("created", "main", first)}

    marks = swarm.marks
    work = f"echo mine > README; pwd > {marks}/where; until test -e {marks}/go; do sleep 0.1; done"
    dirty = file(swarm, "true", description=work, sandboxId=frontend)
    swarm.wait_until(lambda: (marks / "where").exists() and bool((marks / "where").read_text()), "the agent works")
    second = commit(repository, "more", "two\n")
    report = swarm.call("POST", "/projects/shop/sync")
    by_id = {one["sandboxId"]: one for one in report["sandboxes"]}
    assert {(one["status"], one["before"], one["head"]) for one in by_id.values()} == {("updated", first, second)}
    [run] = by_id[frontend]["workspaces"]
    assert (run["taskId"], run["changedFiles"], run["ahead"], run["behind"]) == (dirty, 1, 0, 1)
    assert run["branch"] == f"swarm/{dirty}/1"
    assert by_id[backend]["workspaces"] == []
    assert (Path((marks / "where").read_text().strip()) / "README").read_text() == "mine\n"

    git(repository, "reset", "--quiet", "--hard", first)
    third = commit(repository, "other", "three\n")
    report = swarm.call("POST", "/projects/shop/sync")
    assert {(one["status"], one["before"], one["head"]) for one in report["sandboxes"]} == {("diverged", second, third)}
    (marks / "go").touch()
    assert ended(swarm, dirty)["status"] == "completed"
    assert git(repository, "show", f"swarm/{dirty}/1:README") == "mine"

    repository.rename(tmp_path / "gone")
    report = swarm.call("POST", "/projects/shop/sync")
    assert report["ok"] is False
    assert {one["status"] for one in report["sandboxes"]} == {"failed"}
    swarm.stop_worker(backend)
    report = swarm.call("POST", "/projects/shop/sync", {"waitSeconds": 30})
    assert {one["sandboxId"]: one["status"] for one in report["sandboxes"]}[backend] == "offline"


def test_given_the_commands_of_the_plugin_when_they_are_typed_then_they_do_what_they_say(
    swarm: RealSwarm, repository: Path
) -> None:
    swarm.start_server()
    [frontend] = crew(swarm, "frontend")
    health = subprocess.run(
        ["sh", "-c", 'curl -s "$SWARM_API_URL/health"'],
        env={**os.environ, **settings(swarm)},
        capture_output=True,
        check=True,
    )
    assert json.loads(health.stdout)["status"] == "ok"

    assert "shop" in typed(swarm, "project", "create", "shop", f"file://{repository}")
    assert "created" in typed(swarm, "project", "init")
    assert "current" in typed(swarm, "project", "sync")
    filed = json.loads(typed(swarm, "task", "Create Button", "frontend,ui", "high", "--json"))
    assert (filed["tags"], filed["priority"]) == (["frontend", "ui"], "high")
    assert "sent" in typed(swarm, "chat", "Hello team!")
    assert "operator: Hello team!" in typed(swarm, "chat")
    shown = typed(swarm, "status")
    for text in ("=== SWARM ===", "Name: dev-swarm", "Sandboxes: 1", "frontend (frontend)", "operator: Hello team!"):
        assert text in shown
    assert json.loads(typed(swarm, "status", "--json"))["agents"][0]["sandboxId"] == frontend


def settings(swarm: RealSwarm) -> dict[str, str]:
    """The plugin's variables, and a key."""
    return {"SWARM_API_URL": swarm.url, "SWARM_DEFAULT_ID": "dev-swarm", "API_KEY": swarm.key}


def typed(swarm: RealSwarm, *words: str) -> str:
    """What `agent-swarm swarm …` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "agent_swarm", "swarm", *words],
        env={**os.environ, **settings(swarm)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
