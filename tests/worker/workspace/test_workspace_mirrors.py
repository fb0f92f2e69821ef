"""One mirror for all attempts of a project, and for every process that uses the worker's directory."""

import asyncio
import fcntl
import os
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.worker.workspace import Identity, Project, Workspaces
from agent_swarm.worker.workspace.errors import MirrorBusy
from agent_swarm.worker.workspace.git import Git, GitTimeouts

from .checkouts import AgentIn, Checkout, OpenHost

pytestmark = pytest.mark.anyio


async def test_given_a_mirror_when_it_is_looked_at_then_the_projects_refs_are_apart_and_no_address_is_stored(
    host: Workspaces, project: Project, task: str, mirror: Checkout, desk: Checkout
) -> None:
    desk.git("tag", "v1")
    desk.git("push", "--quiet", "origin", "v1", f"HEAD:refs/heads/swarm/{uuid4()}/1")
    await host.prepare(project, task, 1)
    assert set(mirror.refs()) == {"refs/upstream/heads/main", "refs/upstream/tags/v1"}
    assert project.url not in (mirror.path / "config").read_text()


async def test_given_a_branch_deleted_upstream_when_the_mirror_is_refreshed_then_it_goes_here_too(
    host: Workspaces, project: Project, mirror: Checkout, desk: Checkout
) -> None:
    desk.git("push", "--quiet", "origin", "HEAD:refs/heads/a")
    await host.prepare(project, str(uuid4()), 1)
    desk.git("push", "--quiet", "origin", ":a", "HEAD:refs/heads/a/b")
    await host.prepare(project, str(uuid4()), 1)
    assert set(mirror.refs()) == {"refs/upstream/heads/main", "refs/upstream/heads/a/b"}


async def test_given_two_processes_with_one_directory_when_both_prepare_on_a_new_mirror_then_both_succeed(
    worker_dir: Path, identity: Identity, environ: dict[str, str], project: Project, desk: Checkout
) -> None:
    hosts = [await Workspaces.open(worker_dir, identity, environ=environ) for _ in range(2)]
    workspaces = await asyncio.gather(*(host.prepare(project, str(uuid4()), 1) for host in hosts for _ in range(3)))
    assert {workspace.base for workspace in workspaces} == {desk.head}
    for host in hosts:
        await host.close()


async def test_given_a_mirror_that_another_process_holds_when_patience_ends_then_the_error_names_the_lock(
    open_host: OpenHost, project: Project, task: str, worker_dir: Path
) -> None:
    host = await open_host(timeouts=GitTimeouts(network=timedelta(seconds=0.2)))
    lock = os.open(worker_dir / "mirrors" / f"{project.id}.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(MirrorBusy, match=r"another process has held .*\.lock for more than 0.2 s") as caught:
        await host.prepare(project, task, 1)
    assert caught.value.failure is FailureClass.INFRASTRUCTURE
    os.close(lock)


async def test_given_a_mirror_that_another_process_frees_when_an_attempt_waits_then_it_goes_on(
    host: Workspaces, project: Project, task: str, worker_dir: Path
) -> None:
    lock = os.open(worker_dir / "mirrors" / f"{project.id}.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    preparing = asyncio.create_task(host.prepare(project, task, 1))
    done, _ = await asyncio.wait({preparing}, timeout=0.2)
    assert not done
    os.close(lock)
    assert (await preparing).base


async def test_given_a_lock_whose_holder_is_gone_when_its_command_still_runs_then_the_lock_is_still_taken(
    environ: dict[str, str], tmp_path: Path
) -> None:
    started, block, script = tmp_path / "started", tmp_path / "block", tmp_path / "bin/git"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\necho >{started}; cat {block}\n")
    script.chmod(0o755)
    for pipe in (started, block):
        os.mkfifo(pipe)
    ours, theirs = (os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR) for _ in range(2))
    fcntl.flock(ours, fcntl.LOCK_EX)
    git = Git(environ={**environ, "PATH": f"{script.parent}:{environ['PATH']}"}).holding(ours)
    running = asyncio.create_task(git.run("fetch", cwd=tmp_path))
    await asyncio.to_thread(started.read_text)
    os.close(ours)
    with pytest.raises(BlockingIOError):
        fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(theirs)


async def test_given_a_prepare_that_is_cancelled_when_it_waits_then_nothing_is_left_and_the_next_one_succeeds(
    host: Workspaces, project: Project, task: str, worker_dir: Path
) -> None:
    lock = os.open(worker_dir / "mirrors" / f"{project.id}.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    preparing = asyncio.create_task(host.prepare(project, task, 1))
    await asyncio.wait({preparing}, timeout=0.1)
    preparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preparing
    os.close(lock)
    assert list((worker_dir / "runs").iterdir()) == []
    await host.prepare(project, task, 1)


async def test_given_much_in_a_mirror_when_it_is_maintained_then_it_is_packed_and_nothing_is_lost(
    host: Workspaces, project: Project, agent_in: AgentIn, mirror: Checkout, desk: Checkout
) -> None:
    workspace = await host.prepare(project, str(uuid4()), 1)
    desk.git("commit", "--quiet", "--amend", "-m", "Begin again")  # what the attempt stands on is on no branch any more
    desk.git("push", "--quiet", "--force", "origin", "main")
    await host.prepare(project, str(uuid4()), 1)
    unreachable = mirror.git("hash-object", "-w", "--stdin", stdin="held by nothing")
    await host._host.mirrors.of(project.id).maintain(packs=1)
    counts = dict(line.split(": ") for line in mirror.git("count-objects", "-v").splitlines())
    assert (counts["count"], counts["packs"]) == ("0", "1")
    assert mirror.git("cat-file", "-p", unreachable) == "held by nothing"
    assert agent_in(workspace).git("log", "-1", "--format=%s") == "Begin"
    assert agent_in(workspace).git("fsck", "--connectivity-only", "--no-dangling") == ""


async def test_given_a_mirror_in_good_order_when_it_is_maintained_then_it_is_left_as_it_is(
    host: Workspaces, project: Project, task: str, mirror: Checkout
) -> None:
    await host.prepare(project, task, 1)
    before = mirror.git("count-objects", "-v")
    await host.maintain()
    assert mirror.git("count-objects", "-v") == before
