"""Workers killed at any point, and what the next one makes of it: nothing an agent did is ever lost."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from agent_swarm.worker.workspace import PreviousAttempt, Project, Workspaces
from agent_swarm.worker.workspace.steps import Step

from .checkouts import AGENT, AgentIn, Checkout, OpenHost

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(120)]

HELPER = Path(__file__).with_name("killed_worker.py")
STEPS = {
    "collect": (
        Step.RUN_RECORDED,
        Step.REPOSITORY_MADE,
        Step.FILES_CHECKED_OUT,
        Step.DEPENDENCIES_MERGED,
        Step.PREPARED,
        Step.WORK_COMMITTED,
        Step.WORK_FETCHED,
        Step.RESULT_NAMED,
        Step.RESULT_PUSHED,
        Step.THROWN_AWAY,
        Step.TRASH_EMPTIED,
    ),
    "discard": (Step.WORK_COMMITTED, Step.WORK_FETCHED, Step.SNAPSHOT_NAMED, Step.SNAPSHOT_PUSHED, Step.THROWN_AWAY),
    "resume": (
        Step.HELD,
        Step.SNAPSHOT_NAMED,
        Step.SNAPSHOT_PUSHED,
        Step.TAKEN_OVER,
        Step.BRANCHED_ANEW,
        Step.THROWN_AWAY,
    ),
}
QUICK = {Step.RESULT_NAMED, Step.SNAPSHOT_NAMED, Step.HELD, Step.TAKEN_OVER, Step.FILES_CHECKED_OUT}
CASES = [
    pytest.param(story, step, marks=() if step in QUICK else pytest.mark.slow)
    for story, steps in STEPS.items()
    for step in steps
]
WORK = {"README": "changed", "committed": "1", "untracked": "2"}


@dataclass(frozen=True)
class Killed:
    """How a worker ended, and whether the agent had worked by then."""

    returncode: int
    had_worked: bool


KillWorker = Callable[[str, str], Killed]


@pytest.fixture
def kill_worker(environ: dict[str, str], worker_dir: Path, project: Project, task: str) -> KillWorker:
    """Run a worker that tells a story and is killed at a step."""
    about = {
        "agent": AGENT,
        "worker_dir": str(worker_dir),
        "project": project.id,
        "url": project.url,
        "task": task,
    }

    def kill(story: str, step: str) -> Killed:
        done = subprocess.run(
            [sys.executable, HELPER, story, step],
            env=environ, input=json.dumps(about), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return Killed(done.returncode, "worked" in done.stdout)

    return kill


def somewhere(repository: Checkout) -> dict[str, str]:
    """The files of all refs that hold an attempt's work."""
    found: dict[str, str] = {}
    for ref in repository.refs("refs/heads/swarm", "refs/swarm"):
        found.update(repository.files(ref))
    return found


@pytest.mark.parametrize(("story", "step"), CASES)
async def test_given_a_worker_killed_at_any_step_when_the_next_one_rescues_then_all_work_is_on_a_ref_and_no_run_is_left(
    story: str,
    step: Step,
    kill_worker: KillWorker,
    open_host: OpenHost,
    worker_dir: Path,
    origin: Checkout,
    mirror: Checkout,
) -> None:
    killed = kill_worker(story, step)
    assert killed.returncode == -signal.SIGKILL
    host = await open_host()
    rescued = await host.rescue_leftovers(resumable=[])
    assert [one.error for one in rescued if one.error] == []
    if killed.had_worked:
        assert WORK.items() <= somewhere(mirror).items()
        assert WORK.items() <= somewhere(origin).items()
    for folder in ("runs", "trash", "scratch"):
        assert list((worker_dir / folder).iterdir()) == []
    assert await host.rescue_leftovers(resumable=[]) == ()


SAVING = (Step.WORK_COMMITTED, Step.WORK_FETCHED, Step.SNAPSHOT_NAMED, Step.SNAPSHOT_PUSHED, Step.THROWN_AWAY)


@pytest.mark.slow
@pytest.mark.parametrize("step", SAVING)
@pytest.mark.parametrize("again", SAVING)
async def test_given_a_rescue_killed_at_any_step_when_it_is_killed_again_then_the_next_one_loses_nothing(
    step: Step, again: Step, kill_worker: KillWorker, open_host: OpenHost, worker_dir: Path, origin: Checkout
) -> None:
    assert kill_worker("work", "worked").had_worked
    assert kill_worker("rescue", step).returncode == -signal.SIGKILL
    kill_worker("rescue", again)
    await (await open_host()).rescue_leftovers()
    assert WORK.items() <= somewhere(origin).items()
    assert list((worker_dir / "runs").iterdir()) == list((worker_dir / "trash").iterdir()) == []


