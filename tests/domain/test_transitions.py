"""The table of transitions, and that every rule keeps to it."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.domain import commands, offers, transitions
from agent_swarm.domain.changes import Change, Repeat
from agent_swarm.domain.errors import IllegalTransition, StaleLease, SwarmError
from agent_swarm.domain.tasks import (
    HELD,
    TERMINAL,
    TRANSITIONS,
    AttemptOutcome,
    FailureClass,
    PauseReason,
    TaskState,
    TaskStatus,
    Verb,
    after,
    sources_of,
    verbs_of,
)
from agent_swarm.domain.transitions import decide

NOW = 1_000_000_000
CLAIMABLE = TaskState(id="t", status=TaskStatus.PENDING, ready=True)

fences = st.integers(1, 4)


@st.composite
def states(draw: st.DrawFn, among: Collection[TaskStatus] = tuple(TaskStatus)) -> TaskState:
    """Any state that can come about, with a status `among` those: the fields agree with the status."""
    status = draw(st.sampled_from(sorted(among)))
    held = status in HELD
    reason = draw(st.sampled_from(PauseReason)) if status is TaskStatus.PAUSED else None
    is_offered = status is TaskStatus.OFFERED
    pinned = is_offered or reason is PauseReason.SHUTDOWN or (status is TaskStatus.PENDING and draw(st.booleans()))
    not_before = draw(st.none() | st.integers(NOW - 10, NOW + 10))
    ready = status is TaskStatus.PENDING and (not_before is None or not_before <= NOW)
    return TaskState(
        id="t",
        status=status,
        fence=draw(fences),
        attempt=draw(st.integers(1, 4)),
        failures=draw(st.integers(0, 2)),
        losses=draw(st.integers(0, 2)),
        max_attempts=draw(st.integers(1, 3)),
        max_losses=draw(st.integers(1, 3)),
        unmet=draw(st.integers(1, 3))
        if status is TaskStatus.BLOCKED
        else draw(st.integers(0, 1))
        if status is TaskStatus.BACKLOG
        else 0,
        ready=ready,
        not_before=not_before,
        agent_id="ada" if held else None,
        instance_id="i" if held else None,
        lease_expires_at=draw(st.integers(NOW - 10, NOW + 10)) if held else None,
        pinned_agent="ada" if pinned else None,
        pinned_until=draw(st.integers(NOW - 10, NOW + 10)) if pinned else None,
        pause_reason=reason,
        pause_wanted=draw(st.none() | st.just(PauseReason.PERSON)) if held else None,
        ended_fence=draw(st.integers(0, 4)),
        ended_as=draw(st.none() | st.sampled_from(AttemptOutcome)),
        ended_digest=draw(st.sampled_from(["", "d"])),
        timeout=draw(st.none() | st.integers(1, 10**9)),
        time_used=draw(st.integers(0, 10**9)),
        overdue_at=draw(st.none() | st.integers(NOW - 10, NOW + 10)) if status is TaskStatus.RUNNING else None,
    )


any_command = st.one_of(
    st.builds(commands.Start, task_id=st.just("t"), fence=fences),
    st.builds(commands.Complete, task_id=st.just("t"), fence=fences, digest=st.sampled_from(["d", "e"])),
    st.builds(
        commands.Fail,
        task_id=st.just("t"),
        fence=fences,
        failure=st.sampled_from(FailureClass),
        digest=st.just("d"),
        jitter=st.floats(0, 0.99),
        retry_after=st.integers(0, 10**12),
    ),
    st.builds(commands.Pause, task_id=st.just("t"), fence=fences, reason=st.sampled_from(PauseReason)),
    st.builds(commands.Release, task_id=st.just("t"), fence=fences),
    st.builds(commands.Fence, task_id=st.just("t")),
    st.builds(commands.Tick, task_id=st.just("t")),
    st.builds(commands.Cancel, task_id=st.just("t")),
    st.builds(commands.RequestPause, task_id=st.just("t")),
    st.builds(commands.Resume, task_id=st.just("t"), agent_id=st.sampled_from([None, "ada", "bob"])),
    st.builds(commands.Shelve, task_id=st.just("t")),
    st.builds(commands.Promote, task_id=st.just("t")),
    st.builds(offers.Offer, task_id=st.just("t"), agent_id=st.sampled_from(["ada", "bob"]), ttl=st.integers(1, 100)),
    st.builds(offers.Accept, task_id=st.just("t"), agent_id=st.sampled_from(["ada", "bob"])),
    st.builds(offers.Reject, task_id=st.just("t"), agent_id=st.sampled_from(["ada", "bob"])),
)


def attempted(state: TaskState, command: Any) -> Change | Repeat | None:
    try:
        return decide(state, command, now=NOW)
    except SwarmError:
        return None


@given(states(), any_command)
def test_given_any_state_and_command_when_the_status_changes_then_the_table_allows_it(
    state: TaskState, command: Any
) -> None:
    decision = attempted(state, command)
    if isinstance(decision, Change):
        if decision.verb is None:
            assert decision.state.status is state.status
        else:
            assert TRANSITIONS[state.status, decision.verb] is decision.state.status


@given(states(), any_command)
def test_given_any_state_and_command_then_the_fence_only_grows_and_terminal_states_never_change(
    state: TaskState, command: Any
) -> None:
    decision = attempted(state, command)
    if isinstance(decision, Change):
        assert decision.state.fence >= state.fence
        assert state.status not in TERMINAL


@given(states(), any_command)
def test_given_a_fenced_command_when_its_fence_is_not_the_current_one_then_it_changes_nothing(
    state: TaskState, command: Any
) -> None:
    if getattr(command, "fence", None) not in (None, state.fence):
        assert not isinstance(attempted(state, command), Change)


@given(states(), any_command)
def test_given_any_change_then_a_lease_exists_exactly_while_it_is_held(state: TaskState, command: Any) -> None:
    decision = attempted(state, command)
    if isinstance(decision, Change):
        after_it = decision.state
        assert after_it.is_held == (after_it.lease_expires_at is not None) == (after_it.agent_id is not None)
        assert not (after_it.ready and after_it.status is not TaskStatus.PENDING)


@given(states(), any_command)
def test_given_a_command_that_was_carried_out_when_it_comes_again_then_it_repeats_or_is_refused(
    state: TaskState, command: Any
) -> None:
    decision = attempted(state, command)
    if isinstance(decision, Change) and hasattr(command, "fence"):
        again = attempted(decision.state, command)
        assert not isinstance(again, Change)


@given(states())
def test_given_any_open_task_when_its_timer_is_due_then_the_tick_moves_it_on(state: TaskState) -> None:
    due = state.timer_at is not None and state.timer_at <= NOW
    decision = transitions.tick(state, now=NOW)
    assert isinstance(decision, Change) == due
    if isinstance(decision, Change) and decision.state.timer_at is not None:
        assert decision.state.timer_at > NOW


def test_given_a_lease_when_its_end_comes_then_it_lapses_at_that_instant_and_not_before() -> None:
    held = transitions.claim(CLAIMABLE, agent_id="ada", instance_id="i", lease=30, now=NOW).state
    assert isinstance(transitions.tick(held, now=NOW + 29), Repeat)
    assert isinstance(transitions.tick(held, now=NOW + 30), Change)


def test_given_an_ending_like_that_of_a_later_attempt_when_it_comes_under_an_old_fence_then_it_is_stale() -> None:
    later = replace(CLAIMABLE, fence=4, ended_fence=4, ended_as=AttemptOutcome.RELEASED)
    with pytest.raises(StaleLease, match="presented fencing token 2, current is 4"):
        transitions.decide(later, commands.Release(task_id=later.id, fence=2), now=NOW)


@pytest.mark.parametrize("status", [TaskStatus.BACKLOG, TaskStatus.BLOCKED])
def test_given_a_task_that_was_put_aside_when_its_last_worker_tells_another_failure_then_it_is_refused(
    status: TaskStatus,
) -> None:
    aside = replace(CLAIMABLE, status=status, ready=False, fence=1, attempt=1, unmet=1)
    told = commands.Fail(task_id=aside.id, fence=1, failure=FailureClass.AGENT, digest="another")
    with pytest.raises(IllegalTransition):
        transitions.decide(aside, told, now=NOW)


def test_given_what_a_shutdown_paused_when_another_agent_registers_then_it_stays_paused() -> None:
    paused = replace(
        CLAIMABLE,
        status=TaskStatus.PAUSED,
        ready=False,
        pause_reason=PauseReason.SHUTDOWN,
        pinned_agent="ada",
        pinned_until=NOW + 600,
    )
    assert isinstance(transitions.decide(paused, commands.Resume(task_id=paused.id, agent_id="bob"), now=NOW), Repeat)
    assert isinstance(transitions.decide(paused, commands.Resume(task_id=paused.id, agent_id="ada"), now=NOW), Change)


@given(states(set(TaskStatus)))
def test_given_a_task_that_no_budget_has_paused_when_more_is_denied_then_it_stays(state: TaskState) -> None:
    decision = transitions.decide(state, commands.Unfund(task_id=state.id), now=NOW)
    if (state.status, state.pause_reason) != (TaskStatus.PAUSED, PauseReason.BUDGET):
        assert decision == Repeat(state)
    else:
        assert isinstance(decision, Change)
        assert (decision.state.status, decision.detail) == (TaskStatus.FAILED, {"reason": "budget"})


@given(states(set(TaskStatus) - sources_of(Verb.CLAIM)))
def test_given_a_task_that_cannot_be_claimed_when_it_is_then_that_is_refused(state: TaskState) -> None:
    with pytest.raises(IllegalTransition):
        transitions.claim(state, agent_id="ada", instance_id="i", lease=30, now=NOW)


@given(states(sources_of(Verb.CLAIM)))
def test_given_a_claimable_task_when_it_is_claimed_then_attempt_and_fence_grow_by_one(state: TaskState) -> None:
    held = transitions.claim(state, agent_id="ada", instance_id="i", lease=30, now=NOW).state
    assert (held.attempt, held.fence) == (state.attempt + 1, state.fence + 1)
    assert held.lease_expires_at == NOW + 30
    assert held.pinned_agent is None


def test_given_the_table_then_no_verb_leads_out_of_a_terminal_status() -> None:
    for status in TERMINAL:
        assert verbs_of(status) == ()


def test_given_the_table_then_every_open_status_can_be_cancelled_and_reached() -> None:
    assert sources_of(Verb.CANCEL) == set(TaskStatus) - TERMINAL
    created = {TaskStatus.BACKLOG, TaskStatus.BLOCKED, TaskStatus.PENDING}
    assert created | set(TRANSITIONS.values()) == set(TaskStatus)


def test_given_an_illegal_verb_when_it_is_tried_then_the_error_names_what_is_allowed() -> None:
    with pytest.raises(IllegalTransition, match="cannot start task 'x': it is pending") as refusal:
        after("x", TaskStatus.PENDING, Verb.START)
    assert refusal.value.hint == "a pending task can be told to: backlog, offer, cancel"
    assert "claim" in refusal.value.details["allowed"]


@pytest.mark.parametrize(
    ("failure", "failures", "losses", "status"),
    [
        (FailureClass.AGENT, 1, 0, TaskStatus.PENDING),
        (FailureClass.INFRASTRUCTURE, 0, 1, TaskStatus.PENDING),
        (FailureClass.POLICY, 0, 0, TaskStatus.FAILED),
    ],
)
def test_given_a_failure_class_when_an_attempt_fails_then_it_counts_what_the_class_says(
    failure: FailureClass, failures: int, losses: int, status: TaskStatus
) -> None:
    running = TaskState(id="t", status=TaskStatus.RUNNING, fence=1, attempt=1, agent_id="ada", lease_expires_at=NOW + 5)
    decision = decide(running, commands.Fail(task_id="t", fence=1, failure=failure, digest="d"), now=NOW)
    assert isinstance(decision, Change)
    assert (decision.state.failures, decision.state.losses, decision.state.status) == (failures, losses, status)
