"""What an attempt delivers."""

# ruff: noqa: ASYNC240 - a test may wait for its files

import os
from pathlib import Path
from uuid import uuid4

import pytest

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.worker.workspace import Project, Workspaces
from agent_swarm.worker.workspace.errors import PushRefused

from .checkouts import AGENT, AgentIn, Checkout, OpenHost

pytestmark = pytest.mark.anyio

ODD_NAMES = (
    "with space",
    "ümläut/ñ",
    "line\nbreak",
    '"quoted"',
    "-dash",
    ":(top)colon",
    "tab\there",
    "*",
    "[a]",
    "\\",
    "~",
)


async def test_given_uncommitted_work_when_it_is_collected_then_it_is_committed_with_the_message_and_pushed(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = agent.commit({"committed": "1\n"}, "By the agent")
    agent.write("README", "changed\n")
    agent.write("new/file", "2\n")
    (agent.path / "src/app.py").unlink()
    result = await host.collect(workspace, message="Do the rest\n\nAll of it.")
    assert origin.refs("refs/heads/swarm") == {f"refs/heads/swarm/{task}/1": result.commit}
    assert result.branch == f"swarm/{task}/1"
    assert origin.files(result.branch) == {"README": "changed", "committed": "1", "new/file": "2"}
    assert origin.parents(result.branch) == [own]
    assert origin.git("log", "-1", "--format=%B", result.branch) == "Do the rest\n\nAll of it."
    assert origin.git("log", "-1", "--format=%an <%ae>", result.branch) == f"Ada <{AGENT}@agents.agent-swarm.invalid>"
    assert result.base == workspace.base
    assert (result.files_changed, result.insertions, result.deletions) == (4, 3, 2)


async def test_given_only_commits_when_they_are_collected_then_the_result_is_the_agents_own_commit(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    own = agent_in(workspace).commit({"file": "1\n"})
    result = await host.collect(workspace, message="unused")
    assert result.commit == own == origin.git("rev-parse", f"swarm/{task}/1")


async def test_given_no_change_when_it_is_collected_then_the_result_is_the_base(
    host: Workspaces, project: Project, task: str, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    result = await host.collect(workspace, message="unused")
    assert result.commit == result.base == origin.git("rev-parse", f"swarm/{task}/1")
    assert (result.files_changed, result.insertions, result.deletions) == (0, 0, 0)


async def test_given_ignored_files_when_work_is_collected_then_they_stay_out(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.write(".gitignore", "*.log\nnode_modules/\n")
    agent.write("debug.log")
    agent.write("node_modules/x/index.js")
    agent.write("nested/.gitignore", "/secret\n")
    agent.write("nested/secret")
    agent.write("kept", "1\n")
    (workspace.path.parent / "git/info/exclude").write_text("/of-the-harness\n")
    agent.write("of-the-harness")
    result = await host.collect(workspace, message="done")
    names = {"README", "src/app.py", ".gitignore", "nested/.gitignore", "kept"}
    assert set(origin.files(result.branch or "")) == names


@pytest.mark.slow
async def test_given_odd_names_links_modes_and_a_big_file_when_work_is_collected_then_all_arrive_as_they_are(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    for name in ODD_NAMES:
        agent.write(name, "odd\n")
    agent.write("big", b"0123456789abcdef" * (2 << 20))
    agent.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    (agent.path / "link").symlink_to("/etc/hostname")
    (agent.path / "dangling").symlink_to("nowhere")
    (agent.path / "to-directory").symlink_to("src")
    (agent.path / b"not-utf8-\xff".decode("utf-8", "surrogateescape")).write_bytes(b"1")
    result = await host.collect(workspace, message="done")
    listing = origin.git("ls-tree", "-r", "-z", result.branch or "").split("\0")
    modes = {entry.split("\t", 1)[1]: entry.split(" ")[0] for entry in listing if entry}
    assert set(ODD_NAMES) <= set(modes)
    assert {modes[name] for name in ("link", "dangling", "to-directory")} == {"120000"}
    assert (modes["run.sh"], modes["big"]) == ("100755", "100644")
    assert origin.git("cat-file", "-s", f"{result.branch}:big") == str(32 << 20)
    assert origin.git("cat-file", "-p", f"{result.branch}:link") == "/etc/hostname"
    assert "not-utf8-\udcff" in modes


async def test_given_a_file_changed_within_the_same_instant_when_work_is_collected_then_the_change_is_seen(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, environ: dict[str, str]
) -> None:
    Path(environ["HOME"], ".gitconfig").write_text("[core]\n\ttrustctime = false\n")
    workspace = await host.prepare(project, task, 1)
    agent, index, instant = agent_in(workspace), Path(workspace.git_dir or "", "index"), (10**9, 10**9)
    os.utime(agent.write("file", "a\n"), instant)
    agent.git("add", "file")
    os.utime(agent.write("file", "b\n"), instant)
    os.utime(index, instant)  # nothing but this tells git that it has to look into the file (racy-git(7))
    result = await host.collect(workspace, message="done")
    assert origin.files(result.branch or "")["file"] == "b"


async def test_given_files_that_git_was_told_not_to_look_at_when_work_is_collected_then_changes_are_seen_all_the_same(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.git("update-index", "--assume-unchanged", "README")
    agent.write("README", "changed\n")
    result = await host.collect(workspace, message="done")
    assert origin.files(result.branch or "")["README"] == "changed"


async def test_given_a_sparse_worktree_when_work_is_collected_then_what_it_leaves_out_is_not_deleted(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.git("sparse-checkout", "set", "--no-cone", "/README")
    assert not (agent.path / "src/app.py").exists()
    agent.write("README", "changed\n")
    result = await host.collect(workspace, message="done")
    assert origin.files(result.branch or "") == {"README": "changed", "src/app.py": "print(1)"}


@pytest.mark.parametrize("where", ["another branch", "detached", "an unrelated branch", "an unborn branch"])
async def test_given_an_agent_that_moved_away_when_work_is_collected_then_what_it_stands_on_is_the_result(
    where: str, host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    moves = {
        "another branch": ("checkout", "--quiet", "-b", "feature"),
        "detached": ("checkout", "--quiet", "--detach"),
        "an unrelated branch": ("checkout", "--quiet", "--orphan", "alone"),
        "an unborn branch": ("checkout", "--quiet", "--orphan", "alone"),
    }
    agent.git(*moves[where])
    if where != "an unborn branch":
        agent.commit({"committed": "1\n"})
    agent.write("file", "2\n")
    result = await host.collect(workspace, message="done")
    assert origin.refs("refs/heads/swarm") == {f"refs/heads/swarm/{task}/1": result.commit}
    assert origin.files(result.branch or "")["file"] == "2"


async def test_given_work_on_branches_and_in_stashes_when_another_is_collected_then_those_are_rescued(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    first = agent.commit({"own": "1\n"})
    stashed = []
    for number in range(2):
        agent.write("README", f"stashed {number}\n")
        agent.git("stash")
        stashed.append(agent.git("rev-parse", "stash"))
    agent.git("checkout", "--quiet", "-b", "other", "origin/main")
    agent.write("delivered", "1\n")
    result = await host.collect(workspace, message="done")
    assert set(origin.files(result.branch or "")) == {"README", "src/app.py", "delivered"}
    assert result.rescue is not None and result.rescue.ref == f"refs/swarm/rescue/{task}/1"
    for commit in (first, *stashed):
        assert origin.contains(result.rescue.ref, commit)


async def test_given_a_repository_cloned_into_the_worktree_when_work_is_collected_then_it_is_left_out_and_rescued(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.git("clone", "--quiet", str(origin.path), "vendor/it self")
    agent.git("init", "--quiet", "empty")
    agent.write("empty/file", "e\n")
    agent.git("init", "--quiet", "vendor/it self/deeper")
    agent.write("vendor/it self/deeper/file", "d\n")
    agent.write("delivered", "1\n")
    result = await host.collect(workspace, message="done")
    assert set(origin.files(result.branch or "")) == {"README", "src/app.py", "delivered"}
    assert set(result.left_out) == {"vendor/it self", "empty"}
    assert result.rescue is not None and result.rescue.ref is not None
    saved = origin.files(result.rescue.ref)
    assert {
        "vendor/it self/README": "hello",
        "empty/file": "e",
        "vendor/it self/deeper/file": "d",
    }.items() <= saved.items()


async def test_given_an_open_merge_that_is_resolved_when_work_is_collected_then_the_result_is_that_merge(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, desk: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = agent.commit({"README": "mine\n"})
    theirs = desk.commit({"README": "theirs\n"})
    desk.git("push", "--quiet", "origin", "main")
    agent.git("fetch", "--quiet")
    agent.git("merge", "origin/main", accept=(1,))
    agent.write("README", "both\n")
    result = await host.collect(workspace, message="Merge main")
    assert origin.parents(result.branch or "") == [own, theirs]
    assert origin.files(result.branch or "")["README"] == "both"


async def test_given_a_collected_result_when_it_is_collected_again_then_it_is_the_same(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    first = await host.collect(workspace, message="done")
    assert await host.collect(workspace, message="done, said otherwise") == first


async def test_given_a_collected_result_when_the_agent_goes_on_then_the_next_collect_replaces_its_own_branch(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.write("file", "1\n")
    await host.collect(workspace, message="done")
    agent.write("file", "2\n")
    result = await host.collect(workspace, message="done better")
    assert origin.refs("refs/heads/swarm") == {f"refs/heads/swarm/{task}/1": result.commit}
    assert origin.files(result.branch or "")["file"] == "2"


async def test_given_an_agent_that_pushed_and_then_amended_when_work_is_collected_then_its_own_branch_is_replaced(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    agent.commit({"file": "1\n"})
    agent.git("push", "--quiet", "origin", "HEAD")
    agent.git("commit", "--quiet", "--amend", "-m", "Better said")
    result = await host.collect(workspace, message="unused")
    assert origin.refs("refs/heads/swarm") == {f"refs/heads/swarm/{task}/1": agent.head}
    assert result.commit == agent.head


async def test_given_somebody_elses_commit_on_the_branch_when_work_is_collected_then_it_stays_and_the_work_is_safe(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, desk: Checkout, mirror: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    foreign = desk.commit({"foreign": "1\n"})
    desk.git("push", "--quiet", "origin", f"HEAD:refs/heads/swarm/{task}/1")
    with pytest.raises(PushRefused, match="rejected") as caught:
        await host.collect(workspace, message="done")
    assert caught.value.failure is FailureClass.POLICY
    assert origin.refs("refs/heads/swarm") == {f"refs/heads/swarm/{task}/1": foreign}
    assert mirror.files(f"refs/heads/swarm/{task}/1")["file"] == "1"


async def test_given_a_repository_that_refuses_when_it_allows_again_then_collecting_again_delivers_the_same_commit(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, mirror: Checkout
) -> None:
    hook = origin.write("hooks/pre-receive", "#!/bin/sh\necho 'branches of agents are not welcome' >&2\nexit 1\n")
    hook.chmod(0o755)
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    with pytest.raises(PushRefused, match="pre-receive hook declined") as caught:
        await host.collect(workspace, message="done")
    assert "branches of agents are not welcome" in caught.value.stderr
    assert "branch protection" in caught.value.hint
    kept = mirror.git("rev-parse", f"refs/heads/swarm/{task}/1")
    hook.unlink()
    assert (await host.collect(workspace, message="done")).commit == kept == origin.git("rev-parse", f"swarm/{task}/1")


async def test_given_two_attempts_of_a_task_when_both_are_collected_then_each_has_its_own_branch(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    for name, attempt in (("here", 1), ("there", 2)):
        host = await open_host(name)
        workspace = await host.prepare(project, task, attempt)
        agent_in(workspace).write("file", f"{attempt}\n")
        await host.collect(workspace, message="done")
    assert {ref: origin.files(ref)["file"] for ref in origin.refs("refs/heads/swarm")} == {
        f"refs/heads/swarm/{task}/1": "1",
        f"refs/heads/swarm/{task}/2": "2",
    }


async def test_given_results_in_the_repository_when_later_attempts_fetch_then_the_mirror_keeps_its_own_branches(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, origin: Checkout, mirror: Checkout
) -> None:
    host = await open_host()
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    await host.snapshot(workspace)
    await host.collect(workspace, message="done")
    before = mirror.refs("refs/heads", "refs/swarm")
    assert len(before) == 2
    origin.git("update-ref", "-d", f"refs/heads/swarm/{task}/1")
    origin.git("update-ref", "-d", f"refs/swarm/rescue/{task}/1")
    await host.prepare(project, str(uuid4()), 1)
    assert mirror.refs("refs/heads", "refs/swarm") == before


async def test_given_stale_lock_files_of_a_killed_git_when_work_is_collected_then_they_do_no_harm(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    for name in ("index.lock", "HEAD.lock", f"refs/heads/swarm/{task}/1.lock", "packed-refs.lock"):
        path = Path(workspace.git_dir or "") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    result = await host.collect(workspace, message="done")
    assert origin.files(result.branch or "")["file"] == "1"
