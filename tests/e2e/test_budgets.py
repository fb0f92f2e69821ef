"""Budgets of real workers: what is spent counts while an attempt runs, and also where it was killed."""

from typing import Any

import pytest

from agent_swarm.testing.real_swarm import RealSwarm, processes_below

pytestmark = pytest.mark.slow


def budget(swarm: RealSwarm) -> Any:
    return swarm.call("GET", "/api/budgets/everything")


def questions(swarm: RealSwarm) -> list[Any]:
    found: list[Any] = swarm.call("GET", "/api/approvals?status=open")["approvals"]
    return found


def spending(swarm: RealSwarm, dollars: float) -> dict[str, Any]:
    """A task that spends so much at once, and then goes on until it is let go."""
    steps = [
        f"run echo begun >> {swarm.marks}/done",
        f"usage input=1000 output=10 cost={dollars}",
        f"run touch {swarm.marks}/spent",
        f"wait-for {swarm.marks}/go",
        f"run echo ended >> {swarm.marks}/done",
    ]
    return {"ref": "one", "title": "one", "harness": "script", "prompt": "\n".join(steps), "maxAttempts": 1}


def test_given_a_cap_that_a_running_agent_reaches_when_a_person_lets_it_go_on_then_it_does_where_it_was(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    swarm.start_worker()
    swarm.call("POST", "/api/budgets", {"name": "everything", "scope": "all", "capUsd": 2, "estimateUsd": 1})
    task_id = swarm.file(spending(swarm, 2))["one"]
    swarm.wait_until(lambda: swarm.task(task_id)["status"] == "paused" and bool(questions(swarm)), "people are asked")
    swarm.wait_until(lambda: not processes_below(swarm.folder / "workers" / "runs"), "nothing of it runs")

    swarm.kill_server()
    swarm.start_server()
    (asked,) = questions(swarm)
    assert (budget(swarm)["status"], budget(swarm)["spentUsd"], budget(swarm)["reservedUsd"]) == ("reached", 2, 0)
    (swarm.marks / "go").touch()
    swarm.call(
        "POST", f"/api/approvals/{asked['id']}/answer", {"answers": {"goOn": asked["questions"][0]["choices"][0]}}
    )
    swarm.wait_for_all(1)
    assert (swarm.marks / "done").read_text().splitlines() == ["begun", "ended"]
    assert (budget(swarm)["spentUsd"], budget(swarm)["reservedUsd"]) == (2, 0)


def test_given_an_agent_that_spent_while_the_server_was_away_when_its_worker_is_killed_then_it_is_booked_once(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    agent_id = swarm.start_worker()
    swarm.call("POST", "/api/budgets", {"name": "everything", "scope": "all", "capUsd": 100, "estimateUsd": 1})
    task = spending(swarm, 3)
    task["prompt"] = f"run touch {swarm.marks}/runs\nwait-for {swarm.marks}/spend\n{task['prompt']}"
    task_id = swarm.file(task)["one"]
    swarm.wait_until((swarm.marks / "runs").exists, "it runs")
    swarm.kill_server()
    (swarm.marks / "spend").touch()
    swarm.wait_until((swarm.marks / "spent").exists, "it has spent")
    swarm.kill_worker(agent_id)

    swarm.start_server()
    assert (budget(swarm)["spentUsd"], budget(swarm)["reservedUsd"]) == (0, 1)
    (swarm.marks / "go").touch()
    swarm.start_worker(agent_id=agent_id)
    swarm.wait_until(lambda: swarm.task(task_id)["status"] == "completed", "it is tried again")
    attempts = swarm.call("GET", f"/api/tasks/{task_id}/attempts")["attempts"]
    assert [(one["outcome"], one["costUsd"]) for one in attempts] == [("failed", 3), ("completed", 3)]
    assert (budget(swarm)["spentUsd"], budget(swarm)["reservedUsd"]) == (6, 0)
