"""Checks of a merge queue: what passed lands as it was checked and where it was checked, and verdicts say so."""

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.worker.crew import StartWorker

from agent_swarm.domain.merge_queue import Said, Verdict
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol.pool import FrameType
from agent_swarm.testing.fake_pool import FakePool
from agent_swarm.testing.fake_pool_records import FakeTask
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
    """A bare repository with one commit on main; `source` beside it is a clone."""
    work, bare = tmp_path / "source", tmp_path / "project.git"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    (work / "notes.txt").write_text("first\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    git(tmp_path, "clone", "-q", "--bare", str(work), str(bare))
    git(work, "remote", "add", "origin", str(bare))
    return bare


def push(repository: Path, name: str) -> str:
    """Somebody moves the branch; where it is then."""
    work = repository.parent / "source"
    git(work, "pull", "-q", "origin", "main")
    (work / name).write_text("theirs\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", name)
    git(work, "push", "-q", "origin", "HEAD:main")
    return git(work, "rev-parse", "HEAD")


def head(repository: Path, branch: str = "main") -> str:
    return git(repository, "rev-parse", branch)


def project(repository: Path) -> dict[str, str]:
    return {"id": PROJECT_ID, "name": "notes", "repo_url": str(repository)}


async def results(server: FakePool, repository: Path, *prompts: str) -> list[dict[str, str]]:
    """What tasks delivered, as a check depends on it."""
    found = []
    for prompt in prompts:
        task_id = server.add_task(prompt, project=project(repository), title=prompt)
        result = (await server.until_status(task_id, TaskStatus.COMPLETED)).result
        assert result is not None
        found.append({"task_id": task_id, "title": prompt, "branch": result.branch, "commit": result.commit})
    return found


def check(server: FakePool, repository: Path, upstreams: list[dict[str, str]], command: str, **fields: Any) -> FakeTask:
    """A check that is filed."""
    landing = fields.pop("landing", {"branch": ""})
    about = {"project": project(repository), "dependencies": upstreams, "landing": landing, **fields}
    return server.tasks[server.add_task(command, **about)]


async def verdict_of(server: FakePool, task: FakeTask) -> Verdict:
    await server.until_status(task.state.id, TaskStatus.COMPLETED)
    assert task.result is not None
    found = Verdict.read(task.result.data, text=task.result.text, check_id="")
    assert found is not None, task.result
    return found


async def test_given_a_check_that_passes_then_the_merge_that_it_ran_on_is_the_branch_and_nothing_that_it_did(
    start_worker: StartWorker, repository: Path
) -> None:
    before = head(repository)
    async with FakePool() as server, start_worker(server.url):
        upstreams = await results(server, repository, "echo 1 > one", "echo 2 > two")
        tampering = "cat one two; echo 3 > three; git add .; git -c user.name=x -c user.email=x commit -qm evil"
        task = check(server, repository, upstreams, tampering)
        verdict = await verdict_of(server, task)
        assert (verdict.said, verdict.base, verdict.text) == (Said.LANDED, before, "1\n2")
        assert verdict.commit == head(repository)
        assert git(repository, "ls-tree", "--name-only", "main").split() == ["notes.txt", "one", "two"]
        assert task.result is not None
        assert (task.result.branch, task.result.commit) == ("main", verdict.commit)
    assert f"swarm/{task.state.id}" not in git(repository, "for-each-ref"), "a check leaves nothing behind"


async def test_given_a_branch_by_name_then_the_check_begins_there_and_lands_there(
    start_worker: StartWorker, repository: Path
) -> None:
    git(repository, "branch", "trunk", "main")
    main = push(repository, "theirs")
    async with FakePool() as server, start_worker(server.url):
        upstreams = await results(server, repository, "echo 1 > one")
        git(repository, "update-ref", "refs/heads/main", main)
        task = check(server, repository, upstreams, "test -e one", landing={"branch": "trunk"})
        verdict = await verdict_of(server, task)
    assert verdict.commit == head(repository, "trunk")
    assert head(repository) == main


async def test_given_a_check_that_fails_then_nothing_lands_and_the_verdict_has_its_words(
    start_worker: StartWorker, repository: Path
) -> None:
    before = head(repository)
    async with FakePool() as server, start_worker(server.url):
        upstreams = await results(server, repository, "echo 1 > one")
        verdict = await verdict_of(server, check(server, repository, upstreams, "echo broken; echo why >&2; exit 3"))
    assert (verdict.said, verdict.base) == (Said.FAILED, before)
    assert "broken" in verdict.text
    assert "why" in verdict.text
    assert head(repository) == before


async def test_given_a_check_that_takes_too_long_then_it_has_failed(
    start_worker: StartWorker, repository: Path
) -> None:
    async with FakePool() as server, start_worker(server.url):
        upstreams = await results(server, repository, "echo 1 > one")
        verdict = await verdict_of(server, check(server, repository, upstreams, "sleep 1000", timeout_seconds=0.5))
    assert verdict.said is Said.FAILED
    assert "not done after 0.5 s" in verdict.text


async def test_given_results_that_conflict_then_the_verdict_names_the_second_and_where_it_was_merged(
    start_worker: StartWorker, repository: Path
) -> None:
    before = head(repository)
    async with FakePool() as server, start_worker(server.url):
        upstreams = await results(server, repository, "echo 1 > notes.txt", "echo 2 > notes.txt")
        verdict = await verdict_of(server, check(server, repository, upstreams, "true"))
    assert (verdict.said, verdict.base, verdict.task_id) == (Said.CONFLICT, before, upstreams[1]["task_id"])
    assert "'notes.txt'" in verdict.text
    assert head(repository) == before


async def test_given_a_result_that_is_gone_from_the_repository_then_the_verdict_names_it(
    start_worker: StartWorker, repository: Path, tmp_path: Path
) -> None:
    gone = {
        "task_id": "33333333-3333-4333-8333-333333333333",
        "title": "gone",
        "branch": "swarm/gone/1",
        "commit": "1" * 40,
    }
    async with FakePool() as server, start_worker(server.url):
        verdict = await verdict_of(server, check(server, repository, [gone], "true"))
    assert (verdict.said, verdict.task_id) == (Said.CONFLICT, gone["task_id"])


async def test_given_a_branch_that_moves_while_a_check_runs_then_nothing_lands_on_it(
    start_worker: StartWorker, repository: Path, signals: Path
) -> None:
    async with FakePool() as server, start_worker(server.url):
        upstreams = await results(server, repository, "echo 1 > one")
        waits = f"touch {signals}/runs; until [ -e {signals}/go ]; do sleep 0.01; done"
        task = check(server, repository, upstreams, waits)
        await until((signals / "runs").exists)
        theirs = push(repository, "theirs")
        (signals / "go").touch()
        assert (await verdict_of(server, task)).said is Said.MOVED
    assert head(repository) == theirs


async def test_given_a_branch_that_is_put_back_while_a_check_runs_then_that_counts_as_moved(
    start_worker: StartWorker, repository: Path, signals: Path
) -> None:
    first = head(repository)
    push(repository, "unwanted")
    async with FakePool() as server, start_worker(server.url):
        upstreams = await results(server, repository, "echo 1 > one")
        waits = f"touch {signals}/runs; until [ -e {signals}/go ]; do sleep 0.01; done"
        task = check(server, repository, upstreams, waits)
        await until((signals / "runs").exists)
        git(repository, "update-ref", "refs/heads/main", first)
        (signals / "go").touch()
        assert (await verdict_of(server, task)).said is Said.MOVED
    assert head(repository) == first


async def test_given_results_that_are_on_the_branch_already_then_they_have_landed_and_nothing_runs(
    start_worker: StartWorker, repository: Path, signals: Path
) -> None:
    async with FakePool() as server, start_worker(server.url):
        upstreams = await results(server, repository, "echo 1 > one")
        landed = await verdict_of(server, check(server, repository, upstreams, "true"))
        again = await verdict_of(server, check(server, repository, upstreams, f"touch {signals}/ran; exit 1"))
    assert (again.said, again.commit) == (Said.LANDED, landed.commit)
    assert not (signals / "ran").exists()


@pytest.mark.parametrize(("command", "said"), [("true", Said.LANDED), ("exit 1", Said.FAILED)])
async def test_given_no_results_then_the_branch_is_checked_by_itself(
    start_worker: StartWorker, repository: Path, command: str, said: Said
) -> None:
    before = head(repository)
    async with FakePool() as server, start_worker(server.url):
        verdict = await verdict_of(server, check(server, repository, [], command))
    assert (verdict.said, verdict.base) == (said, before)
    assert head(repository) == before


async def test_given_a_repository_that_refuses_the_push_although_nothing_moved_then_the_task_fails_and_says_so(
    start_worker: StartWorker, repository: Path
) -> None:
    async with FakePool() as server, start_worker(server.url):
        upstreams = await results(server, repository, "echo 1 > one")
        refuse = repository / "hooks" / "pre-receive"
        refuse.write_text("#!/bin/sh\nexit 1\n")
        refuse.chmod(0o755)
        task = check(server, repository, upstreams, "true")
        await server.until(lambda: task.attempts and task.attempts[0].outcome)
        failed = next(frame for frame in server.frames if frame.type is FrameType.FAIL)
        assert (failed.body["failure"], failed.body["code"]) == ("policy", "pushRefused")


async def test_given_a_check_when_its_worker_is_shut_down_then_the_next_one_begins_anew_and_lands_once(
    start_worker: StartWorker, repository: Path, signals: Path
) -> None:
    async with FakePool() as server:
        async with start_worker(server.url, shutdown_timeout=timedelta()) as working:
            upstreams = await results(server, repository, "echo 1 > one")
            once = f"if [ -e {signals}/second ]; then test ! -e half; else echo > half; echo up; sleep 1000; fi"
            task = check(server, repository, upstreams, once)
            await server.until(lambda: task.attempts and "up" in task.attempt.texts())
            assert await working.leave() == 0
        (signals / "second").touch()
        async with start_worker(server.url):
            assert (await verdict_of(server, task)).said is Said.LANDED
    assert "one" in git(repository, "ls-tree", "--name-only", "main").split()


async def test_given_no_server_when_80_percent_of_the_lease_are_over_then_nothing_lands_until_it_is_renewed(
    start_worker: StartWorker, repository: Path, signals: Path
) -> None:
    before = head(repository)
    async with (
        FakePool(lease_seconds=1, heartbeat_seconds=0.2) as server,
        start_worker(server.url) as working,
    ):
        upstreams = await results(server, repository, "echo 1 > one")
        task = check(server, repository, upstreams, f"echo up; until [ -e {signals}/go ]; do sleep 0.01; done")
        await server.until(lambda: task.attempts and "up" in task.attempt.texts())
        await server.stop()
        await until(lambda: working.worker.health()["running"][0]["cut"])
        (signals / "go").touch()
        spool = working.worker.home.path / "attempts" / task.state.id / "1" / "spool.jsonl"
        await until(lambda: '"ended"' in spool.read_text())
        assert head(repository) == before
        await server.start()
        assert (await verdict_of(server, task)).said is Said.LANDED
    assert head(repository) != before
