"""Workspaces are removed once their work is safe, and not before."""

from pathlib import Path

import pytest

from agent_swarm.worker.workspace import Project, Workspaces
from agent_swarm.worker.workspace.errors import WorkspaceError

from .checkouts import AgentIn, Checkout

pytestmark = pytest.mark.anyio


async def test_given_a_collected_attempt_when_it_is_discarded_then_nothing_more_is_saved_and_nothing_is_left(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, worker_dir: Path
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    await host.collect(workspace, message="done")
    assert await host.discard(workspace) is None
    assert origin.refs("refs/swarm") == {}
    assert list((worker_dir / "runs").iterdir()) == list((worker_dir / "trash").iterdir()) == []


async def test_given_an_attempt_that_was_never_collected_when_it_is_discarded_then_its_work_is_on_the_rescue_ref(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    saved = await host.discard(workspace)
    assert saved is not None and saved.pushed
    assert origin.files(saved.ref or "")["file"] == "1"
    assert not workspace.path.exists()


async def test_given_a_change_after_collecting_when_it_is_discarded_then_the_change_is_saved_as_well(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    await host.collect(workspace, message="done")
    agent_in(workspace).write("file", "2\n")
    saved = await host.discard(workspace)
    assert saved is not None
    assert origin.files(saved.ref or "")["file"] == "2"


async def test_given_a_discarded_workspace_when_it_is_discarded_again_then_nothing_happens(
    host: Workspaces, project: Project, task: str
) -> None:
    workspace = await host.prepare(project, task, 1)
    await host.discard(workspace)
    assert await host.discard(workspace) is None


async def test_given_work_that_cannot_be_made_safe_when_it_is_discarded_then_it_stays_in_place(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, mirror: Checkout, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    for repository in (mirror, origin):
        repository.path.rename(repository.path.with_name("lost"))
    with pytest.raises(WorkspaceError):
        await host.discard(workspace)
    assert (workspace.path / "file").read_text() == "1\n"


async def test_given_a_directory_without_write_permission_when_it_is_discarded_then_it_goes_all_the_same(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, worker_dir: Path
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("cache/module/file", "1\n")
    (workspace.path / "cache/module").chmod(0o555)
    (workspace.path / "cache").chmod(0o555)
    await host.discard(workspace)
    assert list((worker_dir / "trash").iterdir()) == []


async def test_given_links_to_other_places_when_a_workspace_is_discarded_then_those_places_stay(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, desk: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    (workspace.path / "link").symlink_to(desk.path)
    (workspace.state_dir / "link").symlink_to(desk.path)
    await host.discard(workspace)
    assert (desk.path / "README").exists()
