"""Snapshots of unfinished work."""

from pathlib import Path

import pytest

from agent_swarm.worker.workspace import Project, Workspaces

from .checkouts import AGENT, AgentIn, Checkout

pytestmark = pytest.mark.anyio


async def test_given_unfinished_work_when_it_is_snapshot_then_all_but_ignored_files_are_on_the_rescue_ref_everywhere(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, mirror: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = agent.commit({".gitignore": "*.log\n"})
    agent.write("staged", "s\n")
    agent.git("add", "staged")
    agent.write("README", "changed\n")
    agent.write("untracked/ü x", "u\n")
    agent.write("debug.log")
    (agent.path / "src/app.py").unlink()
    snapshot = await host.snapshot(workspace)
    assert (snapshot.ref, snapshot.pushed, snapshot.problems) == (f"refs/swarm/rescue/{task}/1", True, ())
    assert snapshot.base == workspace.base
    for repository in (origin, mirror):
        assert repository.git("rev-parse", snapshot.ref or "") == snapshot.commit
        assert repository.files(snapshot.commit or "") == {
            ".gitignore": "*.log",
            "README": "changed",
            "staged": "s",
            "untracked/ü x": "u",
        }
    assert origin.parents(snapshot.commit or "") == [own]
    assert origin.git("log", "-1", "--format=%ae", snapshot.commit or "") == f"{AGENT}@agents.agent-swarm.invalid"
    assert origin.refs("refs/heads/swarm") == {}


async def test_given_work_in_every_state_when_it_is_snapshot_then_neither_worktree_nor_repository_change(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.write("README", "stashed\n")
    agent.git("stash")
    agent.git("checkout", "--quiet", "-b", "side")
    agent.write("staged", "1\n")
    agent.git("add", "staged")
    agent.write("staged", "2\n")
    agent.git("add", "--intent-to-add", agent.write("intended", "1\n").name)
    agent.write("untracked", "1\n")
    (Path(workspace.git_dir or "") / "index.lock").touch()
    before, status = agent.everything(), agent.git("status", "--porcelain=v2")
    await host.snapshot(workspace)
    assert agent.everything() == before
    assert agent.git("status", "--porcelain=v2") == status


async def test_given_nothing_uncommitted_when_it_is_snapshot_then_it_says_so_with_the_same_files_and_its_base(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    own = agent_in(workspace).commit({"file": "1\n"})
    snapshot = await host.snapshot(workspace)
    assert origin.parents(snapshot.commit or "") == [own]
    assert origin.git("diff", own, snapshot.commit or "") == ""
    trailers = origin.git("log", "-1", "--format=%(trailers)", snapshot.commit or "").splitlines()
    assert trailers == [f"Swarm-Snapshot: {task}/1", f"Swarm-Base: {workspace.base}"]


async def test_given_an_unchanged_workspace_when_it_is_snapshot_twice_then_it_is_one_commit(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    assert await host.snapshot(workspace) == await host.snapshot(workspace)


async def test_given_work_that_went_on_when_it_is_snapshot_again_then_the_earlier_snapshot_is_kept_within(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.write("file", "1\n")
    first = await host.snapshot(workspace)
    agent.git("checkout", "--quiet", "--orphan", "fresh")
    own = agent.commit({"file": "2\n"})
    agent.write("more", "3\n")
    second = await host.snapshot(workspace)
    assert second.pushed
    assert origin.parents(second.commit or "")[0] == own
    assert origin.contains(second.commit or "", first.commit or "")


async def test_given_work_on_branches_and_in_stashes_when_it_is_snapshot_then_all_of_it_is_within(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.write("untracked", "kept in a stash\n")
    agent.git("stash", "--include-untracked")
    stash = agent.git("rev-parse", "stash")
    side = agent.commit({"side": "1\n"})
    agent.git("checkout", "--quiet", "--detach", "origin/main")
    snapshot = await host.snapshot(workspace)
    assert origin.contains(snapshot.ref or "", side)
    assert origin.files(f"{stash}^3") == {"untracked": "kept in a stash"}
    assert origin.files(snapshot.ref or "") == {"README": "hello", "src/app.py": "print(1)"}


async def test_given_a_merge_with_conflicts_when_it_is_snapshot_then_both_sides_and_the_files_as_they_are_are_kept(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, desk: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = agent.commit({"README": "mine\n"})
    theirs = desk.commit({"README": "theirs\n"})
    desk.git("push", "--quiet", "origin", "main")
    agent.git("fetch", "--quiet")
    agent.git("merge", "origin/main", accept=(1,))
    snapshot = await host.snapshot(workspace)
    assert origin.parents(snapshot.commit or "") == [own, theirs]
    assert origin.files(snapshot.commit or "")["README"] == (agent.path / "README").read_text().strip()


async def test_given_an_unreachable_repository_when_work_is_snapshot_then_it_is_safe_here_and_says_why_not_there(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, mirror: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    origin.path.rename(origin.path.with_name("moved"))
    snapshot = await host.snapshot(workspace)
    assert not snapshot.pushed
    assert "does not appear to be a git repository" in snapshot.push_error
    assert mirror.files(snapshot.ref or "")["file"] == "1"
    origin.path.with_name("moved").rename(origin.path)
    assert (await host.snapshot(workspace)).pushed


async def test_given_staged_content_that_differs_from_the_file_when_it_is_snapshot_then_the_file_counts(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.write("README", "staged\n")
    agent.git("add", "README")
    agent.write("README", "newer\n")
    assert origin.files((await host.snapshot(workspace)).ref or "")["README"] == "newer"


async def test_given_a_mirror_somebody_deleted_when_work_is_snapshot_then_it_is_made_again(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, mirror: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    mirror.path.rename(mirror.path.with_name("gone"))
    snapshot = await host.snapshot(workspace)
    assert origin.files(snapshot.ref or "")["file"] == "1"
