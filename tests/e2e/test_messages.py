"""Messages in a real swarm: into running agents, through kills of server and worker, and to those who were idle."""

from typing import Any

import pytest

from agent_swarm.faults import Point
from agent_swarm.testing.faults.crash import Crash
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = pytest.mark.slow


def at_work(swarm: RealSwarm, *, crash: Crash | None = None) -> str:
    """An agent that runs scripts, where tasks say nothing else."""
    swarm.start_server()
    agent_id = swarm.start_worker(variables={"HARNESS_PROVIDER": "script"}, crash=crash)
    swarm.wait_until(lambda: bool(swarm.call("GET", "/api/agents")["agents"]), "the agent is there")
    return agent_id


def filed(swarm: RealSwarm, agent_id: str, script: str) -> str:
    """A task for the script agent, which runs."""
    task_id: str = swarm.call("POST", "/api/tasks", {"prompt": script, "harness": "script", "agentId": agent_id})["id"]
    swarm.wait_until(lambda: swarm.task(task_id)["status"] == "running", "the task runs")
    return task_id


def said(swarm: RealSwarm, agent_id: str, text: str) -> str:
    message_id: str = swarm.call("POST", "/api/messages", {"to": [agent_id], "text": text})["id"]
    return message_id


def said_to_all(swarm: RealSwarm, text: str) -> str:
    """A message that wakes nobody: whoever works is told, and who does not waits for it."""
    message_id: str = swarm.call("POST", "/api/messages", {"broadcast": True, "text": text})["id"]
    return message_id


def has_it(swarm: RealSwarm, message_id: str) -> bool:
    (delivery,) = swarm.call("GET", f"/api/messages/{message_id}")["deliveries"]
    return bool(delivery["status"] == "acknowledged")


def heard(swarm: RealSwarm, task_id: str, attempt: int = 1) -> list[str]:
    """What the agent said in an attempt."""
    lines = swarm.call("GET", f"/api/tasks/{task_id}/attempts/{attempt}/transcript?limit=200")["lines"]
    return [line["data"]["text"] for line in lines if line["kind"] == "text"]


def told_in(swarm: RealSwarm, task_id: str, attempt: int) -> list[str]:
    """The messages that the agent of an attempt was given, by id."""
    lines = swarm.call("GET", f"/api/tasks/{task_id}/attempts/{attempt}/transcript?limit=200")["lines"]
    return [line["data"]["id"] for line in lines if line["kind"] == "message"]


def ended(swarm: RealSwarm, task_id: str) -> Any:
    swarm.wait_until(lambda: swarm.task(task_id)["status"] in ("completed", "failed"), "the task has ended")
    return swarm.task(task_id)


def test_given_a_running_agent_when_it_is_written_to_then_it_has_each_message_once(swarm: RealSwarm) -> None:
    agent_id = at_work(swarm)
    task_id = filed(swarm, agent_id, "say begun\nwait-message 60\nwait-message 60\nresult heard both")

    first, second = said(swarm, agent_id, "one"), said(swarm, agent_id, "two")

    assert ended(swarm, task_id)["status"] == "completed"
    swarm.wait_until(lambda: has_it(swarm, first) and has_it(swarm, second), "both are acknowledged")
    texts = "\n".join(heard(swarm, task_id))
    assert texts.count("one\n</message>") == texts.count("two\n</message>") == 1


def test_given_a_busy_step_when_its_task_is_steered_with_an_interrupt_then_the_agent_reads_it_at_once(
    swarm: RealSwarm,
) -> None:
    agent_id = at_work(swarm)
    task_id = filed(swarm, agent_id, "say begun\nsleep 300\nwait-message 30\nresult turned")
    swarm.wait_until(lambda: "begun" in "\n".join(heard(swarm, task_id)), "the agent is in its long step")

    swarm.call("POST", f"/api/tasks/{task_id}/steer", {"message": "turn around", "interrupt": True})

    assert ended(swarm, task_id)["result"]["text"] == "turned"


