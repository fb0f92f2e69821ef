"""Going on after a pause, here and elsewhere."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from agent_swarm.worker.workspace import DependencyResult, PreviousAttempt, Project, Workspaces
from agent_swarm.worker.workspace.errors import PreviousWorkMissing, RepositoryNotFound, WorkspaceInUse

from .checkouts import AgentIn, Checkout, OpenHost

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def paused(host: Workspaces, project: Project, task: str, agent_in: AgentIn) -> PreviousAttempt:
    """An attempt with a commit, staged, changed, untracked and ignored files, and a stash, paused."""
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.write("README", "stashed\n")
    agent.git("stash")
    agent.commit({"committed": "1\n", ".gitignore": "*.log\n"})
    agent.write("staged", "2\n")
    agent.git("add", "staged")
    agent.write("README", "changed\n")
    agent.write("untracked", "3\n")
    agent.write("debug.log", "4\n")
    workspace.state_dir.joinpath("session").write_text("s1")
    snapshot = await host.pause(workspace)
    assert snapshot.pushed
    return PreviousAttempt(attempt=1, commit=snapshot.commit, base=snapshot.base)


async def test_given_a_paused_attempt_when_the_next_one_is_prepared_here_then_it_goes_on_in_the_same_directory(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn
) -> None:
    host = await open_host()
    previous = await paused(host, project, task, agent_in)
    host = await open_host()  # a restart between pause and resume
    assert await host.rescue_leftovers() == ()
    workspace = await host.prepare(project, task, 2, previous=previous)
    agent = agent_in(workspace)
    assert workspace.resumed
    assert workspace.path.parent.name == "1"
    assert agent.branch == workspace.branch == f"swarm/{task}/2"
    assert agent.head == agent.git("rev-parse", f"swarm/{task}/1")
    assert workspace.base == previous.base
    assert agent.git("status", "--porcelain").splitlines() == ["M README", "A  staged", "?? untracked"]
    assert (workspace.path / "debug.log").read_text() == "4\n"
    assert (workspace.state_dir / "session").read_text() == "s1"
    assert len(agent.git("stash", "list").splitlines()) == 1


async def test_given_a_resumed_attempt_when_it_is_collected_then_the_result_is_its_own_branch_with_all_the_work(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    previous = await paused(host, project, task, agent_in)
    workspace = await host.prepare(project, task, 2, previous=previous)
    agent_in(workspace).git("stash", "drop")
    agent_in(workspace).write("last", "5\n")
    result = await host.collect(workspace, message="done")
    assert origin.refs("refs/heads/swarm") == {f"refs/heads/swarm/{task}/2": result.commit}
    assert set(origin.files(result.branch or "")) == {
        "README",
        "src/app.py",
        ".gitignore",
        "committed",
        "staged",
        "untracked",
        "last",
    }
    assert (result.base, result.files_changed) == (previous.base, 6)
    assert await host.discard(workspace) is None


async def test_given_a_paused_attempt_when_the_next_one_is_prepared_elsewhere_then_uncommitted_work_is_so_again(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn
) -> None:
    previous = await paused(await open_host("here"), project, task, agent_in)
    workspace = await (await open_host("there")).prepare(project, task, 2, previous=previous)
    agent = agent_in(workspace)
    assert not workspace.resumed
    assert agent.branch == workspace.branch == f"swarm/{task}/2"
    assert agent.files("HEAD").keys() == {"README", "src/app.py", ".gitignore", "committed"}
    assert agent.git("status", "--porcelain").splitlines() == ["M README", "?? staged", "?? untracked"]
    assert (workspace.path / "untracked").read_text() == "3\n"
    assert workspace.base == previous.base


async def test_given_only_the_attempts_number_when_it_is_resumed_elsewhere_then_the_rescue_ref_says_what_to_take(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, desk: Checkout
) -> None:
    await paused(await open_host("here"), project, task, agent_in)
    workspace = await (await open_host("there")).prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
    assert (workspace.path / "untracked").read_text() == "3\n"
    assert workspace.base == desk.head


async def test_given_an_attempt_on_merged_results_when_it_is_resumed_elsewhere_then_only_its_own_changes_are_counted(
    open_host: OpenHost, project: Project, agent_in: AgentIn
) -> None:
    here, results = await open_host("here"), []
    for name in ("one", "two"):
        workspace = await here.prepare(project, str(uuid4()), 1)
        agent_in(workspace).write(name, "1\n")
        done = await here.collect(workspace, message=name)
        results.append(
            DependencyResult(task_id=workspace.task_id, title=name, branch=done.branch or "", commit=done.commit or "")
        )
    workspace = await here.prepare(project, task := str(uuid4()), 1, dependencies=results)
    agent_in(workspace).write("three", "1\n")
    snapshot = await here.pause(workspace)
    previous, there = PreviousAttempt(attempt=1, commit=snapshot.commit), await open_host("there")
    resumed = await there.prepare(project, task, 2, previous=previous, dependencies=results)
    assert resumed.base == workspace.base
    assert (await there.collect(resumed, message="done")).files_changed == 1


async def test_given_an_ordinary_commit_of_an_earlier_attempt_when_it_is_gone_on_with_then_it_counts_from_the_branch(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, desk: Checkout
) -> None:
    here = await open_host("here")
    workspace = await here.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    result = await here.collect(workspace, message="done")
    previous = PreviousAttempt(attempt=1, commit=result.commit)
    resumed = await (await open_host("there")).prepare(project, task, 2, previous=previous)
    assert agent_in(resumed).head == result.commit
    assert resumed.base == desk.head


async def test_given_an_attempt_paused_with_all_committed_when_it_is_resumed_elsewhere_then_it_starts_at_that_commit(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn
) -> None:
    here = await open_host("here")
    workspace = await here.prepare(project, task, 1)
    own = agent_in(workspace).commit({"file": "1\n"})
    snapshot = await here.pause(workspace)
    previous = PreviousAttempt(attempt=1, commit=snapshot.commit, base=snapshot.base)
    resumed = await (await open_host("there")).prepare(project, task, 2, previous=previous)
    assert agent_in(resumed).head == own
    assert agent_in(resumed).git("status", "--porcelain") == ""


async def test_given_work_that_was_never_pushed_when_it_is_resumed_elsewhere_then_the_error_says_where_to_look(
    open_host: OpenHost, project: Project, task: str
) -> None:
    there = await open_host("there")
    with pytest.raises(PreviousWorkMissing, match="is not on this host and not in the project's repository") as caught:
        await there.prepare(project, task, 2, previous=PreviousAttempt(attempt=1, commit="1" * 40))
    assert "let the host that has it resume the task" in caught.value.hint


async def test_given_a_paused_task_that_went_on_elsewhere_when_it_comes_back_then_the_old_directory_is_removed(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, worker_dir: Path
) -> None:
    here, there = await open_host(), await open_host("there")
    await paused(here, project, task, agent_in)
    workspace = await there.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
    agent_in(workspace).commit({"further": "1\n"})
    await there.pause(workspace)
    back = await here.prepare(project, task, 3, previous=PreviousAttempt(attempt=2))
    assert (back.path / "further").read_text() == "1\n"
    assert [path.name for path in (worker_dir / "runs" / task).iterdir()] == ["3"]


async def test_given_a_paused_attempt_of_another_project_when_the_task_is_prepared_then_its_directory_is_not_used(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn
) -> None:
    previous = await paused(host, project, task, agent_in)
    other = replace(project, id=str(uuid4()))
    assert not (await host.prepare(other, task, 2, previous=previous)).resumed


@pytest.mark.parametrize("state", ["another branch", "detached", "stale locks", "link deleted", "branch in the way"])
async def test_given_an_agent_paused_in_an_odd_state_when_it_is_resumed_then_it_is_on_its_new_branch_at_the_same_commit(
    state: str, host: Workspaces, project: Project, task: str, agent_in: AgentIn
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    if state == "another branch":
        agent.git("checkout", "--quiet", "-b", "feature")
    if state in ("detached", "branch in the way"):
        agent.git("checkout", "--quiet", "--detach")
    own = agent.commit({"file": "1\n"})
    agent.write("untracked", "2\n")
    git_dir = Path(workspace.git_dir or "")
    if state == "stale locks":
        for name in ("index.lock", "HEAD.lock"):
            (git_dir / name).touch()
    if state == "link deleted":
        (workspace.path / ".git").unlink()
    if state == "branch in the way":
        agent.git("branch", "-D", f"swarm/{task}/1")
        agent.git("branch", "swarm")
    await host.pause(workspace)
    resumed = agent_in(await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1)))
    assert resumed.head == own
    assert resumed.branch == ("" if state == "branch in the way" else f"swarm/{task}/2")
    assert resumed.git("status", "--porcelain") == "?? untracked"
    resumed.commit()  # no lock is in the way


async def test_given_an_agent_paused_in_a_rebase_when_it_is_resumed_then_it_can_finish_it(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, desk: Checkout, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.commit({"README": "mine\n"}, "Say mine")
    agent.commit({"more": "1\n"}, "Say more")
    desk.commit({"README": "theirs\n"})
    desk.git("push", "--quiet", "origin", "main")
    agent.git("fetch", "--quiet")
    agent.git("rebase", "origin/main", accept=(1,))
    await host.pause(workspace)
    workspace = await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
    agent = agent_in(workspace)
    agent.write("README", "both\n")
    agent.git("add", "README")
    agent.git("-c", "core.editor=true", "rebase", "--continue")
    result = await host.collect(workspace, message="unused")
    assert origin.git("log", "-2", "--format=%s", result.branch or "").splitlines() == ["Say more", "Say mine"]


async def test_given_refs_the_agent_linked_to_somewhere_else_when_it_is_resumed_then_nothing_is_written_there(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, tmp_path: Path
) -> None:
    workspace = await host.prepare(project, task, 1)
    outside = tmp_path / "outside"
    outside.mkdir()
    agent = agent_in(workspace)
    agent.git("pack-refs", "--all")
    heads = Path(workspace.git_dir or "") / "refs/heads"
    for path in sorted(heads.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (heads / "swarm").symlink_to(outside)
    await host.pause(workspace)
    resumed = await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
    assert agent_in(resumed).branch == f"swarm/{task}/2"
    assert list(outside.iterdir()) == []


async def test_given_a_resumed_attempt_when_it_is_paused_and_resumed_again_then_it_is_still_the_same_directory(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    await paused(host, project, task, agent_in)
    for attempt in (2, 3):
        workspace = await host.prepare(project, task, attempt, previous=PreviousAttempt(attempt=attempt - 1))
        assert workspace.resumed
        agent_in(workspace).write(f"by-{attempt}", "1\n")
        await host.pause(workspace)
    assert len(origin.refs("refs/swarm/rescue")) == 3
    assert {"by-2", "by-3"} <= origin.files(f"refs/swarm/rescue/{task}/3").keys()


async def test_given_a_directory_that_a_later_attempt_took_over_when_the_earlier_one_is_ended_then_it_stays(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    await host.pause(workspace)
    later = await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
    for end in (host.collect(workspace, message="late"), host.snapshot(workspace), host.pause(workspace)):
        with pytest.raises(WorkspaceInUse, match="is over: attempt 2 goes on in"):
            await end
    assert await host.discard(workspace) is None
    assert (later.path / "file").exists()


async def test_given_a_paused_attempt_when_its_workspace_is_discarded_then_it_is_safe_and_gone(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    await host.pause(workspace)
    assert await host.discard(workspace) is None
    resumed = await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
    assert not resumed.resumed
    assert (resumed.path / "file").read_text() == "1\n"


async def test_given_a_paused_attempt_when_its_mirror_cannot_be_had_then_it_stays_held_and_can_be_resumed_later(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, mirror: Checkout, origin: Checkout
) -> None:
    host = await open_host()
    await paused(host, project, task, agent_in)
    for repository in (mirror, origin):
        repository.path.rename(repository.path.with_name("lost"))
    with pytest.raises(RepositoryNotFound):
        await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
    origin.path.with_name("lost").rename(origin.path)
    assert (await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))).resumed
