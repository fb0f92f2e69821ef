"""Approvals: asked and settled once, and the tasks that wait for them go on, on every store (rule T6)."""

from dataclasses import replace
from typing import Any

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.approvals import OPEN_PER_TASK, ApprovalStatus, Question, QuestionKind
from agent_swarm.domain.errors import (
    Conflict,
    IdempotencyMismatch,
    IllegalTransition,
    InvalidInput,
    NotFound,
    StaleLease,
)
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.store import asking
from agent_swarm.store import operations as ops
from agent_swarm.store.families.approvals import APPROVAL_PLACES, APPROVALS, Approval, of_task
from agent_swarm.testing.driver import Driver

QUESTION = Question(id="q1", text="Deploy?", kind=QuestionKind.YES_NO)
HOUR = 3_600


def ask(held: ops.Held, *, pauses: bool = True, approval_id: str = "", digest: str = "d", lasts: int = HOUR) -> Any:
    asked = Approval(
        id=approval_id or new_id(),
        task_id=held.task_id,
        attempt=0,
        agent_id=new_id(),
        title="Deploy to production",
        details="",
        questions=(QUESTION.stored(),),
        pauses=pauses,
        asked_digest=digest,
        status=ApprovalStatus.OPEN,
        asked_at=0,
        expires_at=0,
        answers={},
    )
    return asking.AskApproval(approval=asked, fence=held.fence, lasts=lasts * SECOND, actor="agent:ada")


def answer(asked: Approval, said: bool | None = True, *, by: str = "user:eve") -> asking.AnswerApproval:
    answers = {} if said is None else {"q1": said}
    return asking.AnswerApproval(
        approval_id=asked.id, task_id=asked.task_id, actor=by, answers=answers, denies=said is None
    )


def settle(*asked: Approval) -> asking.SettleApprovals:
    return asking.SettleApprovals(asked=tuple((one.id, one.task_id) for one in asked))


def told(swarm: Driver, kind: str = "approval") -> list[str]:
    events = swarm.engine.read(lambda queries: queries.events_after(0, limit=500))
    return [event.type for event in events if event.subject_kind == kind]


def kept(swarm: Driver, asked: Approval) -> Approval:
    found = swarm.engine.read(lambda queries: queries.record(APPROVALS, asked.id))
    assert found is not None
    return found


@pytest.fixture
def held(swarm: Driver) -> ops.Held:
    swarm.file()
    return swarm.take(swarm.register())


def test_given_a_question_that_pauses_when_the_worker_has_paused_and_it_is_answered_then_the_task_goes_on(
    swarm: Driver, held: ops.Held
) -> None:
    asked = swarm.do(ask(held))
    assert swarm.state(held.task_id).pause_wanted is PauseReason.APPROVAL
    swarm.pause(held, PauseReason.PERSON)
    assert swarm.state(held.task_id).pause_reason is PauseReason.APPROVAL
    settled = swarm.do(answer(asked))
    state = swarm.state(held.task_id)
    assert (state.status, state.ready, state.pause_reason) == (TaskStatus.PENDING, True, None)
    assert (settled.status, settled.answers, settled.settled_by) == (ApprovalStatus.ANSWERED, {"q1": True}, "user:eve")
    assert told(swarm) == ["approval.asked", "approval.answered"]


def test_given_an_answer_before_the_worker_has_stopped_when_it_pauses_then_the_task_goes_on_at_once(
    swarm: Driver, held: ops.Held
) -> None:
    asked = swarm.do(ask(held))
    swarm.do(answer(asked))
    assert swarm.state(held.task_id).status is TaskStatus.RUNNING
    swarm.pause(held, PauseReason.PERSON)
    assert swarm.state(held.task_id).status is TaskStatus.PENDING


def test_given_a_worker_that_is_lost_while_its_task_asks_when_the_lease_ends_then_the_task_waits_for_the_answer(
    swarm: Driver, held: ops.Held
) -> None:
    asked = swarm.do(ask(held))
    swarm.command(commands.Fence(task_id=held.task_id))
    assert swarm.state(held.task_id).pause_reason is PauseReason.APPROVAL
    swarm.do(answer(asked, None))
    assert swarm.state(held.task_id).status is TaskStatus.PENDING


