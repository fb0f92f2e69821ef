"""The rules of a task's life, on every store (rules T1 to T12)."""

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.errors import (
    IdempotencyMismatch,
    IllegalTransition,
    ResultConflict,
    StaleLease,
    Superseded,
    UnknownReference,
    UnknownTask,
)
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole, Requirements
from agent_swarm.domain.tasks import AttemptOutcome, FailureClass, PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.records import AttemptReport, Edge, TaskSpec, TokenKind
from agent_swarm.testing.driver import LEASE, Driver


def test_given_a_pending_task_when_it_is_claimed_started_and_completed_then_it_has_its_result(swarm: Driver) -> None:
    ada, task = swarm.register(), swarm.file()
    held = swarm.take(ada)
    swarm.complete(held, "all green")
    record = swarm.task(task)
    assert record.state.status is TaskStatus.COMPLETED
    assert record.result == {"text": "all green", "data": None, "branch": "", "commit": ""}
    assert record.last_agent_id == ada
    assert (record.state.attempt, record.state.fence, record.state.agent_id) == (1, 1, None)


def test_given_no_ready_task_when_a_credit_is_offered_then_it_is_not_answered(swarm: Driver) -> None:
    assert swarm.claim(swarm.register()) is None


def test_given_several_ready_tasks_when_they_are_claimed_then_the_higher_priority_comes_first(swarm: Driver) -> None:
    ada = swarm.register()
    low, high, middle = swarm.file(priority=10), swarm.file(priority=90), swarm.file(priority=50)
    claimed = [swarm.claim(ada) for _ in range(3)]
    assert [one.task.spec.id for one in claimed if one] == [high, middle, low]


