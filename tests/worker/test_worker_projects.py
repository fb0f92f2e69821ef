"""Attempts at projects: what agents change reaches the repository, and only under a lease that allows it."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from tests.worker.crew import StartWorker

from agent_swarm.domain.tasks import AttemptOutcome, TaskStatus
from agent_swarm.protocol.pool import FrameType
from agent_swarm.testing.fake_pool import FakePool
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PROJECT_ID = "22222222-2222-4222-8222-222222222222"


def git(folder: Path, *args: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t")
    return subprocess.run(
        ["git", *identity, *args], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A bare repository with one commit on main."""
    work, bare = tmp_path / "source", tmp_path / "project.git"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    (work / "notes.txt").write_text("first\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    git(tmp_path, "clone", "-q", "--bare", str(work), str(bare))
    return bare


def project(repository: Path) -> dict[str, str]:
    return {"id": PROJECT_ID, "name": "notes", "repo_url": str(repository)}


async def test_given_a_project_when_the_agent_changes_files_then_the_result_is_a_commit_in_its_repository(
    start_worker: StartWorker, repository: Path
) -> None:
    async with FakePool() as server, start_worker(server.url, github_name="Ada L", github_email="ada@example.org"):
        task_id = server.add_task("cat notes.txt; echo second >> notes.txt", project=project(repository))
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.result is not None
        assert task.result.branch == f"swarm/{task_id}/1"
        assert git(repository, "rev-parse", task.result.branch) == task.result.commit
        assert git(repository, "show", f"{task.result.commit}:notes.txt") == "first\nsecond"
        assert git(repository, "log", "-1", "--format=%an <%ae>", task.result.commit) == "Ada L <ada@example.org>"


async def test_given_results_to_build_on_when_the_next_task_starts_then_they_are_in_its_workspace(
    start_worker: StartWorker, repository: Path
) -> None:
    async with FakePool() as server, start_worker(server.url):
        upstreams = []
        for name in ("one", "two"):
            task_id = server.add_task(f"echo {name} > {name}", project=project(repository), title=name)
            result = (await server.until_status(task_id, TaskStatus.COMPLETED)).result
            assert result is not None
            upstreams.append(
                {"task_id": task_id, "title": name, "text": "", "branch": result.branch, "commit": result.commit}
            )
        task_id = server.add_task("cat one two notes.txt", project=project(repository), dependencies=upstreams)
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.result is not None and task.result.text == "one\ntwo\nfirst"


async def test_given_results_that_conflict_when_they_are_merged_then_the_attempt_fails_and_says_which(
    start_worker: StartWorker, repository: Path
) -> None:
    async with FakePool() as server, start_worker(server.url):
        upstreams = []
        for name in ("one", "two"):
            task_id = server.add_task(f"echo {name} > notes.txt", project=project(repository), title=name)
            result = (await server.until_status(task_id, TaskStatus.COMPLETED)).result
            assert result is not None
            upstreams.append(
                {"task_id": task_id, "title": name, "text": "", "branch": result.branch, "commit": result.commit}
            )
        task = server.tasks[server.add_task("true", project=project(repository), dependencies=upstreams)]
        await server.until(lambda: task.attempts and task.attempts[0].outcome)
        failed = next(frame for frame in server.frames if frame.type is FrameType.FAIL)
        assert (failed.body["failure"], failed.body["code"]) == ("policy", "mergeConflict")
        assert "notes.txt" in failed.body["message"]


async def test_given_an_agent_that_fails_when_it_has_changed_files_then_they_are_kept_on_a_ref(
    start_worker: StartWorker, repository: Path
) -> None:
    async with FakePool() as server, start_worker(server.url):
        task = server.tasks[server.add_task("echo half > half; exit 1", project=project(repository))]
        await server.until(lambda: task.attempts and task.attempts[0].outcome)
        where = task.attempts[0].where
        assert git(repository, "show", f"{where['snapshot']}:half") == "half"
        assert git(repository, "rev-parse", where["snapshot"]) == where["commit"]


async def test_given_work_that_could_not_be_pushed_when_the_next_attempt_finds_the_repository_open_then_it_is_pushed(
    start_worker: StartWorker, repository: Path
) -> None:
    refuse = repository / "hooks" / "pre-receive"
    refuse.write_text("#!/bin/sh\nexit 1\n")
    refuse.chmod(0o755)
    async with FakePool() as server, start_worker(server.url):
        failing = server.tasks[server.add_task("echo half > half; exit 1", project=project(repository))]
        await server.until(lambda: failing.attempts and failing.attempts[0].outcome)
        snapshot = failing.attempts[0].where["snapshot"]
        assert git(repository, "for-each-ref", snapshot) == ""
        refuse.unlink()
        await server.until_status(server.add_task("true", project=project(repository)), TaskStatus.COMPLETED)
        assert git(repository, "show", f"{snapshot}:half") == "half"


async def test_given_a_repository_that_is_not_there_when_claimed_then_the_attempt_fails_as_the_infrastructures_fault(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    async with FakePool() as server, start_worker(server.url):
        task = server.tasks[server.add_task("true", project=project(tmp_path / "nowhere"))]
        await server.until(lambda: task.attempts and task.attempts[0].outcome)
        failed = next(frame for frame in server.frames if frame.type is FrameType.FAIL)
        assert (failed.body["failure"], failed.body["code"]) == ("infrastructure", "repositoryNotFound")


async def test_given_a_project_when_its_attempt_was_paused_by_a_shutdown_then_the_next_one_delivers_the_work_of_both(
    start_worker: StartWorker, repository: Path
) -> None:
    script = "if [ -e mine ]; then echo two >> mine; exit 0; fi\necho one > mine; echo up; sleep 1000"
    async with FakePool() as server:
        async with start_worker(server.url, shutdown_timeout=timedelta()) as working:
            task = server.tasks[server.add_task(script, project=project(repository))]
            await server.until(lambda: task.attempts and "up" in task.attempt.texts())
            assert await working.leave() == 0
        assert git(repository, "show", f"{task.attempt.where['snapshot']}:mine") == "one"
        async with start_worker(server.url):
            await server.until_status(task.state.id, TaskStatus.COMPLETED)
        assert task.result is not None
        assert git(repository, "show", f"{task.result.commit}:mine") == "one\ntwo"


@pytest.mark.slow
async def test_given_no_server_when_80_percent_of_the_lease_are_over_then_nothing_is_pushed_until_it_is_renewed(
    start_worker: StartWorker, repository: Path, signals: Path
) -> None:
    go_on = signals / "go-on"
    async with FakePool(lease_seconds=1, heartbeat_seconds=0.2) as server, start_worker(server.url) as working:
        task_id = server.add_task(
            f"echo up; while [ ! -e {go_on} ]; do sleep 0.01; done; echo x > x", project=project(repository)
        )
        task = server.tasks[task_id]
        await server.until(lambda: task.attempts and "up" in task.attempt.texts())
        await server.stop()
        await until(lambda: working.worker.health()["running"][0]["cut"])
        go_on.touch()
        spool = working.worker.home.path / "attempts" / task_id / "1" / "spool.jsonl"
        await until(lambda: '"ended"' in spool.read_text())
        assert f"swarm/{task_id}/1" not in git(repository, "branch", "--list", "swarm/*")
        await server.start()
        await server.until_status(task_id, TaskStatus.COMPLETED)
        assert f"swarm/{task_id}/1" in git(repository, "branch", "--list", "swarm/*")
        assert len(task.attempts) == 1


@pytest.mark.slow
async def test_given_a_server_that_stays_away_when_max_offline_is_over_then_the_run_ends_and_says_so_later(
    start_worker: StartWorker, signals: Path
) -> None:
    async with FakePool(lease_seconds=1, heartbeat_seconds=0.2) as server:
        async with start_worker(server.url, max_offline=timedelta()) as working:
            task_id = server.add_task(f"mkdir {signals}/seen || exit 0; echo up; sleep 1000")
            task = server.tasks[task_id]
            await server.until(lambda: task.attempts and "up" in task.attempt.texts())
            await server.stop()
            await until(lambda: not working.worker.health()["running"])
            await server.start()
            await server.until_status(task_id, TaskStatus.COMPLETED)
        assert (task.attempts[0].outcome, task.attempts[0].code) == (AttemptOutcome.FAILED, "offline")