async def test_given_a_worker_killed_with_work_when_rescued_then_what_was_rescued_is_told(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    workspace = await (await open_host()).prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    (rescued,) = await (await open_host()).rescue_leftovers()
    assert (rescued.task_id, rescued.attempt, rescued.error) == (task, 1, "")
    assert rescued.snapshot is not None and rescued.snapshot.pushed
    assert origin.files(rescued.snapshot.ref or "")["file"] == "1"
    assert not workspace.path.exists()


async def test_given_rescued_work_when_the_task_is_tried_again_then_it_can_go_on_from_there(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn
) -> None:
    workspace = await (await open_host()).prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    host = await open_host()
    await host.rescue_leftovers()
    workspace = await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
    assert (workspace.path / "file").read_text() == "1\n"


async def test_given_paused_attempts_when_a_worker_starts_then_those_that_can_be_resumed_stay_and_others_are_rescued(
    open_host: OpenHost, project: Project, agent_in: AgentIn
) -> None:
    host, tasks = await open_host(), [str(uuid4()) for _ in range(2)]
    for task in tasks:
        workspace = await host.prepare(project, task, 1)
        agent_in(workspace).write("file", "1\n")
        await host.pause(workspace)
    host = await open_host()
    assert await host.rescue_leftovers() == ()
    (rescued,) = await host.rescue_leftovers(resumable=[(tasks[0], 1)])
    assert rescued.task_id == tasks[1]
    assert (await host.prepare(project, tasks[0], 2, previous=PreviousAttempt(attempt=1))).resumed


async def test_given_attempts_that_work_when_leftovers_are_rescued_then_they_are_left_alone(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    assert await host.rescue_leftovers() == ()
    assert (workspace.path / "file").exists()


async def test_given_an_unreachable_repository_when_leftovers_are_rescued_then_they_are_safe_in_the_mirror(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, origin: Checkout, mirror: Checkout
) -> None:
    workspace = await (await open_host()).prepare(project, task, 1)
    agent_in(workspace).write("file", "1\n")
    origin.path.rename(origin.path.with_name("moved"))
    (rescued,) = await (await open_host()).rescue_leftovers()
    assert rescued.snapshot is not None and not rescued.snapshot.pushed
    assert mirror.files(rescued.snapshot.ref or "")["file"] == "1"
    assert not workspace.path.exists()


async def test_given_a_run_that_cannot_be_saved_when_leftovers_are_rescued_then_it_stays_and_the_others_are_rescued(
    open_host: OpenHost, project: Project, agent_in: AgentIn, origin: Checkout, mirror: Checkout
) -> None:
    host, other = await open_host(), Project(id=str(uuid4()), url=project.url)
    workspaces = [await host.prepare(one, str(uuid4()), 1) for one in (project, other)]
    for workspace in workspaces:
        agent_in(workspace).write("file", "1\n")
    mirror.path.rename(mirror.path.with_name("lost"))
    origin.path.rename(origin.path.with_name("moved"))
    host = await open_host()
    rescued = {one.task_id: one for one in await host.rescue_leftovers()}
    assert "does not appear to be a git repository" in rescued[workspaces[0].task_id].error
    assert rescued[workspaces[1].task_id].error == ""
    assert (workspaces[0].path / "file").exists()
    origin.path.with_name("moved").rename(origin.path)
    (saved,) = await host.rescue_leftovers()
    assert origin.files(saved.snapshot.ref or "" if saved.snapshot else "")["file"] == "1"


@pytest.mark.parametrize("record", ["", "not json", '{"task_id": 1}'])
async def test_given_a_run_whose_record_is_gone_when_leftovers_are_rescued_then_all_of_it_is_kept_for_people(
    record: str, open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, worker_dir: Path
) -> None:
    workspace = await (await open_host()).prepare(project, task, 1)
    own = agent_in(workspace).commit({"file": "1\n"})
    (workspace.path.parent / "run.json").write_text(record)
    (rescued,) = await (await open_host()).rescue_leftovers()
    kept = worker_dir / "rescued" / task / "1"
    assert rescued.snapshot is not None and rescued.snapshot.folder == kept
    assert Checkout(kept / "work", agent_in(workspace).env).head == own


async def test_given_files_that_are_not_ours_among_the_runs_when_leftovers_are_rescued_then_they_are_left_alone(
    open_host: OpenHost, worker_dir: Path, task: str
) -> None:
    host = await open_host()
    for name in ("notes/1", f"{task}/draft", f"{task.upper()}/1"):
        (worker_dir / "runs" / name).mkdir(parents=True)
    (worker_dir / "runs/file").touch()
    assert await host.rescue_leftovers() == ()
    assert len(list((worker_dir / "runs").iterdir())) == 4


async def test_given_lock_files_of_a_killed_git_in_the_mirror_when_the_worker_starts_again_then_they_do_no_harm(
    open_host: OpenHost, project: Project, task: str, desk: Checkout, mirror: Checkout
) -> None:
    await (await open_host()).prepare(project, task, 1)
    desk.commit({"new": "1\n"})
    desk.git("push", "--quiet", "origin", "main")
    for name in ("refs/upstream/heads/main.lock", "packed-refs.lock", "HEAD.lock"):
        (mirror.path / name).touch()
    host = await open_host()
    assert (await host.prepare(project, task, 2)).base == desk.head


async def test_given_another_process_that_uses_the_directory_when_a_worker_starts_then_lock_files_are_left_alone(
    open_host: OpenHost, project: Project, task: str, mirror: Checkout, worker_dir: Path, identity: object
) -> None:
    first = await open_host()
    await first.prepare(project, task, 1)
    (mirror.path / "HEAD.lock").touch()
    (worker_dir / "scratch/view-of-the-other").mkdir()
    second = await Workspaces.open(worker_dir, first._host.identity, environ=first._host.git.environ)
    await second.close()
    assert (mirror.path / "HEAD.lock").exists()
    assert (worker_dir / "scratch/view-of-the-other").exists()


async def test_given_snapshots_that_could_not_be_pushed_when_the_network_is_back_then_they_can_be_pushed_later(
    host: Workspaces, project: Project, agent_in: AgentIn, origin: Checkout
) -> None:
    for number in range(2):
        workspace = await host.prepare(project, str(uuid4()), 1)
        agent_in(workspace).write("file", f"{number}\n")
        if number == 1:
            origin.path.rename(origin.path.with_name("moved"))
        await host.discard(workspace)
    assert await host.push_pending([project]) == 0
    origin.path.with_name("moved").rename(origin.path)
    assert await host.push_pending([project]) == 1
    assert await host.push_pending([project]) == 0
    assert {origin.files(ref)["file"] for ref in origin.refs("refs/swarm/rescue")} == {"0", "1"}
