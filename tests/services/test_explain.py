"""Explanations of states that the REST face cannot bring about by itself."""

from dataclasses import replace

import pytest

from agent_swarm.domain.explain import explain
from agent_swarm.domain.explanation import Candidate, Facts
from agent_swarm.domain.matching import AgentProfile, Requirements
from agent_swarm.domain.tasks import TaskState, TaskStatus
from agent_swarm.domain.time import to_wire
from agent_swarm.harness.base import EventKind
from agent_swarm.services.transcripts import AGENT_ENDED

STRANGER = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
ADA = Candidate(profile=AgentProfile(id="ada"), name="ada", is_online=True)


def facts(status: TaskStatus, requires: Requirements = Requirements(), **options: object) -> Facts:
    state = TaskState(id="t", status=status, ready=status is TaskStatus.PENDING)
    return Facts(task=state, title="t", requires=requires, now=0, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", list(TaskStatus))
def test_given_any_status_when_it_is_explained_then_there_is_a_summary(status: TaskStatus) -> None:
    told = explain(facts(status))

    assert told.summary
    assert bool(told.reasons) is (status not in (TaskStatus.BLOCKED, TaskStatus.RUNNING, TaskStatus.COMPLETED))


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


def test_given_the_last_loss_that_a_task_may_have_when_its_worker_is_silent_then_it_is_going_to_fail() -> None:
    silent = replace(ADA, last_seen_at=1, silent_since=1)
    state = TaskState(id="t", status=TaskStatus.RUNNING, agent_id="ada", losses=1, max_losses=2, lease_expires_at=9)

    (reason,) = explain(Facts(task=state, title="t", requires=Requirements(), now=5, agents=[silent])).reasons

    assert "it fails for good (loss 2 of 2)" in reason.message


def test_given_the_line_that_ends_a_transcript_when_it_is_recognised_then_it_is_the_one_that_harnesses_write() -> None:
    assert AGENT_ENDED == EventKind.ENDED


def test_given_agents_that_their_provider_refuses_when_it_is_explained_then_they_rest_and_others_are_busy() -> None:
    refused = replace(ADA, rests_until=10_000_000, rests_for="rateLimit")
    busy = Candidate(profile=AgentProfile(id="bob"), name="bob", is_online=True, holds=(("x", "digging"),))

    (alone,) = explain(facts(TaskStatus.PENDING, agents=[refused])).reasons
    among = explain(facts(TaskStatus.PENDING, agents=[refused, busy])).reasons

    assert (alone.code, alone.details["until"]) == ("agentsResting", to_wire(10_000_000))
    assert f"ada until {to_wire(10_000_000)} (rateLimit)" in alone.message
    assert [reason.code for reason in among] == ["agentsBusy", "agentsResting"]


@pytest.mark.parametrize(("code", "reason"), [("rateLimit", "providerLimit"), ("exitCode", "backoff")])
def test_given_a_task_that_is_tried_again_when_it_is_explained_then_a_refusal_of_the_provider_is_no_failure(
    code: str, reason: str
) -> None:
    state = TaskState(id="t", status=TaskStatus.PENDING, ready=False, attempt=1, not_before=9_000_000)
    told = explain(Facts(task=state, title="t", requires=Requirements(), now=5, agents=[ADA], failure_code=code))

    assert told.reasons[0].code == reason
