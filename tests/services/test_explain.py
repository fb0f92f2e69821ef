"""Explanations of states that the REST face cannot bring about by itself."""

import pytest

from agent_swarm.domain.explain import Candidate, Facts, explain
from agent_swarm.domain.matching import AgentProfile, Requirements
from agent_swarm.domain.tasks import TaskState, TaskStatus

STRANGER = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
ADA = Candidate(profile=AgentProfile(id="ada"), name="ada", is_online=True)


def facts(status: TaskStatus, requires: Requirements = Requirements(), **options: object) -> Facts:
    state = TaskState(id="t", status=status, ready=status is TaskStatus.PENDING)
    return Facts(task=state, title="t", requires=requires, now=0, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", list(TaskStatus))
def test_given_any_status_when_it_is_explained_then_there_is_a_summary(status: TaskStatus) -> None:
    told = explain(facts(status))

    assert told.summary
    assert bool(told.reasons) is (
        status not in (TaskStatus.BLOCKED, TaskStatus.CLAIMED, TaskStatus.RUNNING, TaskStatus.COMPLETED)
    )


def test_given_an_offered_task_when_it_is_explained_then_the_offer_is_the_reason() -> None:
    assert [reason.code for reason in explain(facts(TaskStatus.OFFERED)).reasons] == ["offered"]


def test_given_an_agent_that_is_not_known_any_more_when_it_is_explained_then_its_id_is_named() -> None:
    (reason,) = explain(facts(TaskStatus.PENDING, Requirements(agent_id=STRANGER), agents=[ADA])).reasons

    assert reason.code == "agentUnknown"
    assert f"AGENT_ID={STRANGER}" in reason.unblock


def test_given_a_hundred_busy_agents_when_it_is_explained_then_a_few_are_named_and_the_rest_counted() -> None:
    busy = [
        Candidate(profile=AgentProfile(id=f"{n}"), name=f"a{n}", is_online=True, holds=(("x", "digging"),))
        for n in range(100)
    ]

    (reason,) = explain(facts(TaskStatus.PENDING, agents=busy)).reasons

    assert "and 95 more" in reason.message
    assert (len(reason.details["agents"]), reason.details["count"]) == (5, 100)
