"""What an agent says of its task, and what its worker says of the run: the first word of each counts (rule T5)."""

from typing import Any

import pytest
from tests.server.pool.house import House

from agent_swarm.domain.errors import IllegalTransition, ResultConflict, StaleLease
from agent_swarm.domain.tasks import AttemptOutcome, TaskStatus
from agent_swarm.protocol.pool import Claimed
from agent_swarm.services import outcomes
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity
from agent_swarm.store.records import TokenKind

pytestmark = pytest.mark.anyio


def lease(claim: Claimed) -> dict[str, Any]:
    return {"task_id": claim.task_id, "fence": claim.fence}


def agent_of(claim: Claimed) -> Identity:
    """Whoever holds the token of this attempt."""
    return Identity(
        kind=TokenKind.ATTEMPT,
        token_id="t",
        scopes=frozenset(),
        agent_id="ada",
        task_id=claim.task_id,
        fence=claim.fence,
    )


async def state(house: House, claim: Claimed, text: str, data: dict[str, Any] | None = None) -> bool:
    """Whether it was said before."""
    operation = outcomes.state_result(text, data, Redactor(), by=agent_of(claim))
    return (await house.store.apply(operation)).repeated


async def fail(house: House, claim: Claimed, text: str) -> None:
    await house.store.apply(outcomes.state_failure(text, Redactor(), by=agent_of(claim)))


async def test_given_a_stated_result_when_the_run_ends_well_then_it_is_the_result_where_the_work_is(
    house: House,
) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    assert not await state(house, claim, "42", {"answer": 42})
    assert (await house.task(task_id)).state.status is TaskStatus.RUNNING
    ended = {**lease(claim), "text": "good bye", "branch": "swarm/x/1", "commit": "abc"}
    assert await peer.request("complete", **ended) == {"status": "completed", "repeated": False}
    expected = {"text": "42", "data": {"answer": 42}, "branch": "swarm/x/1", "commit": "abc"}
    assert (await house.task(task_id)).result == expected
    assert await peer.request("complete", **ended) == {"status": "completed", "repeated": True}


async def test_given_a_run_that_has_ended_when_its_agent_states_a_result_then_that_is_refused(house: House) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    await peer.request("complete", **lease(claim), text="good bye")
    with pytest.raises(IllegalTransition):
        await state(house, claim, "42")
    result = (await house.task(task_id)).result
    assert result is not None
    assert result["text"] == "good bye"


async def test_given_a_stated_failure_when_the_run_ends_well_then_the_attempt_has_failed(house: House) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    await fail(house, claim, "the tests need a database")
    await peer.request("complete", **lease(claim), text="good bye", branch="swarm/x/1")
    [attempt] = await house.attempts(task_id)
    assert attempt.outcome is AttemptOutcome.FAILED
    report = attempt.report
    assert (report.failure_class, report.failure_code) == ("agent", "agentReported")
    assert report.text == "the tests need a database"
    assert report.branch == "swarm/x/1"


async def test_given_a_stated_result_when_the_host_breaks_then_the_break_stands(house: House) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    await state(house, claim, "42")
    await peer.request("fail", **lease(claim), failure="infrastructure", code="pushFailed", message="no space left")
    assert (await house.task(task_id)).state.status is TaskStatus.PENDING


async def test_given_a_stated_failure_when_the_agent_also_exits_badly_then_its_own_word_is_told(house: House) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    claim = await peer.run()
    await fail(house, claim, "no such repository")
    await peer.request("fail", **lease(claim), failure="agent", code="exitCode", message="exit code 1")
    [attempt] = await house.attempts(task_id)
    assert attempt.report.text == "no such repository"


async def test_given_an_outcome_when_the_same_is_stated_again_then_it_is_a_repeat_and_another_is_refused(
    house: House,
) -> None:
    peer = await house.peer(credits=1)
    await house.create()
    claim = await peer.run()
    assert not await state(house, claim, "42")
    assert await state(house, claim, "42")
    with pytest.raises(ResultConflict):
        await state(house, claim, "43")
    with pytest.raises(ResultConflict):
        await fail(house, claim, "42")


async def test_given_an_earlier_attempt_when_its_agent_stated_a_result_then_it_counts_for_nothing(
    house: House,
) -> None:
    peer = await house.peer(credits=1)
    task_id = await house.create()
    first = await peer.run()
    await state(house, first, "of the first")
    await peer.request("release", **lease(first))
    await peer.credit()
    second = await peer.run()
    with pytest.raises(StaleLease):
        await state(house, first, "late")
    await peer.request("complete", **lease(second), text="of the second")
    result = (await house.task(task_id)).result
    assert result is not None
    assert result["text"] == "of the second"
