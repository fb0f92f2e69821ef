"""Copies of a project, brought up to date beside agents at work."""

import shutil

import pytest

from agent_swarm.worker.workspace import Project, Workspaces
from agent_swarm.worker.workspace.errors import WorkspaceError
from agent_swarm.worker.workspace.values import CopyStatus

from .checkouts import AgentIn, Checkout

pytestmark = pytest.mark.anyio


def pushed(desk: Checkout, files: dict[str, str], *options: str) -> str:
    """The commit that a person has pushed."""
    commit = desk.commit(files)
    desk.git("push", "--quiet", *options, "origin", "main")
    return commit


async def test_given_a_project_when_its_copy_is_synced_then_it_says_what_that_led_to(
    host: Workspaces, project: Project, desk: Checkout
) -> None:
    first = desk.head
    made = await host.sync(project)
    again = await host.sync(project)
    second = pushed(desk, {"README": "more\n"})
    updated = await host.sync(project)
    assert (made.status, made.branch, made.head, made.before) == (CopyStatus.CREATED, "main", first, "")
    assert (again.status, again.head, again.before) == (CopyStatus.CURRENT, first, first)
    assert (updated.status, updated.head, updated.before) == (CopyStatus.UPDATED, second, first)
    assert made.runs == again.runs == updated.runs == ()


async def test_given_a_branch_that_was_rewritten_when_its_copy_is_synced_then_what_it_was_keeps_a_name(
    host: Workspaces, project: Project, desk: Checkout, mirror: Checkout
) -> None:
    lost = pushed(desk, {"README": "lost\n"})
    await host.sync(project)
    desk.git("reset", "--quiet", "--hard", "HEAD~1")
    kept = pushed(desk, {"README": "kept\n"}, "--force")
    synced = await host.sync(project)
    assert (synced.status, synced.head, synced.before) == (CopyStatus.DIVERGED, kept, lost)
    assert lost in mirror.refs("refs/swarm").values()
    mirror.git("gc", "--quiet", "--prune=now")
    assert mirror.files(lost)["README"] == "lost"


async def test_given_a_project_without_a_commit_when_its_copy_is_synced_then_it_is_empty(
    host: Workspaces, project: Project, origin: Checkout
) -> None:
    shutil.rmtree(origin.path)
    origin.path.mkdir()
    origin.begin(bare=True)
    synced = await host.sync(project)
    assert (synced.status, synced.head, synced.runs) == (CopyStatus.EMPTY, "", ())


async def test_given_an_agent_at_work_when_the_copy_is_synced_then_its_run_is_told_of_and_nothing_in_it_changes(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, desk: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = agent.commit({"own": "1\n"})
    agent.write("README", "half done\n")
    agent.write("untracked", "1\n")
    before = agent.everything()
    pushed(desk, {"README": "theirs\n"})
    pushed(desk, {"README": "theirs again\n"})
    (run,) = (await host.sync(project)).runs
    assert (run.task_id, run.attempt, run.branch, run.is_held) == (task, 1, workspace.branch, False)
    assert (run.head, run.changed_files, run.ahead, run.behind, run.problem) == (own, 2, 1, 2, "")
    assert agent.everything() == before


@pytest.mark.parametrize("gone", ["folder", "repository"])
async def test_given_a_run_that_nobody_can_read_when_the_copy_is_synced_then_that_is_told_and_the_copy_is_new(
    host: Workspaces, project: Project, task: str, desk: Checkout, gone: str
) -> None:
    workspace = await host.prepare(project, task, 1)
    shutil.rmtree(workspace.path if gone == "folder" else workspace.git_dir or "")
    head = pushed(desk, {"README": "more\n"})
    synced = await host.sync(project)
    (run,) = synced.runs
    assert (synced.status, synced.head) == (CopyStatus.UPDATED, head)
    assert (run.task_id, run.head) == (task, "")
    assert run.problem == f"the {gone} of the run is gone, or was replaced"


async def test_given_runs_on_other_projects_when_a_copy_is_synced_then_they_are_not_told_of(
    host: Workspaces, project: Project, task: str
) -> None:
    await host.prepare(project, task, 1)
    other = Project(id="11111111-2222-4333-8444-000000000002", url=project.url)
    assert (await host.sync(other)).runs == ()


async def test_given_a_project_that_is_gone_when_its_copy_is_synced_then_that_is_an_error_and_the_copy_is_as_it_was(
    host: Workspaces, project: Project, origin: Checkout, mirror: Checkout
) -> None:
    await host.sync(project)
    before = mirror.refs()
    shutil.rmtree(origin.path)
    with pytest.raises(WorkspaceError):
        await host.sync(project)
    assert mirror.refs() == before