@pytest.mark.parametrize("first", [True, None])
def test_given_two_people_when_both_answer_then_the_first_counts_and_the_second_is_told(
    swarm: Driver, held: ops.Held, first: bool | None
) -> None:
    asked = swarm.do(ask(held))
    swarm.pause(held, PauseReason.PERSON)
    settled = swarm.do(answer(asked, first))
    for second in (False, None):
        with pytest.raises(Conflict, match=r"by user:eve since .*: the first answer counts"):
            swarm.do(answer(asked, second, by="user:bob"))
    assert kept(swarm, asked) == settled
    assert told(swarm).count("approval.answered") == 1


def test_given_answers_in_one_batch_when_it_is_applied_then_one_counts(swarm: Driver, held: ops.Held) -> None:
    asked = swarm.do(ask(held))
    replies = [swarm.run(answer(asked, True))[0], swarm.run(answer(asked, False, by="user:bob"))[0]]
    assert isinstance(replies[0], Approval)
    assert isinstance(replies[1], Conflict)


def test_given_a_question_nobody_answers_when_its_time_is_over_then_it_counts_as_denied_and_the_task_goes_on(
    swarm: Driver, held: ops.Held
) -> None:
    asked = swarm.do(ask(held, lasts=10))
    swarm.pause(held, PauseReason.PERSON)
    assert swarm.do(settle(asked)) == 0
    swarm.advance(10)
    with pytest.raises(Conflict, match="expired"):
        swarm.do(answer(asked))
    assert swarm.do(settle(asked)) == 1
    assert swarm.do(settle(asked)) == 0
    assert kept(swarm, asked).status is ApprovalStatus.EXPIRED
    assert swarm.state(held.task_id).status is TaskStatus.PENDING
    assert told(swarm) == ["approval.asked", "approval.expired"]


def test_given_two_questions_when_one_is_answered_then_the_task_waits_for_the_other(
    swarm: Driver, held: ops.Held
) -> None:
    first, second, third = (swarm.do(ask(held, pauses=pauses)) for pauses in (True, True, False))
    swarm.pause(held, PauseReason.PERSON)
    swarm.do(answer(first))
    assert swarm.state(held.task_id).status is TaskStatus.PAUSED
    swarm.do(answer(second))
    assert swarm.state(held.task_id).status is TaskStatus.PENDING
    assert kept(swarm, third).is_open


def test_given_a_task_that_waits_when_it_is_cancelled_then_its_question_is_closed_and_cannot_be_answered(
    swarm: Driver, held: ops.Held
) -> None:
    asked = swarm.do(ask(held))
    swarm.pause(held, PauseReason.PERSON)
    swarm.command(commands.Cancel(task_id=held.task_id))
    with pytest.raises(Conflict, match="closed"):
        swarm.do(answer(asked))
    assert swarm.do(settle(asked)) == 1
    assert kept(swarm, asked).status is ApprovalStatus.CLOSED
    assert swarm.state(held.task_id).status is TaskStatus.CANCELLED


def test_given_a_task_that_waits_when_a_person_pauses_it_then_an_answer_does_not_resume_it(
    swarm: Driver, held: ops.Held
) -> None:
    asked = swarm.do(ask(held))
    swarm.pause(held, PauseReason.PERSON)
    swarm.command(commands.RequestPause(task_id=held.task_id))
    swarm.do(answer(asked))
    assert swarm.state(held.task_id).pause_reason is PauseReason.PERSON


@pytest.mark.parametrize("asks_first", [True, False])
def test_given_a_run_that_a_person_wants_paused_when_it_asks_then_an_answer_does_not_resume_it(
    swarm: Driver, held: ops.Held, asks_first: bool
) -> None:
    moves = [lambda: swarm.do(ask(held)), lambda: swarm.command(commands.RequestPause(task_id=held.task_id))]
    for move in moves if asks_first else reversed(moves):
        move()
    swarm.pause(held, PauseReason.PERSON)
    (asked,) = swarm.engine.read(lambda queries: of_task(queries, held.task_id))
    swarm.do(answer(asked))
    state = swarm.state(held.task_id)
    assert (state.status, state.pause_reason) == (TaskStatus.PAUSED, PauseReason.PERSON)