def test_given_a_task_that_waited_long_when_a_more_urgent_one_arrives_then_the_old_one_still_comes_first(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    old = swarm.file(priority=50)
    swarm.advance(seconds=11 * 300)  # eleven points of priority
    swarm.file(priority=60)
    claimed = swarm.claim(ada)
    assert claimed is not None and claimed.task.spec.id == old


def test_given_hard_requirements_when_an_agent_lacks_one_then_the_task_waits_for_one_that_has_them(
    swarm: Driver,
) -> None:
    poor = swarm.register(tags=("linux",), capabilities=("harness.shell",))
    rich = swarm.register(tags=("linux", "gpu"), capabilities=("harness.codex", "sandbox.vm"))
    needs = Requirements(tags=frozenset({"gpu"}), capabilities=frozenset({"harness.*"}))
    task = swarm.file(requires=needs)
    assert swarm.claim(poor) is None
    claimed = swarm.claim(rich)
    assert claimed is not None and claimed.task.spec.id == task


def test_given_a_task_for_one_agent_when_another_asks_then_it_gets_nothing(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    task = swarm.file(requires=Requirements(agent_id=ada))
    assert swarm.claim(bob) is None
    claimed = swarm.claim(ada)
    assert claimed is not None and claimed.task.spec.id == task


def test_given_a_lead_when_it_asks_for_work_then_it_gets_only_what_is_addressed_to_it(swarm: Driver) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD)
    swarm.file()
    assert swarm.claim(lead) is None
    plan = swarm.file(requires=Requirements(agent_id=lead))
    claimed = swarm.claim(lead)
    assert claimed is not None and claimed.task.spec.id == plan


def test_given_a_lost_answer_when_the_same_claim_comes_again_then_the_same_attempt_is_handed_out(
    swarm: Driver,
) -> None:
    ada, claim_id = swarm.register(), new_id()
    swarm.file()
    swarm.file()
    first, again = swarm.claim(ada, claim_id), swarm.claim(ada, claim_id)
    assert first is not None and again is not None
    assert (again.task.spec.id, again.task.state.fence) == (first.task.spec.id, first.task.state.fence)


def test_given_a_claim_that_has_ended_when_it_comes_again_then_it_is_stale(swarm: Driver) -> None:
    ada, claim_id = swarm.register(), new_id()
    swarm.file()
    claimed = swarm.claim(ada, claim_id)
    assert claimed is not None
    swarm.advance(seconds=31)
    swarm.timers()
    with pytest.raises(StaleLease, match="presented fencing token 1, current is 2"):
        swarm.claim(ada, claim_id)


def test_given_an_agent_that_took_the_task_anew_when_its_old_claim_comes_again_then_it_is_stale(swarm: Driver) -> None:
    ada, claim_id = swarm.register(), new_id()
    swarm.file()
    swarm.claim(ada, claim_id)
    swarm.advance(seconds=31)
    swarm.timers()
    swarm.take(ada)
    with pytest.raises(StaleLease, match="presented fencing token 1, current is 3"):
        swarm.claim(ada, claim_id)


def test_given_the_claim_of_one_agent_when_another_sends_it_then_it_is_stale(swarm: Driver) -> None:
    ada, bob, claim_id = swarm.register("ada"), swarm.register("bob"), new_id()
    swarm.file()
    swarm.claim(ada, claim_id)
    with pytest.raises(StaleLease):
        swarm.claim(bob, claim_id)


def test_given_two_credits_in_one_batch_when_one_task_is_ready_then_one_of_them_is_answered(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file()
    answers = swarm.run(swarm.claim_operation(ada), swarm.claim_operation(bob))
    assert [answer is None for answer in answers] == [False, True]


def test_given_a_lapsed_lease_when_its_old_holder_completes_then_the_result_is_refused(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file()
    old = swarm.take(ada)
    swarm.advance(seconds=31)
    swarm.timers()
    new = swarm.take(bob)
    with pytest.raises(StaleLease, match="presented fencing token 1, current is 3"):
        swarm.complete(old)
    swarm.complete(new)
    assert swarm.state(new.task_id).status is TaskStatus.COMPLETED


def test_given_a_lapsed_lease_when_it_is_reaped_then_the_fence_is_bumped_and_a_loss_is_counted(swarm: Driver) -> None:
    ada, task = swarm.register(), swarm.file()
    swarm.take(ada)
    swarm.advance(seconds=31)
    swarm.timers()
    state = swarm.state(task)
    assert (state.status, state.fence, state.losses, state.failures) == (TaskStatus.PENDING, 2, 1, 0)
    assert state.preferred_agent == ada


def test_given_a_renewed_lease_when_the_first_term_is_over_then_it_is_not_reaped(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.advance(seconds=20)
    (verdict,) = swarm.beat(ada, held)
    assert verdict.renewed
    swarm.advance(seconds=20)
    swarm.timers()
    assert swarm.state(held.task_id).status is TaskStatus.RUNNING


def test_given_a_server_that_just_started_when_leases_are_spared_then_a_late_renewal_saves_them(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.advance(seconds=300)
    swarm.timers(leases=False)
    (verdict,) = swarm.beat(ada, held)
    assert verdict.renewed
    swarm.timers()
    assert swarm.state(held.task_id).status is TaskStatus.RUNNING


def test_given_a_stale_lease_when_it_is_renewed_then_both_fences_are_told(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.advance(seconds=31)
    swarm.timers()
    (verdict,) = swarm.beat(ada, held)
    assert (verdict.renewed, verdict.fence, verdict.current_fence) == (False, 1, 2)


def test_given_an_agent_that_took_the_task_anew_when_it_renews_its_old_lease_then_that_is_refused(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    swarm.file()
    old = swarm.take(ada)
    swarm.advance(seconds=31)
    swarm.timers()
    new = swarm.take(ada)
    assert [verdict.renewed for verdict in swarm.beat(ada, old)] == [False]
    assert [verdict.renewed for verdict in swarm.beat(ada, new)] == [True]


def test_given_the_lease_of_one_agent_when_another_renews_it_then_that_is_refused(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file()
    held = swarm.take(ada)
    assert [verdict.renewed for verdict in swarm.beat(bob, held)] == [False]


def test_given_a_task_that_another_agent_took_when_its_old_holder_tells_progress_then_it_is_refused(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file()
    old = swarm.take(ada)
    swarm.advance(seconds=31)
    swarm.timers()
    swarm.take(bob)
    with pytest.raises(StaleLease, match="presented fencing token 1, current is 3"):
        swarm.do(ops.ReportProgress(task_id=old.task_id, fence=old.fence, text="here", actor=f"agent:{ada}"))


def test_given_an_agent_failure_when_tries_are_left_then_it_is_queued_again_after_a_pause(swarm: Driver) -> None:
    ada, task = swarm.register(), swarm.file()
    swarm.fail(swarm.take(ada), jitter=0.5)
    state = swarm.state(task)
    assert (state.status, state.failures, state.ready) == (TaskStatus.PENDING, 1, False)
    assert state.not_before == swarm.now + SECOND
    assert swarm.claim(ada) is None
    swarm.advance(seconds=1)
    swarm.timers()
    assert swarm.claim(ada) is not None


def test_given_agent_failures_when_maxattempts_is_used_up_then_the_task_fails_with_its_history(swarm: Driver) -> None:
    ada, task = swarm.register(), swarm.file(max_attempts=2)
    for _ in range(2):
        swarm.fail(swarm.take(ada))
    record = swarm.task(task)
    assert record.state.status is TaskStatus.FAILED
    assert record.failure == {"class": "agent", "code": "exitCode", "message": "it broke", "attempt": 2}
    outcomes = [attempt.outcome for attempt in swarm.engine.read(lambda q: q.attempts(task))]
    assert outcomes == [AttemptOutcome.FAILED, AttemptOutcome.FAILED]


def test_given_an_infrastructure_failure_when_it_is_told_then_no_agent_attempt_is_used_up(swarm: Driver) -> None:
    ada, task = swarm.register(), swarm.file(max_attempts=1)
    swarm.fail(swarm.take(ada), FailureClass.INFRASTRUCTURE)
    state = swarm.state(task)
    assert (state.status, state.failures, state.losses) == (TaskStatus.PENDING, 0, 1)


def test_given_a_limit_of_an_account_when_an_attempt_fails_for_it_then_the_task_waits_for_its_end(
    swarm: Driver,
) -> None:
    ada, task = swarm.register(), swarm.file()
    swarm.fail(swarm.take(ada), FailureClass.INFRASTRUCTURE, retry_after=3600 * SECOND)
    assert swarm.state(task).not_before == swarm.now + 3600 * SECOND
    swarm.advance(seconds=3599)
    swarm.timers()
    assert swarm.claim(ada) is None
    swarm.advance(seconds=1)
    swarm.timers()
    assert swarm.claim(ada) is not None


def test_given_a_provider_that_refuses_again_and_again_when_it_is_told_then_nothing_is_counted_and_the_pauses_grow(
    swarm: Driver,
) -> None:
    ada, task = swarm.register(), swarm.file(max_attempts=1)
    pauses = []
    for _ in range(9):  # more than the losses that a task may have
        swarm.fail(swarm.take(ada), FailureClass.INFRASTRUCTURE, jitter=0.999, is_limit=True)
        state = swarm.state(task)
        assert (state.status, state.failures, state.losses) == (TaskStatus.PENDING, 0, 0)
        pauses.append(((state.not_before or 0) - swarm.now) // SECOND)
        swarm.advance(seconds=600)
        swarm.timers()
    assert pauses == [14, 29, 59, 119, 239, 479, 599, 599, 599]
    swarm.complete(swarm.take(ada))
    assert swarm.state(task).status is TaskStatus.COMPLETED


def test_given_a_policy_failure_when_it_is_told_then_it_is_final(swarm: Driver) -> None:
    ada, task = swarm.register(), swarm.file()
    swarm.fail(swarm.take(ada), FailureClass.POLICY)
    assert swarm.state(task).status is TaskStatus.FAILED


def test_given_losses_when_maxlosses_is_used_up_then_the_task_fails(swarm: Driver) -> None:
    ada, task = swarm.register(), swarm.file(max_losses=2)
    for _ in range(2):
        swarm.take(ada)
        swarm.advance(seconds=31)
        swarm.timers()
    record = swarm.task(task)
    assert record.state.status is TaskStatus.FAILED
    assert record.failure is not None and record.failure["class"] == "infrastructure"


def test_given_a_result_when_the_same_comes_again_then_nothing_happens(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.complete(held, "one")
    before = swarm.engine.read(lambda q: q.head())
    assert swarm.complete(held, "one").repeated
    assert swarm.engine.read(lambda q: q.head()) == before


def test_given_a_result_when_another_comes_then_it_is_refused(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.complete(held, "one")
    with pytest.raises(ResultConflict):
        swarm.complete(held, "two")
    assert swarm.task(held.task_id).result == {"text": "one", "data": None, "branch": "", "commit": ""}


def test_given_a_failure_that_was_counted_when_it_comes_again_then_it_is_not_counted_twice(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.fail(held)
    assert swarm.fail(held).repeated
    assert swarm.state(held.task_id).failures == 1


def test_given_a_paused_attempt_when_progress_is_told_then_the_status_stays(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.pause(held, PauseReason.PERSON)
    with pytest.raises(IllegalTransition, match="it is paused"):
        swarm.do(ops.ReportProgress(task_id=held.task_id, fence=held.fence, text="half", actor="x"))
    assert swarm.state(held.task_id).status is TaskStatus.PAUSED


def test_given_a_running_attempt_when_progress_is_told_then_people_see_it(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.do(ops.ReportProgress(task_id=held.task_id, fence=held.fence, text="half", actor="x"))
    record = swarm.task(held.task_id)
    assert (record.progress, record.state.status) == ("half", TaskStatus.RUNNING)


def test_given_a_shutdown_pause_when_the_agent_registers_again_then_the_task_is_queued_for_it_alone(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file()
    held = swarm.take(ada)
    swarm.pause(held)
    assert swarm.state(held.task_id).status is TaskStatus.PAUSED
    swarm.register("ada", agent_id=ada)
    assert swarm.state(held.task_id).status is TaskStatus.PENDING
    assert swarm.claim(bob) is None
    claimed = swarm.claim(ada)
    assert claimed is not None and claimed.task.spec.id == held.task_id
    (attempt, _) = swarm.engine.read(lambda q: q.attempts(held.task_id))
    assert (attempt.outcome, attempt.report.session) == (AttemptOutcome.PAUSED, "s-1")


def test_given_a_shutdown_pause_when_the_agent_stays_away_then_anyone_may_go_on_after_the_pin(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file()
    held = swarm.take(ada)
    swarm.pause(held)
    swarm.advance(seconds=599)
    swarm.timers()
    assert swarm.claim(bob) is None
    swarm.advance(seconds=1)
    swarm.timers()
    claimed = swarm.claim(bob)
    assert claimed is not None and claimed.task.spec.id == held.task_id


def test_given_a_task_queued_for_its_agent_when_the_pin_runs_out_then_it_is_anyones(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file()
    swarm.pause(swarm.take(ada))
    swarm.register("ada", agent_id=ada)
    swarm.advance(seconds=600)
    result = swarm.batch(ops.RunTimers(jitter=0.0))
    assert sum(result.committed.ready.values()) == 1
    assert swarm.claim(bob) is not None


def test_given_a_pause_by_a_person_when_the_agent_registers_again_then_it_waits_for_resume(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.command(commands.RequestPause(task_id=held.task_id))
    (verdict,) = swarm.beat(ada, held)
    assert verdict.wants == "pause"
    swarm.pause(held, PauseReason.SHUTDOWN)  # what the person wanted wins over the shutdown
    swarm.register("ada", agent_id=ada)
    swarm.advance(seconds=3600)
    swarm.timers()
    assert swarm.claim(ada) is None
    swarm.command(commands.Resume(task_id=held.task_id))
    assert swarm.claim(ada) is not None


def test_given_a_wanted_pause_when_the_worker_is_lost_then_the_task_waits_paused(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.command(commands.RequestPause(task_id=held.task_id))
    swarm.advance(seconds=31)
    swarm.timers()
    state = swarm.state(held.task_id)
    assert (state.status, state.pause_reason, state.fence) == (TaskStatus.PAUSED, PauseReason.PERSON, 2)


def test_given_a_running_task_when_it_is_cancelled_then_the_fence_is_bumped_at_once(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.cancel(held.task_id)
    with pytest.raises(StaleLease):
        swarm.complete(held)
    (verdict,) = swarm.beat(ada, held)
    assert (verdict.renewed, verdict.wants) == (False, "cancel")


def test_given_a_terminal_task_when_it_is_cancelled_then_it_is_refused_with_what_is_allowed(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.complete(held)
    with pytest.raises(IllegalTransition, match="it is completed") as refusal:
        swarm.cancel(held.task_id)
    assert refusal.value.details["allowed"] == []


def test_given_a_new_process_of_an_agent_when_it_registers_then_the_leases_it_lacks_are_fenced(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    swarm.file()
    kept, lost = swarm.take(ada), swarm.take(ada)
    swarm.register("ada", agent_id=ada, held=(kept,))
    assert swarm.state(lost.task_id).status is TaskStatus.PENDING
    assert swarm.state(kept.task_id).status is TaskStatus.RUNNING
    swarm.complete(kept)
    with pytest.raises(StaleLease):
        swarm.complete(lost)


def test_given_the_same_process_when_it_registers_again_then_its_leases_stand(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.register("ada", agent_id=ada, instance=swarm.instances[ada])
    assert swarm.complete(held).state.status is TaskStatus.COMPLETED


def test_given_a_superseded_process_when_it_renews_or_claims_then_it_is_told_to_stop(swarm: Driver) -> None:
    ada = swarm.register()
    old = swarm.instances[ada]
    swarm.register("ada", agent_id=ada)
    with pytest.raises(Superseded):
        swarm.do(ops.Heartbeat(agent_id=ada, instance_id=old, lease=LEASE))
    swarm.instances[ada] = old
    with pytest.raises(Superseded):
        swarm.claim(ada)


def test_given_a_superseded_process_when_it_registers_again_then_it_is_told_to_stop(swarm: Driver) -> None:
    ada = swarm.register()
    old = swarm.instances[ada]
    swarm.register("ada", agent_id=ada)
    with pytest.raises(Superseded):
        swarm.register("ada", agent_id=ada, instance=old)


def test_given_a_backlog_task_when_it_is_promoted_then_it_can_be_claimed(swarm: Driver) -> None:
    ada, task = swarm.register(), swarm.file(backlog=True)
    assert swarm.claim(ada) is None
    swarm.command(commands.Promote(task_id=task))
    claimed = swarm.claim(ada)
    assert claimed is not None and claimed.task.spec.id == task


def test_given_a_pending_task_when_it_is_shelved_then_it_cannot_be_claimed(swarm: Driver) -> None:
    ada, task = swarm.register(), swarm.file()
    swarm.command(commands.Shelve(task_id=task))
    assert swarm.claim(ada) is None
    assert swarm.state(task).status is TaskStatus.BACKLOG


def test_given_a_start_time_when_it_is_reached_then_the_task_can_be_claimed(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file(not_before=swarm.now + 60 * SECOND)
    assert swarm.claim(ada) is None
    swarm.advance(seconds=60)
    swarm.timers()
    assert swarm.claim(ada) is not None


def test_given_another_priority_when_tasks_are_claimed_then_it_decides(swarm: Driver) -> None:
    ada = swarm.register()
    first, second = swarm.file(), swarm.file()
    swarm.do(ops.Reprioritize(task_id=second, priority=90, actor="x"))
    claimed = swarm.claim(ada)
    assert claimed is not None and claimed.task.spec.id == second
    assert swarm.task(second).spec.priority == 90
    assert swarm.state(first).status is TaskStatus.PENDING


def test_given_usage_when_it_is_told_twice_then_it_is_booked_once_also_for_a_stale_lease(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.cancel(held.task_id)
    spent = ops.BookUsage(task_id=held.task_id, attempt=1, seq=0, input_tokens=10, output_tokens=3, cost_micros=500)
    assert [swarm.do(spent), swarm.do(spent)] == [True, False]
    (attempt,) = swarm.engine.read(lambda q: q.attempts(held.task_id))
    assert (attempt.input_tokens, attempt.output_tokens, attempt.cost_micros) == (10, 3, 500)


def test_given_an_unknown_task_when_a_command_names_it_then_it_is_not_found(swarm: Driver) -> None:
    with pytest.raises(UnknownTask):
        swarm.cancel(new_id())


# --- dependencies -----------------------------------------------------------------------------------------------------


def test_given_a_dependency_when_it_completes_then_the_dependant_can_be_claimed_and_not_before(swarm: Driver) -> None:
    ada, first = swarm.register(), swarm.file()
    second = swarm.file(after=(first,), priority=100)
    held = swarm.take(ada)
    assert held.task_id == first
    assert swarm.claim(ada) is None
    swarm.complete(held)
    claimed = swarm.claim(ada)
    assert claimed is not None and claimed.task.spec.id == second


def test_given_two_dependencies_when_one_completes_then_the_dependant_still_waits(swarm: Driver) -> None:
    ada = swarm.register()
    last = swarm.file(after=(swarm.file(), swarm.file()))
    swarm.complete(swarm.take(ada))
    assert (swarm.state(last).status, swarm.state(last).unmet) == (TaskStatus.BLOCKED, 1)
    swarm.complete(swarm.take(ada))
    assert swarm.state(last).status is TaskStatus.PENDING


def test_given_two_dependencies_that_complete_in_one_batch_then_the_dependant_is_freed_once(swarm: Driver) -> None:
    ada = swarm.register()
    upstreams = (swarm.file(), swarm.file())
    last = swarm.file(after=upstreams)
    held = [swarm.take(ada), swarm.take(ada)]
    finish = [
        ops.TaskCommand(
            command=commands.Complete(task_id=one.task_id, fence=one.fence, digest="d"),
            actor="x",
            report=AttemptReport(text="ok"),
        )
        for one in held
    ]
    result = swarm.batch(*finish)
    assert [event.type for event in result.committed.events].count("task.unblocked") == 1
    assert (swarm.state(last).status, swarm.state(last).unmet) == (TaskStatus.PENDING, 0)


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        (OnFailure.FAIL, TaskStatus.FAILED),
        (OnFailure.SKIP, TaskStatus.CANCELLED),
        (OnFailure.WAIT, TaskStatus.BLOCKED),
    ],
)
def test_given_an_edge_policy_when_the_upstream_is_cancelled_then_it_decides_over_the_whole_chain(
    swarm: Driver, policy: OnFailure, status: TaskStatus
) -> None:
    first = swarm.file()
    second = swarm.file(after=(first,), on_failure=policy)
    third = swarm.file(after=(second,), on_failure=policy)
    swarm.cancel(first)
    assert [swarm.state(second).status, swarm.state(third).status] == [status, status]


@pytest.mark.parametrize("policy", list(OnFailure))
def test_given_an_upstream_that_failed_when_a_dependant_is_filed_then_its_policy_applies_at_once(
    swarm: Driver, policy: OnFailure
) -> None:
    first = swarm.file()
    swarm.cancel(first)
    status = swarm.state(swarm.file(after=(first,), on_failure=policy)).status
    expected = {
        OnFailure.FAIL: TaskStatus.FAILED,
        OnFailure.SKIP: TaskStatus.CANCELLED,
        OnFailure.WAIT: TaskStatus.BLOCKED,
    }
    assert status is expected[policy]


def test_given_an_upstream_that_completed_when_a_dependant_is_filed_then_it_is_ready(swarm: Driver) -> None:
    ada = swarm.register()
    held = swarm.take(ada) if swarm.file() else None
    assert held is not None
    swarm.complete(held)
    assert swarm.state(swarm.file(after=(held.task_id,))).ready


def test_given_a_retried_upstream_when_an_attempt_fails_then_dependants_do_not_notice(swarm: Driver) -> None:
    ada, first = swarm.register(), swarm.file()
    second = swarm.file(after=(first,))
    swarm.fail(swarm.take(ada))
    assert swarm.state(second).status is TaskStatus.BLOCKED


def test_given_a_backlog_dependant_when_its_upstream_fails_then_it_does_not_become_a_ghost(swarm: Driver) -> None:
    first = swarm.file()
    second = swarm.file(after=(first,), backlog=True)
    swarm.cancel(first)
    assert swarm.state(second).status is TaskStatus.FAILED


def test_given_an_unknown_dependency_when_a_graph_is_filed_then_nothing_is_created(swarm: Driver) -> None:
    good = ops.NewTask(spec=TaskSpec(id=new_id(), title="a", prompt="p"))
    with pytest.raises(UnknownReference, match="dependsOn"):
        swarm.file(after=(new_id(),))
    assert swarm.engine.read(lambda q: q.task(good.spec.id)) is None
    assert swarm.engine.read(lambda q: q.counts()) == {}


def test_given_a_gate_with_many_dependants_when_it_is_cancelled_then_all_of_them_end(swarm: Driver) -> None:
    gate = swarm.file()
    tasks = tuple(
        ops.NewTask(
            spec=TaskSpec(id=new_id(), title="t", prompt="p"),
            edges=(Edge(upstream_id=gate),),
        )
        for _ in range(600)
    )
    swarm.do(ops.CreateTasks(tasks=tasks, actor="x"))
    swarm.cancel(gate)
    assert swarm.engine.read(lambda q: q.counts()) == {TaskStatus.CANCELLED: 1, TaskStatus.FAILED: 600}


# --- idempotency, events ----------------------------------------------------------------------------------------------


def _create(key: str, body: str = "b") -> ops.CreateTasks:
    task = ops.NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p"))
    asked = ops.Idempotency(subject="operator", route="POST /api/tasks", key=key, body_hash=body)
    return ops.CreateTasks(tasks=(task,), actor="operator", idempotency=asked)


def test_given_an_idempotency_key_when_the_request_comes_twice_then_it_acts_once(swarm: Driver) -> None:
    first, again = swarm.do(_create("k")), swarm.do(_create("k"))
    assert again == ops.Created(task_ids=first.task_ids, replayed=True)
    assert swarm.engine.read(lambda q: q.counts()) == {TaskStatus.PENDING: 1}


def test_given_tasks_that_were_created_when_they_are_read_then_they_are_as_the_answer_said(swarm: Driver) -> None:
    gate = swarm.file()
    swarm.cancel(gate)
    specs = [TaskSpec(id=new_id(), title="t", prompt="p", labels=("ui",)) for _ in range(3)]
    tasks = (
        ops.NewTask(spec=specs[0]),
        ops.NewTask(spec=specs[1], edges=(Edge(upstream_id=specs[0].id),), not_before=swarm.now + SECOND),
        ops.NewTask(spec=specs[2], edges=(Edge(upstream_id=gate),)),
    )
    created = swarm.do(ops.CreateTasks(tasks=tasks, actor="x"))
    assert list(created.records) == swarm.engine.read(lambda q: q.tasks(created.task_ids))


def test_given_an_idempotency_key_when_another_body_comes_then_it_is_refused(swarm: Driver) -> None:
    swarm.do(_create("k"))
    with pytest.raises(IdempotencyMismatch):
        swarm.do(_create("k", body="other"))


def test_given_an_idempotency_key_when_a_day_has_passed_then_it_is_free_again(swarm: Driver) -> None:
    swarm.do(_create("k"))
    swarm.advance(seconds=24 * 3600)
    assert not swarm.do(_create("k", body="other")).replayed


def test_given_a_day_when_it_is_pruned_then_used_keys_and_tokens_of_ended_attempts_go_and_nothing_else(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    swarm.do(_create("k"))
    swarm.file()
    swarm.complete(swarm.take(ada))
    running = swarm.take(ada)
    assert swarm.do(ops.Prune()) == 0
    for _ in range(3):
        swarm.advance(seconds=8 * 3600 + 1)
        swarm.beat(ada, running)
    assert swarm.do(ops.Prune()) == 2
    tokens = swarm.engine.read(lambda q: q.tokens())
    assert [token.task_id for token in tokens if token.kind is TokenKind.ATTEMPT] == [running.task_id]
    assert not swarm.do(_create("k", body="other")).replayed


def test_given_any_history_when_events_are_read_then_they_are_gapless_and_chained(swarm: Driver) -> None:
    from agent_swarm.store.events import GENESIS, Draft, event_hash

    ada = swarm.register()
    swarm.file()
    swarm.complete(swarm.take(ada))
    told = swarm.engine.read(lambda q: q.events_after(0, limit=100))
    head = GENESIS
    for number, event in enumerate(told, 1):
        draft = Draft(
            type=event.type,
            actor=event.actor,
            subject_kind=event.subject_kind,
            subject_id=event.subject_id,
            task_id=event.task_id,
            attempt=event.attempt,
            data=event.data,
        )
        head = event_hash(head, seq=number, at=event.at, draft=draft)
        assert (event.seq, event.hash) == (number, head)
    assert swarm.engine.read(lambda q: q.head()) == (len(told), head)
    assert [event.type for event in told][-3:] == ["task.claimed", "task.started", "task.completed"]


def test_given_a_refused_operation_when_others_are_in_its_batch_then_they_are_carried_out(swarm: Driver) -> None:
    task = swarm.file()
    answers = swarm.run(
        ops.TaskCommand(command=commands.Cancel(task_id=new_id()), actor="x"),
        ops.TaskCommand(command=commands.Cancel(task_id=task), actor="x"),
    )
    assert isinstance(answers[0], UnknownTask)
    assert swarm.state(task).status is TaskStatus.CANCELLED
