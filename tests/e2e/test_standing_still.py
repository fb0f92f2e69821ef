"""A process that stands still is not dead, and not alive either: what it does when it goes on must harm nobody."""

import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.faults import Point
from agent_swarm.testing.faults.crash import Crash
from agent_swarm.testing.real_swarm import RealSwarm, processes_below

LEASE = 3.0

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.lease(LEASE)]


def shell(ref: str, *lines: str, **more: Any) -> dict[str, Any]:
    return {"ref": ref, "title": ref, "harness": "shell", "prompt": "\n".join(lines), **more}


def waiting(swarm: RealSwarm) -> tuple[str, str]:
    """What the first attempt does: say who it is, and wait for a word. Others go on at once."""
    wait = f"while [ $AGENT_SWARM_ATTEMPT = 1 ] && [ ! -e {swarm.marks}/go ]; do sleep 0.05; done"
    return f"echo $$ > {swarm.marks}/agent-$AGENT_SWARM_ATTEMPT", wait


@pytest.fixture
def repository(swarm: RealSwarm) -> Path:
    """A small repository, as project `demo` of a server that runs."""
    path = swarm.folder / "repository"
    run = ("git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "-C", str(path))
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    subprocess.run([*run, "commit", "-q", "--allow-empty", "-m", "Start"], check=True)
    swarm.start_server()
    swarm.call("POST", "/api/projects", {"name": "demo", "repoUrl": str(path)})
    return path


def pushed(repository: Path, task_id: str) -> list[str]:
    """The attempts whose branch is there."""
    listed = subprocess.run(
        ["git", "-C", str(repository), "for-each-ref", "--format=%(refname)", f"refs/heads/swarm/{task_id}/"],
        check=True,
        capture_output=True,
        text=True,
    )
    return [line.rpartition("/")[2] for line in listed.stdout.split()]


def attempts(swarm: RealSwarm, task_id: str) -> list[tuple[int, str]]:
    told = swarm.call("GET", f"/api/tasks/{task_id}/attempts")["attempts"]
    return [(attempt["number"], attempt["outcome"]) for attempt in told]


def has(swarm: RealSwarm, task_id: str, status: str) -> bool:
    return bool(swarm.task(task_id)["status"] == status)


def exists(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


@pytest.mark.parametrize("agent_ends", [True, False], ids=["agent-ended-meanwhile", "agent-still-runs"])
def test_given_a_worker_that_stood_still_for_longer_than_its_lease_when_it_goes_on_then_it_does_no_harm(
    swarm: RealSwarm, repository: Path, agent_ends: bool
) -> None:
    zombie = swarm.start_worker()
    refs = swarm.file(shell("one", *waiting(swarm), "echo $AGENT_SWARM_ATTEMPT > who.txt", project="demo"))
    task_id = refs["one"]
    swarm.wait_until(lambda: exists(swarm.marks / "agent-1"), "the first attempt runs")
    swarm.signal_worker(zombie, signal.SIGSTOP)
    if agent_ends:
        (swarm.marks / "go").touch()
    other = swarm.start_worker(host="other-host")
    swarm.wait_until(partial(has, swarm, task_id, "completed"), "another worker has done it")
    assert attempts(swarm, task_id) == [(1, "lost"), (2, "completed")]
    swarm.signal_worker(zombie, signal.SIGCONT)
    runs = swarm.folder / "workers" / zombie / "runs"
    swarm.wait_until(lambda: not processes_below(runs), "the agent of the first attempt is gone")
    swarm.wait_until(lambda: not list((swarm.folder / "workers" / zombie / "attempts").glob("*/*")), "all is told")
    assert pushed(repository, task_id) == ["2"]
    assert swarm.completions() == {task_id: 1}
    assert [swarm.stop_worker(worker) for worker in (zombie, other)] == [0, 0]


def test_given_a_worker_that_stands_still_after_its_push_when_it_goes_on_too_late_then_its_result_is_refused(
    swarm: RealSwarm, repository: Path
) -> None:
    crash = Crash(point=Point.RUN_COLLECTED, stands_still=True, told=str(swarm.folder / "reached"))
    zombie = swarm.start_worker(crash=crash)
    lines = (*waiting(swarm), "echo $AGENT_SWARM_ATTEMPT | tee who.txt")
    task_id = swarm.file(shell("one", *lines, project="demo"))["one"]
    swarm.wait_until(lambda: exists(swarm.marks / "agent-1"), "the first attempt runs")
    (swarm.marks / "go").touch()
    swarm.wait_until(lambda: exists(swarm.folder / "reached"), "the worker stands still")
    swarm.start_worker(host="other-host")
    swarm.wait_until(partial(has, swarm, task_id, "completed"), "another worker has done it")
    swarm.signal_worker(zombie, signal.SIGCONT)
    swarm.wait_until(lambda: not list((swarm.folder / "workers" / zombie / "attempts").glob("*/*")), "all is told")
    task = swarm.task(task_id)
    assert attempts(swarm, task_id) == [(1, "lost"), (2, "completed")]
    assert (task["result"]["text"], task["result"]["branch"]) == ("2", f"swarm/{task_id}/2")
    assert swarm.completions() == {task_id: 1}


def test_given_a_server_that_stood_still_for_longer_than_a_lease_when_it_goes_on_then_no_lease_is_revoked(
    swarm: RealSwarm, repository: Path
) -> None:
    workers = [swarm.start_worker(slots=2) for _ in range(2)]
    refs = swarm.file(*(shell(f"t{n}", *waiting(swarm)) for n in range(4)))
    swarm.wait_until(lambda: swarm.statuses()["running"] == 4, "all run")
    fences = {event["taskId"]: event["data"]["fence"] for event in swarm.events() if event["type"] == "task.claimed"}
    for _ in range(2):
        swarm.signal_server(signal.SIGSTOP)
        time.sleep(1.5 * LEASE)
        swarm.signal_server(signal.SIGCONT)
        seq = swarm.events()[-1]["seq"]
        time.sleep(1.5 * LEASE)  # lapsed leases would have been noticed by now
        assert [event["type"] for event in swarm.events() if event["seq"] > seq] == []
    (swarm.marks / "go").touch()
    swarm.wait_for_all(4)
    assert all(attempts(swarm, task_id) == [(1, "completed")] for task_id in refs.values())
    claimed = [event["data"]["fence"] for event in swarm.events() if event["type"] == "task.claimed"]
    assert claimed == list(fences.values())
    assert [swarm.stop_worker(worker) for worker in workers] == [0, 0]


def test_given_an_agent_that_stands_still_for_longer_than_a_lease_then_its_attempt_goes_on(
    swarm: RealSwarm, repository: Path
) -> None:
    swarm.start_worker()
    task_id = swarm.file(shell("one", *waiting(swarm), "echo done"))["one"]
    swarm.wait_until(lambda: exists(swarm.marks / "agent-1"), "it runs")
    agents = [pid for pid in processes_below(swarm.folder / "workers") if is_shell(pid)]
    assert agents
    for pid in agents:
        subprocess.run(["kill", "-STOP", str(pid)], check=True)
    (swarm.marks / "go").touch()
    time.sleep(2 * LEASE)
    assert swarm.task(task_id)["status"] == "running"
    for pid in agents:
        subprocess.run(["kill", "-CONT", str(pid)], check=True)
    swarm.wait_for_all(1)
    assert attempts(swarm, task_id) == [(1, "completed")]


def is_shell(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() in ("sh", "dash", "bash")


def test_given_a_worker_that_is_killed_after_its_push_when_it_starts_again_then_the_task_completes_once(
    swarm: RealSwarm, repository: Path
) -> None:
    reached = swarm.folder / "reached"
    worker = swarm.start_worker(crash=Crash(point=Point.RUN_COLLECTED, told=str(reached)))
    task_id = swarm.file(shell("one", "echo $AGENT_SWARM_ATTEMPT > who.txt", project="demo"))["one"]
    assert swarm.wait_for_worker(worker) == -signal.SIGKILL
    assert (reached.read_text().strip(), pushed(repository, task_id)) == (Point.RUN_COLLECTED, ["1"])
    swarm.start_worker(agent_id=worker)
    swarm.wait_for_all(1)
    assert attempts(swarm, task_id) == [(1, "failed"), (2, "completed")]
    assert swarm.task(task_id)["result"]["branch"] == f"swarm/{task_id}/2"
