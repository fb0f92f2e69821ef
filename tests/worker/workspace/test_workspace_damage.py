"""Agents that take their repository apart: a clear error, and their work saved as far as there is any."""

# ruff: noqa: ASYNC240 - a test may wait for its files

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.worker.workspace import Project, Workspaces
from agent_swarm.worker.workspace.errors import WorkspaceDamaged, WorkUnfinished

from .checkouts import AgentIn, Checkout, OpenHost

pytestmark = pytest.mark.anyio


def delete_link(agent: Checkout) -> None:
    (agent.path / ".git").unlink()


def start_over(agent: Checkout) -> None:
    (agent.path / ".git").unlink()
    agent.git("init", "--quiet")
    agent.commit()


def point_elsewhere(agent: Checkout) -> None:
    agent.write(".git", "gitdir: /nonexistent\n")


def replace_by_link(agent: Checkout) -> None:
    (agent.path / ".git").rename(agent.path / "moved")
    (agent.path / ".git").symlink_to("moved")


@pytest.mark.parametrize("damage", [delete_link, start_over, point_elsewhere, replace_by_link])
async def test_given_a_worktree_that_lost_its_repository_when_it_is_collected_then_commits_and_files_are_rescued(
    damage: Callable[[Checkout], None],
    host: Workspaces,
    project: Project,
    task: str,
    agent_in: AgentIn,
    origin: Checkout,
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = agent.commit({"committed": "1\n"})
    agent.write("file", "2\n")
    damage(agent)
    with pytest.raises(WorkspaceDamaged, match=r"removed or replaced the worktree's \.git file") as caught:
        await host.collect(workspace, message="done")
    ref = f"refs/swarm/rescue/{task}/1"
    assert caught.value.failure is FailureClass.AGENT
    assert caught.value.details["rescue"] == {
        "ref": ref,
        "commit": origin.git("rev-parse", ref),
        "pushed": True,
        "problems": [],
    }
    assert origin.contains(ref, own)
    assert origin.files(ref)["file"] == "2"
    assert origin.refs("refs/heads/swarm") == {}


@pytest.mark.parametrize("part", ["HEAD", "index", "objects", "refs", "config", "."])
async def test_given_a_repository_with_a_part_deleted_when_work_is_snapshot_then_the_files_are_saved(
    part: str, host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = agent.commit({"committed": "1\n"})
    agent.write("staged", "2\n")
    agent.git("add", "staged")
    agent.write("file", "3\n")
    path = Path(workspace.git_dir or "") / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    snapshot = await host.snapshot(workspace)
    assert snapshot.ref is not None and snapshot.pushed
    assert {"committed": "1", "staged": "2", "file": "3"}.items() <= origin.files(snapshot.ref).items()
    if part not in ("objects", "."):
        assert origin.contains(snapshot.ref, own)
    assert bool(snapshot.problems) == (part in ("HEAD", "objects", "."))


@pytest.mark.parametrize("part", ["HEAD", "index", "config"])
async def test_given_a_repository_with_garbage_in_it_when_work_is_collected_then_it_is_delivered(
    part: str, host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = agent.commit({"committed": "1\n"})
    agent.write("file", "3\n")
    (Path(workspace.git_dir or "") / part).write_bytes(b"\x00garbage[[[")
    result = await host.collect(workspace, message="done")
    assert origin.contains(result.branch or "", own)
    assert origin.files(result.branch or "")["file"] == "3"


async def test_given_missing_objects_when_work_is_collected_then_the_files_are_rescued_on_the_last_whole_commit(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.commit({"committed": "0\n"})
    agent.commit({"committed": "1\n"})
    agent.write("file", "2\n")
    blob = agent.git("rev-parse", "HEAD^:committed")
    (Path(workspace.git_dir or "") / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(WorkspaceDamaged, match="the agent's repository is broken"):
        await host.collect(workspace, message="done")
    ref = f"refs/swarm/rescue/{task}/1"
    assert origin.parents(ref) == [workspace.base]
    assert {"committed": "1", "file": "2"}.items() <= origin.files(ref).items()


@pytest.mark.parametrize("replacement", ["nothing", "a link to somewhere else", "a file"])
async def test_given_a_worktree_that_is_gone_when_it_is_collected_then_the_commits_are_rescued_and_nothing_else_read(
    replacement: str,
    host: Workspaces,
    project: Project,
    task: str,
    agent_in: AgentIn,
    origin: Checkout,
    desk: Checkout,
) -> None:
    workspace = await host.prepare(project, task, 1)
    own = agent_in(workspace).commit({"committed": "1\n"})
    shutil.rmtree(workspace.path)
    if replacement == "a file":
        workspace.path.write_text("1")
    elif replacement != "nothing":
        workspace.path.symlink_to(desk.path)
    with pytest.raises(WorkspaceDamaged):
        await host.collect(workspace, message="done")
    assert origin.parents(f"refs/swarm/rescue/{task}/1") == [own]
    assert origin.files(f"refs/swarm/rescue/{task}/1") == origin.files(own)
    await host.discard(workspace)
    assert not workspace.path.parent.exists()
    assert desk.files("HEAD") == {"README": "hello", "src/app.py": "print(1)"}


@pytest.mark.parametrize("operation", ["merge", "cherry-pick", "rebase"])
async def test_given_conflict_markers_of_an_open_operation_when_work_is_collected_then_it_is_refused_and_rescued(
    operation: str, host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, desk: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = agent.commit({"README": "mine\n"})
    desk.commit({"README": "theirs\n"})
    desk.git("push", "--quiet", "origin", "main")
    agent.git("fetch", "--quiet")
    agent.git(operation, "origin/main", accept=(1,))
    expected = "a rebase half done" if operation == "rebase" else "conflict markers in 'README'"
    with pytest.raises(WorkUnfinished, match=expected) as caught:
        await host.collect(workspace, message="done")
    assert caught.value.failure is FailureClass.AGENT
    assert origin.contains(f"refs/swarm/rescue/{task}/1", own)
    assert origin.refs("refs/heads/swarm") == {}


async def test_given_a_bisect_when_work_is_collected_then_it_is_refused_and_rescued(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = [agent.commit({"file": f"{number}\n"}) for number in range(4)]
    agent.git("bisect", "start", "HEAD", workspace.base or "")
    with pytest.raises(WorkUnfinished, match="a bisect half done"):
        await host.collect(workspace, message="done")
    assert origin.contains(f"refs/swarm/rescue/{task}/1", own[-1])


async def test_given_a_broken_stash_when_work_is_snapshot_then_the_rest_is_saved_and_the_problem_named(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.write("README", "stashed\n")
    agent.git("stash")
    own = agent.commit({"file": "1\n"})
    index_commit = agent.git("rev-parse", "stash^2")
    (Path(workspace.git_dir or "") / "objects" / index_commit[:2] / index_commit[2:]).unlink()
    snapshot = await host.snapshot(workspace)
    assert origin.parents(snapshot.ref or "") == [own]
    assert "of another branch or stash is broken" in snapshot.problems[0]


async def test_given_a_filter_of_the_user_that_fails_when_work_is_snapshot_then_the_files_are_saved_as_they_are(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, environ: dict[str, str]
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    Path(environ["HOME"], ".gitconfig").write_text('[filter "lfs"]\n\tclean = false\n\trequired = true\n')
    agent.write(".gitattributes", "*.bin filter=lfs\n")
    agent.write("big.bin", "1\n")
    snapshot = await host.snapshot(workspace)
    assert origin.files(snapshot.ref or "")["big.bin"] == "1"
    assert "external filter 'false' failed" in snapshot.problems[0]


async def test_given_a_file_that_cannot_be_read_when_work_is_snapshot_then_the_rest_is_saved_and_the_problem_named(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, origin: Checkout, git_without_power: str
) -> None:
    host = await open_host(more={"PATH": git_without_power})
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.write("file", "1\n")
    agent.write("locked", "2\n").chmod(0)
    snapshot = await host.snapshot(workspace)
    assert origin.files(snapshot.ref or "").keys() == {"README", "src/app.py", "file"}
    assert "some files could not be read" in snapshot.problems[0]
    assert "locked" in snapshot.problems[0]


@pytest.fixture
def git_without_power(tmp_path: Path, environ: dict[str, str]) -> str:
    """A PATH whose git cannot read what its user may not read, also where the tests run as root."""
    if os.getuid() != 0:
        return environ["PATH"]
    setpriv, git = shutil.which("setpriv"), shutil.which("git", path=environ["PATH"])
    if setpriv is None:
        pytest.skip("needs setpriv (util-linux)")
    powers = "-dac_override,-dac_read_search"
    script = tmp_path / "bin/git"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {setpriv} --inh-caps={powers} --bounding-set={powers} {git} "$@"\n')
    script.chmod(0o755)
    return f"{script.parent}:{environ['PATH']}"
