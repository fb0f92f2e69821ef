"""Runs without a project: a plain folder."""

from pathlib import Path
from uuid import uuid4

import pytest

from agent_swarm.worker.workspace import AttemptResult, PreviousAttempt, Snapshot, Workspaces

from .checkouts import OpenHost

pytestmark = pytest.mark.anyio


async def test_given_no_project_when_an_attempt_is_prepared_then_it_has_an_empty_folder_and_no_branch(
    host: Workspaces, task: str, worker_dir: Path
) -> None:
    workspace = await host.prepare(None, task, 1)
    assert workspace.path == worker_dir / "runs" / task / "1" / "work"
    assert list(workspace.path.iterdir()) == []
    assert workspace.state_dir.is_dir()
    assert (workspace.branch, workspace.base, workspace.git_dir) == (None, None, None)


async def test_given_no_project_when_it_is_collected_then_the_result_has_no_branch(host: Workspaces, task: str) -> None:
    workspace = await host.prepare(None, task, 1)
    (workspace.path / "file").write_text("1")
    assert await host.collect(workspace, message="done") == AttemptResult()
    assert (workspace.path / "file").exists()


async def test_given_no_project_when_it_is_snapshot_then_nothing_is_copied_and_the_folder_stays(
    host: Workspaces, task: str
) -> None:
    workspace = await host.prepare(None, task, 1)
    (workspace.path / "file").write_text("1")
    assert await host.snapshot(workspace) == Snapshot(folder=workspace.path)
    assert (workspace.path / "file").exists()


async def test_given_files_without_a_project_when_the_run_is_discarded_then_they_are_kept_for_people(
    host: Workspaces, task: str, worker_dir: Path
) -> None:
    workspace = await host.prepare(None, task, 1)
    (workspace.path / "file").write_text("1")
    kept = await host.discard(workspace)
    assert kept == Snapshot(folder=worker_dir / "rescued" / task / "1")
    assert (worker_dir / "rescued" / task / "1" / "file").read_text() == "1"
    assert list((worker_dir / "runs").iterdir()) == []


async def test_given_an_empty_folder_when_the_run_is_discarded_then_nothing_is_kept(
    host: Workspaces, task: str, worker_dir: Path
) -> None:
    workspace = await host.prepare(None, task, 1)
    assert await host.discard(workspace) is None
    assert list((worker_dir / "rescued").iterdir()) == []


async def test_given_files_kept_before_when_more_of_the_same_attempt_are_kept_then_both_are_there(
    open_host: OpenHost, task: str, worker_dir: Path
) -> None:
    for content in ("1", "2"):
        workspace = await (await open_host()).prepare(None, task, 1)
        (workspace.path / "file").write_text(content)
        await (await open_host()).rescue_leftovers()
    kept = sorted((worker_dir / "rescued" / task).iterdir())
    assert [(path.name, (path / "file").read_text()) for path in kept] == [("1", "1"), ("1.2", "2")]


async def test_given_a_paused_run_without_a_project_when_it_is_resumed_then_it_goes_on_in_the_same_folder(
    open_host: OpenHost, task: str
) -> None:
    host = await open_host()
    workspace = await host.prepare(None, task, 1)
    (workspace.path / "file").write_text("1")
    await host.pause(workspace)
    host = await open_host()
    assert await host.rescue_leftovers() == ()
    resumed = await host.prepare(None, task, 2, previous=PreviousAttempt(attempt=1))
    assert (resumed.path, resumed.attempt, resumed.resumed) == (workspace.path, 2, True)
    kept = await host.discard(resumed)
    assert kept is not None and kept.folder is not None and kept.folder.name == "2"


async def test_given_runs_of_a_killed_worker_when_leftovers_are_rescued_then_files_are_kept_and_empty_folders_are_not(
    open_host: OpenHost, worker_dir: Path
) -> None:
    host, tasks = await open_host(), [str(uuid4()) for _ in range(2)]
    workspaces = [await host.prepare(None, task, 1) for task in tasks]
    (workspaces[0].path / "file").write_text("1")
    rescued = {one.task_id: one for one in await (await open_host()).rescue_leftovers()}
    assert rescued[tasks[0]].snapshot == Snapshot(folder=worker_dir / "rescued" / tasks[0] / "1")
    assert rescued[tasks[1]].snapshot is None
    assert list((worker_dir / "runs").iterdir()) == []


async def test_given_no_project_and_previous_work_elsewhere_when_an_attempt_is_prepared_then_it_starts_empty(
    host: Workspaces, task: str
) -> None:
    workspace = await host.prepare(None, task, 2, previous=PreviousAttempt(attempt=1))
    assert not workspace.resumed
    assert list(workspace.path.iterdir()) == []
