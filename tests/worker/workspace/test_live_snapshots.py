"""What running attempts have in their folders now: taken, shown to other workers, and taken away again."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from agent_swarm.worker.workspace import LiveSnapshots, Project, RunKey, Workspace, Workspaces
from agent_swarm.worker.workspace.glance import LARGEST, MOST_FILES
from agent_swarm.worker.workspace.live_snapshots import MOST_PACKS

from .checkouts import AgentIn, Checkout, OpenHost
from .test_workspace_trust import set_traps

pytestmark = pytest.mark.anyio


def key_of(workspace: Workspace) -> RunKey:
    return RunKey(workspace.task_id, workspace.attempt)


def ref_of(workspace: Workspace) -> str:
    return f"refs/swarm/live/{workspace.task_id}/{workspace.attempt}"


@pytest.fixture
async def run(host: Workspaces, project: Project, task: str) -> Workspace:
    return await host.prepare(project, task, 1)


@pytest.fixture
def live(host: Workspaces, project: Project, run: Workspace) -> Iterator[LiveSnapshots]:
    snapshots = host.live_snapshots(project)
    yield snapshots
    snapshots.close()


@pytest.fixture
def store(live: LiveSnapshots, worker_dir: Path, person: dict[str, str]) -> Checkout:
    """The repository that live snapshots are in."""
    (path,) = (worker_dir / "scratch").glob("live-*.git")
    return Checkout(path, person)


async def test_given_an_agent_at_work_when_it_is_looked_at_then_everything_is_taken_and_nothing_changes(
    live: LiveSnapshots, run: Workspace, agent_in: AgentIn, store: Checkout
) -> None:
    agent = agent_in(run)
    first = agent.commit({"done": "1\n", ".gitignore": "ignored\n"})
    agent.write("README", "changed\n")
    agent.write("new/file", "2\n")
    agent.write("ignored", "3\n")
    (agent.path / "src/app.py").unlink()
    agent.write("staged", "4\n")
    agent.git("add", "staged")
    before = agent.everything()
    commit = await live.take(run) or ""
    assert agent.everything() == before
    assert store.parents(commit) == [first]
    assert store.files(commit) == {
        ".gitignore": "ignored",
        "README": "changed",
        "done": "1",
        "new/file": "2",
        "staged": "4",
    }


async def test_given_nothing_new_when_a_run_is_looked_at_again_then_the_snapshot_is_the_same(
    live: LiveSnapshots, run: Workspace, agent_in: AgentIn
) -> None:
    agent = agent_in(run)
    base = await live.take(run)
    assert base == run.base
    agent.write("README", "changed\n")
    first = await live.take(run)
    assert await live.take(run) == first != base
    agent.write("README", "hello\n")
    assert await live.take(run) == base


@pytest.mark.parametrize("broken", ["merge", "index", "repository"])
async def test_given_a_run_that_says_nothing_when_it_is_looked_at_then_the_snapshot_before_stays(
    broken: str, live: LiveSnapshots, run: Workspace, agent_in: AgentIn
) -> None:
    agent = agent_in(run)
    agent.write("README", "first\n")
    first = await live.take(run)
    if broken == "merge":
        agent.commit()
        agent.git("checkout", "--quiet", "-b", "other", "HEAD~1")
        agent.commit({"README": "other\n"})
        agent.git("merge", "--quiet", "-", accept=(1,))
    if broken == "index":
        (Path(run.git_dir or "") / "index").write_bytes(b"nonsense")
    if broken == "repository":
        agent.write("README", "later\n")
        (Path(run.git_dir or "") / "HEAD").write_text("ref: refs/heads/none\n")
        (Path(run.git_dir or "") / "packed-refs").write_text("nonsense\n")
    assert await live.take(run) == first


async def test_given_files_beyond_the_bounds_when_a_run_is_looked_at_then_they_are_left_out(
    live: LiveSnapshots, run: Workspace, agent_in: AgentIn, store: Checkout
) -> None:
    agent = agent_in(run)
    agent.write("README", "changed\n")
    agent.write("large", b"x" * (LARGEST + 1))
    for number in range(MOST_FILES + 10):
        agent.write(f"many/{number:05}", f"{number}\n")
    agent.git("init", "--quiet", "nested")
    agent.write("nested/inner", "1\n")
    taken = store.git("ls-tree", "-r", "--name-only", await live.take(run) or "").splitlines()
    assert "README" in taken
    assert "large" not in taken
    assert "nested/inner" not in taken
    assert len([name for name in taken if name.startswith("many/")]) == MOST_FILES - 1


async def test_given_an_agent_that_sets_traps_when_it_is_looked_at_then_none_is_run(
    host: Workspaces,
    project: Project,
    live: LiveSnapshots,
    run: Workspace,
    agent_in: AgentIn,
    origin: Checkout,
    tmp_path: Path,
) -> None:
    agent, ran, other = agent_in(run), tmp_path / "ran", await host.prepare(project, str(uuid4()), 1)
    agent.write("README", "mine\n")
    agent_in(other).write("README", "theirs\n")
    set_traps(agent, Path(run.git_dir or ""), ran)
    os.mkfifo(agent.path / "pipe")
    ran.unlink(missing_ok=True)  # setting them sprang some
    pair = (await live.take(run) or "", await live.take(other) or "")
    assert await live.compare([pair]) == {pair: ("README",)}
    await live.publish()
    await live.withdraw([key_of(run), key_of(other)])
    assert not ran.exists()
    assert not origin.refs("refs/swarm/live")


async def test_given_two_workers_when_one_publishes_then_the_other_merges_with_it_until_it_is_withdrawn(
    open_host: OpenHost, live: LiveSnapshots, run: Workspace, project: Project, agent_in: AgentIn, origin: Checkout
) -> None:
    elsewhere = await open_host("two")
    theirs = await elsewhere.prepare(project, str(uuid4()), 1)
    there = elsewhere.live_snapshots(project)
    agent_in(run).write("README", "mine\n")
    agent_in(theirs).write("README", "theirs\n")
    mine, other = await live.take(run) or "", await there.take(theirs) or ""
    assert await live.obtain({key_of(theirs): other}) == {}
    await there.publish()
    assert await live.obtain({key_of(theirs): other}) == {key_of(theirs): other}
    assert await live.compare([(mine, other)]) == {(mine, other): ("README",)}
    agent_in(theirs).write("README", "hello\n")
    other = await there.take(theirs) or ""
    await there.publish()
    assert origin.refs("refs/swarm/live") == {ref_of(theirs): other}
    assert await live.obtain({key_of(theirs): other}) == {key_of(theirs): other}
    assert await live.compare([(mine, other)]) == {(mine, other): ()}
    await there.withdraw([key_of(theirs)])
    assert origin.refs("refs/swarm/live") == {}
    there.close()


async def test_given_a_ref_that_somebody_else_wrote_when_it_is_asked_for_then_it_does_not_count(
    live: LiveSnapshots, project: Project, desk: Checkout
) -> None:
    key = RunKey(str(uuid4()), 1)
    forged = desk.commit({"README": "forged\n"})
    desk.git("push", "--quiet", "origin", f"{forged}:refs/swarm/live/{key.task_id}/1")
    assert await live.obtain({key: "0" * 40}) == {}
    assert await live.obtain({key: forged}) == {key: forged}


async def test_given_snapshots_of_killed_workers_when_they_are_swept_then_only_those_named_as_they_were_go(
    live: LiveSnapshots, desk: Checkout, origin: Checkout
) -> None:
    stale, moved = RunKey(str(uuid4()), 1), RunKey(str(uuid4()), 2)
    for key in (stale, moved):
        desk.git("push", "--quiet", "origin", f"main:refs/swarm/live/{key.task_id}/{key.attempt}")
    desk.git("push", "--quiet", "origin", "main:refs/swarm/live/other/name", "main:refs/swarm/rescue/x/1")
    listed = await live.listed()
    assert set(listed) == {stale, moved}
    later = desk.commit({"README": "later\n"})
    desk.git("push", "--quiet", "origin", f"{later}:refs/swarm/live/{moved.task_id}/2")
    with pytest.raises(Exception, match="stale info"):
        await live.sweep(listed)
    left = set(origin.refs("refs/swarm"))
    assert left == {f"refs/swarm/live/{moved.task_id}/2", "refs/swarm/live/other/name", "refs/swarm/rescue/x/1"}


async def test_given_many_snapshots_of_a_run_when_they_are_taken_then_only_the_last_one_stays(
    live: LiveSnapshots, run: Workspace, agent_in: AgentIn, store: Checkout, mirror: Checkout
) -> None:
    agent, before = agent_in(run), mirror.git("count-objects", "-v")
    for number in range(MOST_PACKS + 2):
        agent.write("README", f"{number}\n")
        commit = await live.take(run)
    assert len(list((store.path / "objects/pack").glob("*.pack"))) < MOST_PACKS
    assert store.refs() == {ref_of(run): commit}
    assert mirror.git("count-objects", "-v") == before
