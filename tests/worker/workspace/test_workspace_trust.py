"""What an agent sets up in its repository is never run by the worker."""

import os
from pathlib import Path

import pytest

from agent_swarm.worker.workspace import PreviousAttempt, Project, Workspaces

from .checkouts import AgentIn, Checkout, MakeCheckout

pytestmark = pytest.mark.anyio


def set_traps(agent: Checkout, git_dir: Path, ran: Path) -> None:
    """Everything in a repository that makes git run a program."""
    script = agent.path / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    script.chmod(0o755)
    for key in (
        "core.fsmonitor",
        "core.sshCommand",
        "core.editor",
        "core.pager",
        "core.askPass",
        "filter.trap.clean",
        "filter.trap.smudge",
        "filter.trap.process",
        "diff.external",
        "diff.trap.command",
        "diff.trap.textconv",
        "merge.trap.driver",
        "gpg.program",
        "credential.helper",
        "uploadpack.packObjectsHook",
        "core.alternateRefsCommand",
        "trailer.x.command",
    ):
        agent.git("config", key, f"!{script}" if key == "credential.helper" else str(script))
    agent.git("config", "commit.gpgSign", "true")
    agent.git("config", "core.hooksPath", str(git_dir / "hooks"))
    (git_dir / "hooks").mkdir(exist_ok=True)
    for hook in (
        "pre-commit",
        "post-commit",
        "pre-push",
        "reference-transaction",
        "post-index-change",
        "post-checkout",
    ):
        (git_dir / "hooks" / hook).symlink_to(script)
    (git_dir / "info/attributes").write_text("* filter=trap diff=trap merge=trap\n")
    agent.write(".gitattributes", "* filter=trap diff=trap merge=trap\n")


@pytest.mark.parametrize("ending", ["collect", "pause and resume", "discard"])
async def test_given_an_agent_that_sets_traps_when_its_attempt_ends_then_none_is_run(
    ending: str, host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout, tmp_path: Path
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent, ran = agent_in(workspace), tmp_path / "ran"
    agent.commit({"file": "1\n"})
    agent.write("README", "changed\n")
    agent.git("init", "--quiet", "nested")
    agent.write("nested/inner", "2\n")
    set_traps(agent, Path(workspace.git_dir or ""), ran)
    set_traps(Checkout(agent.path / "nested", agent.env), agent.path / "nested/.git", ran)
    ran.unlink(missing_ok=True)  # setting them sprang some
    if ending == "collect":
        await host.collect(workspace, message="done")
    if ending == "pause and resume":
        await host.pause(workspace)
        workspace = await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
    await host.discard(workspace)
    assert not ran.exists()
    saved = {name for ref in origin.refs("refs/heads/swarm", "refs/swarm") for name in origin.files(ref)}
    assert {"file", "README", "nested/inner"} <= saved


async def test_given_replaced_and_grafted_commits_when_work_is_collected_then_the_true_ones_count(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    own = agent.commit({"file": "1\n"})
    agent.git("replace", own, workspace.base or "")
    result = await host.collect(workspace, message="done")
    assert (result.commit, result.files_changed) == (own, 1)
    assert origin.refs("refs/replace") == {}


async def test_given_a_link_instead_of_head_when_work_is_snapshot_then_it_is_not_followed(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, tmp_path: Path
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    head = Path(workspace.git_dir or "") / "HEAD"
    head.unlink()
    head.symlink_to("/dev/zero")
    snapshot = await host.snapshot(workspace)
    assert snapshot.problems == ("HEAD names no commit: taken as work on the attempt's own branch",)


@pytest.mark.parametrize("way", ["objects", "one object folder", "alternates", "refs", "one ref", "all"])
async def test_given_links_to_another_repository_of_the_host_when_work_is_saved_then_nothing_of_that_gets_out(
    way: str,
    host: Workspaces,
    project: Project,
    task: str,
    agent_in: AgentIn,
    origin: Checkout,
    make_checkout: MakeCheckout,
    tmp_path: Path,
) -> None:
    private = make_checkout(tmp_path / "private")
    secret = private.commit({"secret": "s\n"})
    workspace = await host.prepare(project, task, 1)
    agent, git_dir = agent_in(workspace), Path(workspace.git_dir or "")
    agent.write("file", "1\n")
    theirs = private.path / ".git"
    if way in ("objects", "all"):
        (git_dir / "objects").rename(git_dir / "moved")
        (git_dir / "objects").symlink_to(theirs / "objects")
    if way == "one object folder":
        for folder in (theirs / "objects").glob("??"):
            (git_dir / "objects" / folder.name).symlink_to(folder)
    if way == "alternates":
        (git_dir / "objects/info/alternates").write_text(f"{theirs}/objects\n{workspace.objects}\n")
    if way in ("refs", "all"):
        (git_dir / "refs").rename(git_dir / "moved-refs")
        (git_dir / "refs").symlink_to(theirs / "refs")
        (git_dir / "HEAD").write_text("ref: refs/heads/main\n")
    elif way == "one ref":
        (git_dir / "refs/heads/main").symlink_to(theirs / "refs/heads/main")
        (git_dir / "HEAD").write_text("ref: refs/heads/main\n")
    else:
        (git_dir / "HEAD").write_text(f"{secret}\n")
    snapshot = await host.snapshot(workspace)
    assert origin.files(snapshot.ref or "") == {"README": "hello", "src/app.py": "print(1)", "file": "1"}
    origin.git("cat-file", "-e", secret, accept=(1, 128))
    await host.discard(workspace)
    assert private.files("HEAD") == {"secret": "s"}


async def test_given_a_pipe_among_the_refs_when_work_is_saved_then_nobody_waits_for_it(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    os.mkfifo(Path(workspace.git_dir or "") / "refs/heads/pipe")
    os.mkfifo(workspace.path / "pipe")
    snapshot = await host.snapshot(workspace)
    assert origin.files(snapshot.ref or "")["file"] == "1"