def test_given_a_server_that_is_killed_when_it_is_back_then_what_was_said_reaches_the_agent_once(
    swarm: RealSwarm,
) -> None:
    agent_id = at_work(swarm)
    task_id = filed(swarm, agent_id, "say begun\nwait-message 90\nwait-message 90\nsleep 1\nresult heard both")
    first = said(swarm, agent_id, "before")
    swarm.kill_server()
    swarm.start_server()

    second = said(swarm, agent_id, "after")

    assert ended(swarm, task_id)["status"] == "completed"
    swarm.wait_until(lambda: has_it(swarm, first) and has_it(swarm, second), "both are acknowledged")
    texts = "\n".join(heard(swarm, task_id))
    assert texts.count("before\n</message>") == texts.count("after\n</message>") == 1


def test_given_a_harness_that_takes_no_messages_when_the_agent_is_idle_again_then_it_is_woken_once(
    swarm: RealSwarm,
) -> None:
    agent_id = at_work(swarm)
    busy = swarm.call("POST", "/api/tasks", {"prompt": "sleep 3", "harness": "shell", "agentId": agent_id})["id"]
    swarm.wait_until(lambda: swarm.task(busy)["status"] == "running", "the task runs")

    ids = [said(swarm, agent_id, text) for text in ("one", "two", "three")]

    swarm.wait_until(lambda: all(has_it(swarm, one) for one in ids), "all are acknowledged")
    (woken,) = swarm.call("GET", "/api/tasks?tag=conversation")["tasks"]
    assert woken["title"].startswith("Messages for ")


@pytest.mark.lease(3.0)
@pytest.mark.parametrize("point", [Point.MAILBOX_COMING, Point.MAILBOX_GIVEN, Point.SPOOL_TORN])
def test_given_a_worker_that_is_killed_between_handing_over_and_noting_it_when_it_is_back_then_the_message_comes_again(
    swarm: RealSwarm, point: Point
) -> None:
    armed, reached = swarm.folder / "armed", swarm.folder / "reached"
    agent_id = at_work(swarm, crash=Crash(point=point, armed_by=str(armed), told=str(reached)))
    task_id = filed(swarm, agent_id, "say begun\nwait-message 60\nwait-for marks/never\nresult heard it")
    swarm.wait_until(lambda: "begun" in heard(swarm, task_id), "the agent waits, and nothing is left to be told")
    armed.touch()
    message_id = said_to_all(swarm, "once")
    swarm.wait_for_worker(agent_id)
    assert reached.read_text() == f"{point.value}\n"
    assert not has_it(swarm, message_id)

    swarm.start_worker(agent_id=agent_id, variables={"HARNESS_PROVIDER": "script"})

    swarm.wait_until(lambda: told_in(swarm, task_id, 2) == [message_id], "the next attempt has it, under its id")
    assert told_in(swarm, task_id, 1) == []  # what the first one had is not on record: that is why it comes again
    swarm.call("POST", f"/api/tasks/{task_id}/cancel")
    assert len(swarm.call("GET", "/api/messages")["messages"]) == 1


@pytest.mark.lease(3.0)
def test_given_a_worker_that_is_killed_after_it_noted_that_the_agent_has_a_message_then_nobody_is_told_again(
    swarm: RealSwarm,
) -> None:
    agent_id = at_work(swarm)
    task_id = filed(swarm, agent_id, "say begun\nwait-message 60\nwait-for marks/never\nresult heard it")
    message_id = said_to_all(swarm, "once")
    swarm.wait_until(lambda: has_it(swarm, message_id), "it is acknowledged")

    swarm.kill_worker(agent_id)
    swarm.start_worker(agent_id=agent_id, variables={"HARNESS_PROVIDER": "script"})

    swarm.wait_until(lambda: swarm.task(task_id)["attempt"] == 2, "the next attempt is there")
    swarm.wait_until(lambda: swarm.task(task_id)["status"] == "running", "it runs")
    assert told_in(swarm, task_id, 2) == []
    swarm.call("POST", f"/api/tasks/{task_id}/cancel")
