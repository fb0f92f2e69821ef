"""The kill switch, on real servers, workers and agents that are hard to end."""

import shutil
import time
import urllib.error
from functools import partial
from typing import Any

import pytest

from agent_swarm.domain.ids import new_id
from agent_swarm.testing import tenacious
from agent_swarm.testing.real_swarm import RealSwarm, free_port

pytestmark = [pytest.mark.slow, pytest.mark.alone]

AGENTS = 11
DEAD_WITHIN = 10.0  # seconds; how fast it is, is measured by the benchmarks
SANDBOXES = [
    "process",
    pytest.param("bubblewrap", marks=pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is missing")),
]


def busy(swarm: RealSwarm, count: int, /, **more: Any) -> dict[str, str]:
    """File that many tasks that are hard to end; the marks of their processes by task."""
    marks = [new_id() for _ in range(count)]
    refs = swarm.file(
        *({"ref": mark, "title": mark, "harness": "shell", "prompt": tenacious.command(mark), **more} for mark in marks)
    )
    return {refs[mark]: mark for mark in marks}


def wait_until_busy(swarm: RealSwarm, marks: dict[str, str]) -> None:
    swarm.wait_until(
        lambda: all(len(tenacious.alive(mark)) >= tenacious.PROCESSES for mark in marks.values()), "all agents are busy"
    )


def wait_until_dead(swarm: RealSwarm, marks: dict[str, str]) -> None:
    swarm.wait_until(
        lambda: not any(tenacious.alive(mark) for mark in marks.values()), "nothing runs any more", DEAD_WITHIN
    )


def kill_switch(swarm: RealSwarm, **body: Any) -> Any:
    return swarm.call("POST", "/api/kill-switch", body)


def status_of(swarm: RealSwarm, method: str, path: str, body: Any = None) -> int:
    try:
        swarm.call(method, path, body)
    except urllib.error.HTTPError as exc:
        return exc.code
    return 200


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_given_eleven_busy_agents_when_everything_is_killed_then_every_process_of_every_run_dies_and_work_goes_on_later(
    swarm: RealSwarm, sandbox: str
) -> None:
    swarm.start_server()
    workers = [swarm.start_worker(variables={"AGENT_SWARM_SANDBOX": sandbox}) for _ in range(AGENTS)]
    marks = busy(swarm, AGENTS)
    wait_until_busy(swarm, marks)
    started_at = time.monotonic()

    told = swarm.call("POST", "/api/kill-switch")  # nothing in it
    assert status_of(swarm, "POST", "/api/tasks", {"prompt": "echo no"}) == 503
    wait_until_dead(swarm, marks)
    print(f"{sandbox}: dead after {time.monotonic() - started_at:.3f} s")  # noqa: T201 - part of the result

    assert (told["status"], told["switches"][0]["attempts"]) == ("killed", AGENTS)
    swarm.wait_until(lambda: not swarm.call("GET", "/api/kill-switch")["switches"][0]["awaited"], "all confirm")
    assert {(swarm.task(task_id)["status"], swarm.task(task_id)["pauseReason"]) for task_id in marks} == {
        ("paused", "kill")
    }
    outcomes = {swarm.call("GET", f"/api/tasks/{task_id}/attempts")["attempts"][0]["outcome"] for task_id in marks}
    assert outcomes == {"killed"}

    kill_switch(swarm, action="deactivate")
    done = swarm.call("POST", "/api/tasks", {"prompt": "echo on"})["id"]
    swarm.wait_until(lambda: swarm.task(done)["status"] == "completed", "new work flows", 20)
    assert not any(tenacious.alive(mark) for mark in marks.values())
    assert {swarm.task(task_id)["status"] for task_id in marks} == {"paused"}
    first = next(iter(marks))
    swarm.call("POST", f"/api/tasks/{first}/resume")
    swarm.wait_until(lambda: len(tenacious.alive(marks[first])) >= tenacious.PROCESSES, "it runs again", 20)
    assert all(process.poll() is None for process in map(swarm.process_of, workers)), "no worker was restarted"


def test_given_a_killed_swarm_when_the_server_is_restarted_then_it_stays_killed_until_it_is_lifted(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    swarm.start_worker()
    marks = busy(swarm, 1)
    wait_until_busy(swarm, marks)
    kill_switch(swarm, reason="they deploy")
    swarm.kill_server()
    swarm.start_server()

    told = swarm.call("GET", "/api/kill-switch")
    assert (told["status"], told["reason"], told["by"]) == ("killed", "they deploy", "operator")
    assert status_of(swarm, "POST", "/api/tasks", {"prompt": "echo no"}) == 503
    assert status_of(swarm, "GET", "/api/tasks") == 200
    wait_until_dead(swarm, marks)
    kill_switch(swarm, action="lift", resume=True)
    wait_until_busy(swarm, marks)


def test_given_a_worker_without_a_server_when_everything_is_killed_then_it_learns_it_first_when_it_comes_back(
    swarm: RealSwarm,
) -> None:
    """The server stands still for the worker, which keeps its run; an offline worker is one whose server is away."""
    swarm.start_server()
    worker = swarm.start_worker()
    marks = busy(swarm, 1)
    wait_until_busy(swarm, marks)
    port, swarm.port = swarm.port, free_port()  # the server comes back where the worker does not find it
    swarm.kill_server()
    swarm.url = f"http://127.0.0.1:{swarm.port}"
    swarm.start_server()
    kill_switch(swarm)
    assert len(tenacious.alive(next(iter(marks.values())))) >= tenacious.PROCESSES, "nobody has told it yet"
    assert swarm.call("GET", "/api/kill-switch")["switches"][0]["awaited"][0]["agentId"] == worker

    swarm.kill_server()
    swarm.port, swarm.url = port, f"http://127.0.0.1:{port}"
    swarm.start_server()

    wait_until_dead_within(swarm, marks, 30)
    swarm.wait_until(lambda: not swarm.call("GET", "/api/kill-switch")["switches"][0]["awaited"], "it confirms", 30)


def wait_until_dead_within(swarm: RealSwarm, marks: dict[str, str], seconds: float) -> None:
    swarm.wait_until(partial(nothing_of, marks), "nothing runs any more", seconds)


def nothing_of(marks: dict[str, str]) -> bool:
    return not any(tenacious.alive(mark) for mark in marks.values())


def test_given_two_agents_when_one_is_killed_then_the_other_runs_on(swarm: RealSwarm) -> None:
    swarm.start_server()
    first, second = swarm.start_worker(), swarm.start_worker()
    marks = {worker: busy(swarm, 1, agentId=worker) for worker in (first, second)} if known(swarm, 2) else {}
    wait_until_busy(swarm, marks[first] | marks[second])

    kill_switch(swarm, scope="agent", id=first)

    wait_until_dead(swarm, marks[first])
    swarm.wait_until(lambda: not swarm.call("GET", "/api/kill-switch")["switches"][1]["awaited"], "it confirms")
    wait_until_busy(swarm, marks[second])
    assert swarm.call("POST", "/api/tasks", {"prompt": "echo waits", "agentId": first})["status"] == "pending"
    kill_switch(swarm, action="lift", scope="agent", id=first)
    swarm.wait_until(lambda: swarm.statuses()["completed"] == 1, "its next task is done", 20)
    wait_until_busy(swarm, marks[second])


def known(swarm: RealSwarm, count: int) -> bool:
    swarm.wait_until(lambda: len(swarm.call("GET", "/api/agents")["agents"]) == count, "they have registered")
    return True


def test_given_claims_in_flight_when_everything_is_killed_again_and_again_then_no_process_survives_one(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    for _ in range(3):
        swarm.start_worker(slots=2)
    known(swarm, 3)
    marks: dict[str, str] = {}
    for _ in range(6):
        marks |= busy(swarm, 4)  # handed out at this moment
        kill_switch(swarm)
        wait_until_dead(swarm, marks)
        assert not swarm.statuses()["running"] + swarm.statuses()["claimed"]
        kill_switch(swarm, action="lift", resume=True)
    kill_switch(swarm)
    wait_until_dead(swarm, marks)
    swarm.wait_until(lambda: not swarm.call("GET", "/api/kill-switch")["switches"][0]["awaited"], "all confirm")
    assert nothing_of(marks)


def test_given_a_flag_file_when_it_appears_and_goes_then_everything_stops_and_goes_on(swarm: RealSwarm) -> None:
    swarm.start_server()
    swarm.start_worker()
    marks = busy(swarm, 1)
    wait_until_busy(swarm, marks)
    flag = swarm.folder / "server" / "KILL"

    flag.write_text("they deploy\n")
    wait_until_dead(swarm, marks)
    told = swarm.call("GET", "/api/kill-switch")
    assert (told["status"], told["reason"]) == ("killed", "they deploy")
    swarm.kill_server()
    swarm.start_server()
    assert swarm.call("GET", "/api/kill-switch")["status"] == "killed"

    flag.unlink()
    swarm.wait_until(lambda: swarm.call("GET", "/api/kill-switch")["status"] == "armed", "it is lifted", 10)
    done = swarm.call("POST", "/api/tasks", {"prompt": "echo on"})["id"]
    swarm.wait_until(lambda: swarm.task(done)["status"] == "completed", "new work flows", 20)


def test_given_a_swarm_when_it_is_killed_then_its_runs_die_and_its_agents_wait_until_it_is_lifted(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    swarm_id = swarm.call("POST", "/api/swarms", {"name": "checkout"})["id"]
    inside = swarm.start_worker(variables={"AGENT_SWARM_SWARM": "checkout"})
    outside = swarm.start_worker()
    known(swarm, 2)
    assert [one["id"] for one in swarm.call("GET", "/api/agents?swarm=checkout")["agents"]] == [inside]
    stopped, untouched = busy(swarm, 1, swarm="checkout"), busy(swarm, 1, agentId=outside)
    wait_until_busy(swarm, stopped | untouched)

    told = kill_switch(swarm, scope="swarm", id="checkout", reason="they deploy")

    wait_until_dead(swarm, stopped)
    assert [(one["id"], one["attempts"]) for one in told["switches"] if one["scope"] == "swarm"] == [(swarm_id, 1)]
    assert status_of(swarm, "POST", "/api/tasks", {"prompt": "echo no", "swarm": "checkout"}) == 503
    wait_until_busy(swarm, untouched)
    swarm.wait_until(lambda: not _awaited(swarm, swarm_id), "its worker confirms")
    waits = swarm.call("POST", "/api/tasks", {"prompt": "echo on", "agentId": inside})["id"]

    kill_switch(swarm, action="lift", scope="swarm", id=swarm_id, resume=True)

    wait_until_busy(swarm, stopped)
    (task_id,) = stopped
    swarm.call("POST", f"/api/tasks/{task_id}/cancel")
    swarm.wait_until(lambda: swarm.task(waits)["status"] == "completed", "it works on", 20)


def _awaited(swarm: RealSwarm, swarm_id: str) -> Any:
    switches = swarm.call("GET", "/api/kill-switch")["switches"]
    return next(one["awaited"] for one in switches if one["id"] == swarm_id)