def test_given_an_answer_when_its_question_would_have_run_out_or_its_task_ends_then_the_answer_stays(
    swarm: Driver, held: ops.Held
) -> None:
    settled = swarm.do(answer(swarm.do(ask(held, lasts=5))))
    swarm.advance(6)
    assert swarm.do(settle(settled)) == 0
    swarm.command(commands.Cancel(task_id=held.task_id))
    assert swarm.do(settle(settled)) == 0
    assert kept(swarm, settled) == settled


def test_given_a_task_that_asks_when_the_kill_switch_ends_it_then_neither_answer_nor_expiry_resumes_it(
    swarm: Driver, held: ops.Held
) -> None:
    answered, expires = swarm.do(ask(held)), swarm.do(ask(held, lasts=5))
    swarm.kill()
    swarm.do(answer(answered))
    swarm.advance(5)
    swarm.do(settle(expires))
    assert swarm.state(held.task_id).pause_reason is PauseReason.KILL


def test_given_the_same_question_when_it_is_asked_again_then_it_is_the_one_that_is_there_whatever_became_of_it(
    swarm: Driver, held: ops.Held
) -> None:
    asked = swarm.do(ask(held))
    assert swarm.do(ask(held, approval_id=asked.id)) == asked
    with pytest.raises(IdempotencyMismatch):
        swarm.do(ask(held, approval_id=asked.id, digest="other"))
    settled = swarm.do(answer(asked))
    assert swarm.do(ask(held, approval_id=asked.id)) == settled
    assert told(swarm) == ["approval.asked", "approval.answered"]


def test_given_a_task_that_was_resumed_without_an_answer_when_it_asks_again_then_it_pauses_again(
    swarm: Driver, held: ops.Held
) -> None:
    asked = swarm.do(ask(held))
    swarm.pause(held, PauseReason.PERSON)
    swarm.command(commands.Resume(task_id=held.task_id))
    again = swarm.take(swarm.register())
    assert swarm.do(ask(again, approval_id=asked.id)) == asked
    assert swarm.state(held.task_id).pause_wanted is PauseReason.APPROVAL


def test_given_an_attempt_that_is_over_when_it_asks_then_it_is_refused(swarm: Driver, held: ops.Held) -> None:
    with pytest.raises(StaleLease):
        swarm.do(ask(replace(held, fence=held.fence + 1)))
    swarm.pause(held, PauseReason.PERSON)
    with pytest.raises(IllegalTransition):
        swarm.do(ask(held))
    assert told(swarm) == []


def test_given_a_task_that_asks_too_much_when_it_asks_once_more_then_it_is_refused(
    swarm: Driver, held: ops.Held
) -> None:
    for _ in range(OPEN_PER_TASK):
        swarm.do(ask(held, pauses=False))
    with pytest.raises(Conflict, match="at most"):
        swarm.do(ask(held))
    assert swarm.state(held.task_id).pause_wanted is None


@pytest.mark.parametrize("answers", [{}, {"q1": "yes"}, {"q1": True, "q2": True}, {"q2": True}, {"q1": None}])
def test_given_answers_that_do_not_fit_when_they_are_given_then_they_are_refused_and_it_stays_open(
    swarm: Driver, held: ops.Held, answers: dict[str, Any]
) -> None:
    asked = swarm.do(ask(held))
    with pytest.raises(InvalidInput):
        swarm.do(replace(answer(asked), answers=answers))
    with pytest.raises(NotFound):
        swarm.do(replace(answer(asked), approval_id=new_id()))
    assert kept(swarm, asked).is_open


def test_given_approvals_of_every_status_when_they_are_looked_for_then_each_stands_in_one_list(
    swarm: Driver, held: ops.Held
) -> None:
    one, two, three = (swarm.do(ask(held, pauses=False, lasts=lasts)) for lasts in (30, 10, 20))
    swarm.do(answer(one))
    swarm.advance(10)
    swarm.do(settle(two, three))
    places = swarm.engine.read(lambda queries: queries.scan(APPROVAL_PLACES, limit=10))
    assert [(place.status, place.id) for place in places] == [
        (ApprovalStatus.ANSWERED, one.id),
        (ApprovalStatus.EXPIRED, two.id),
        (ApprovalStatus.OPEN, three.id),
    ]
    assert {asked.id for asked in swarm.engine.read(lambda queries: of_task(queries, held.task_id))} == {
        one.id,
        two.id,
        three.id,
    }
