"""Killing processes of a running swarm loses nothing and doubles nothing."""

import random
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.testing.real_swarm import RealSwarm, processes_below
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.slow


def script(ref: str, *lines: str, after: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {"ref": ref, "title": ref, "harness": "script", "prompt": "\n".join(lines), "dependsOn": list(after), **more}


def graph(project: str) -> list[dict[str, Any]]:
    """Six tasks: two side by side in the middle, one that fails once, one that needs them all."""
    more: dict[str, Any] = {"project": project}
    return [
        script("design", "write design.md <<END\nTwo parts.\nEND", "commit Design", **more),
        script("left", "write left.txt <<END\nleft\nEND", "sleep 1.5", "commit Left", after=("design",), **more),
        script("right", "sleep 1.5", "write right.txt <<END\nright\nEND", "commit Right", after=("design",), **more),
        script(
            "flaky",
            "fail-until-attempt 2 the network was away",
            "write flaky.txt <<END\nok\nEND",
            "commit Flaky",
            after=("design",),
            **more,
        ),
        script("check", "run test -f left.txt && test -f right.txt", after=("left", "right"), **more),
        script("all", "run cat design.md left.txt right.txt flaky.txt", after=("check", "flaky"), **more),
    ]


@pytest.fixture
def project(swarm: RealSwarm) -> str:
    """The path of a small repository."""
    path = swarm.folder / "repository"
    run = ("git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "-C", str(path))
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    subprocess.run([*run, "commit", "-q", "--allow-empty", "-m", "Start"], check=True)
    return str(path)


def run_graph(swarm: RealSwarm, repository: str) -> dict[str, str]:
    swarm.call("POST", "/api/projects", {"name": "demo", "repoUrl": repository})
    return swarm.file(*graph("demo"))


def check_exactly_once(swarm: RealSwarm, refs: dict[str, str], repository: str) -> None:
    assert swarm.completions() == dict.fromkeys(refs.values(), 1)
    result = swarm.task(refs["all"])["result"]
    shown = subprocess.run(
        ["git", "-C", repository, "ls-tree", "--name-only", result["branch"]],
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.split() == ["design.md", "flaky.txt", "left.txt", "right.txt"]


def test_given_a_running_graph_when_the_server_is_killed_and_restarted_then_each_task_completes_exactly_once(
    swarm: RealSwarm, project: str
) -> None:
    swarm.start_server()
    workers = [swarm.start_worker(), swarm.start_worker()]
    refs = run_graph(swarm, project)
    swarm.wait_until(lambda: swarm.task(refs["left"])["status"] == "running", "left runs")
    swarm.kill_server()
    swarm.start_server()
    swarm.wait_for_all(len(refs))
    check_exactly_once(swarm, refs, project)
    assert swarm.task(refs["left"])["attempt"] == 1, "a restart of the server revokes nothing"
    assert [swarm.stop_worker(worker) for worker in workers] == [0, 0]


def test_given_a_running_graph_when_a_worker_is_killed_and_restarted_then_each_task_completes_exactly_once(
    swarm: RealSwarm, project: str
) -> None:
    swarm.start_server()
    workers = [swarm.start_worker(), swarm.start_worker()]
    refs = run_graph(swarm, project)
    swarm.wait_until(lambda: swarm.task(refs["left"])["status"] == "running", "left runs")
    holder = swarm.task(refs["left"])["agentId"]
    swarm.kill_worker(holder)
    swarm.start_worker(agent_id=holder)
    swarm.wait_for_all(len(refs))
    check_exactly_once(swarm, refs, project)
    assert swarm.task(refs["left"])["losses"] == 1
    assert [swarm.stop_worker(worker) for worker in workers] == [0, 0]


@pytest.mark.anyio
async def test_given_a_killed_worker_that_stays_away_then_its_agents_die_and_another_takes_over_when_the_lease_is_over(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    first = swarm.start_worker()
    refs = swarm.file(script("long", "fail-until-attempt 1 never", "sleep 3"))
    swarm.wait_until(lambda: swarm.task(refs["long"])["status"] == "running", "it runs")
    swarm.kill_worker(first)
    await until(partial(nothing_runs_below, swarm.folder / "workers" / first / "runs"))
    swarm.start_worker()
    swarm.wait_for_all(1, within=90)
    assert (swarm.task(refs["long"])["losses"], swarm.completions()[refs["long"]]) == (1, 1)


def test_given_a_draining_worker_when_it_comes_back_then_its_conversation_goes_on_in_its_workspace(
    swarm: RealSwarm, project: str
) -> None:
    swarm.start_server()
    worker = swarm.start_worker()
    swarm.call("POST", "/api/projects", {"name": "demo", "repoUrl": project})
    lines = ("write first.txt <<END\none\nEND", "wait-for go", "run cat first.txt")
    refs = swarm.file(script("long", *lines, project="demo"))
    swarm.wait_until(partial(has_written, swarm, worker, refs), "its first step is done")
    assert swarm.stop_worker(worker) == 0
    paused = swarm.task(refs["long"])
    assert (paused["status"], paused["pauseReason"]) == ("paused", "shutdown")
    swarm.start_worker(agent_id=worker)
    swarm.wait_until(lambda: swarm.task(refs["long"])["status"] == "running", "it runs again")
    (place(swarm, worker, refs) / "go").touch()
    swarm.wait_for_all(1)
    attempts = swarm.call("GET", f"/api/tasks/{refs['long']}/attempts")["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["paused", "completed"]
    assert attempts[0]["session"] == attempts[1]["session"] != ""
    written = [line for line in transcript(swarm, refs["long"], 2) if line["kind"] == "toolCall"]
    assert [call["data"]["name"] for call in written] == ["run"], "what was done before is not done again"


def has_completed(swarm: RealSwarm, number: float) -> bool:
    return swarm.statuses()["completed"] >= number


def nothing_runs_below(folder: Path) -> bool:
    return not processes_below(folder)


def has_written(swarm: RealSwarm, worker: str, refs: dict[str, str]) -> bool:
    return (place(swarm, worker, refs) / "first.txt").exists()


def place(swarm: RealSwarm, worker: str, refs: dict[str, str]) -> Path:
    """Where the task's files are."""
    runs = swarm.folder / "workers" / worker / "runs" / refs["long"]
    return next((path for path in runs.glob("*/work") if path.exists()), runs)


def transcript(swarm: RealSwarm, task_id: str, attempt: int) -> list[Any]:
    lines: list[Any] = swarm.call("GET", f"/api/tasks/{task_id}/attempts/{attempt}/transcript?limit=200")["lines"]
    return lines


def test_given_1000_tasks_on_8_slots_when_workers_are_killed_at_random_then_none_is_lost_or_doubled(
    swarm: RealSwarm,
) -> None:
    number, dice = 1000, random.Random(20261120)
    swarm.start_server()
    workers = [swarm.start_worker(slots=2) for _ in range(4)]
    refs: dict[str, str] = {}
    for start in range(0, number, 250):
        refs |= swarm.file(
            *(
                {"ref": str(index), "harness": "shell", "prompt": f"echo x >> {swarm.marks}/{index}", "maxAttempts": 1}
                for index in range(start, start + 250)
            )
        )
    for share in (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9):
        swarm.wait_until(partial(has_completed, swarm, share * number), f"{share:.0%} are completed", 300)
        victim = dice.choice(workers)
        swarm.kill_worker(victim)
        swarm.start_worker(agent_id=victim)
    swarm.wait_for_all(number, within=300)
    assert swarm.completions() == dict.fromkeys(refs.values(), 1)
    assert {path.name for path in swarm.marks.iterdir()} == set(refs), "every task really ran"
    assert swarm.statuses() == {"completed": number}
