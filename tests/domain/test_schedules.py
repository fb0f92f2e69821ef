"""What a rule names, what is due, and what becomes of it: against rules of their own, told by walking forward."""

from datetime import UTC, datetime

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from agent_swarm.domain import schedules
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.schedules import (
    GRACE,
    MISSED_MAX,
    Missed,
    Overlap,
    Rule,
    RunOutcome,
    cron_rule,
    following,
    interval_rule,
    last_before,
    next_after,
    once_rule,
    overlap,
    plan_of,
    upcoming,
)
from agent_swarm.domain.time import SECOND

START = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()) * SECOND
HOUR = 3600 * SECOND
WALKED = 5_000  # instants at most

RULES = st.one_of(
    st.sampled_from(["0 * * * *", "*/5 * * * *", "30 2 * * *", "0 9 * * 1-5"]).map(
        lambda expression: cron_rule(expression, "Europe/Paris")
    ),
    st.integers(10, 90_000).map(lambda seconds: interval_rule(seconds, START)),
    st.integers(1, 10**12).map(lambda later: once_rule(START + later)),
)


def walked(rule: Rule, after: int, last: int, until: int | None) -> list[int]:
    """The instants in (after, last], first one first."""
    found: list[int] = []
    at = following(rule, after, until)
    while at is not None and at <= last and len(found) < WALKED:
        found.append(at)
        at = following(rule, at, until)
    return found


@settings(deadline=None)
@example(rule=interval_rule(60, START), policy=Missed.ALL, late=180 * MISSED_MAX * SECOND, lasts=None)
@given(
    rule=RULES,
    policy=st.sampled_from(Missed),
    late=st.one_of(st.integers(0, 90 * SECOND), st.integers(0, 200 * HOUR)),
    lasts=st.one_of(st.none(), st.integers(0, 100 * HOUR)),
)
def test_given_any_time_away_when_it_is_over_then_each_instant_is_run_or_missed_as_the_policy_says(
    rule: Rule, policy: Missed, late: int, lasts: int | None
) -> None:
    until = None if lasts is None else START + lasts
    first = following(rule, START, until)
    if first is None:
        return
    now = first + late
    run: list[int] = []
    missed = 0
    at: int | None = first
    while at is not None and at <= now:
        plan = plan_of(rule, policy, next_at=at, until=until, now=now)
        run += [] if plan.runs is None else [plan.runs]
        missed += plan.missed
        assert plan.next_at is None or plan.next_at > at
        at = plan.next_at
    due = walked(rule, first - 1, now, until)
    assume(len(due) < WALKED)
    on_time = now - due[-1] <= GRACE
    expected = {
        Missed.SKIP: due[-1:] if on_time else [],
        Missed.LATEST: due[-1:],
        Missed.ALL: due[-MISSED_MAX:],
    }[policy]
    assert run == expected
    assert at == following(rule, now, until)
    assert missed == min(len(due), MISSED_MAX + 1) - len(expected)


@given(seconds=st.integers(10, 10**6), late=st.integers(0, 10**13), offset=st.integers(-(10**12), 10**12))
def test_given_an_interval_when_runs_are_late_then_its_instants_stay_where_the_anchor_puts_them(
    seconds: int, late: int, offset: int
) -> None:
    rule = interval_rule(seconds, START)
    at = next_after(rule, START + offset + late)
    assert at is not None
    assert at > START + offset + late
    assert (at - START) % (seconds * SECOND) == 0
    assert at == START or at - seconds * SECOND <= START + offset + late
    before = last_before(rule, at)
    assert before == (at - seconds * SECOND if at > START else None)


def test_given_one_instant_when_it_has_passed_then_none_is_left() -> None:
    rule = once_rule(START)
    assert next_after(rule, START - 1) == START
    assert next_after(rule, START) is None
    assert last_before(rule, START) is None
    assert upcoming(rule, 0, None, count=5) == [START]
    assert upcoming(rule, 0, START - 1, count=5) == []


@pytest.mark.parametrize(
    ("policy", "is_open", "one_waits", "outcome"),
    [
        (Overlap.SKIP, False, False, RunOutcome.STARTED),
        (Overlap.SKIP, True, False, RunOutcome.SKIPPED),
        (Overlap.QUEUE, False, False, RunOutcome.STARTED),
        (Overlap.QUEUE, True, False, RunOutcome.QUEUED),
        (Overlap.QUEUE, True, True, RunOutcome.SKIPPED),
        (Overlap.ALLOW, True, False, RunOutcome.STARTED),
    ],
)
def test_given_a_run_that_goes_on_when_the_next_is_due_then_the_policy_says_what_becomes_of_it(
    policy: Overlap, is_open: bool, one_waits: bool, outcome: RunOutcome
) -> None:
    assert overlap(policy, is_open=is_open, one_waits=one_waits) is outcome


def test_given_rules_that_cannot_be_then_they_are_refused_by_field() -> None:
    for zone in ("Mars/Base", "", "../etc/passwd", "Europe", "x\0"):
        with pytest.raises(InvalidInput, match="time zone"):
            cron_rule("@daily", zone)
    for seconds in (0, 9.9, -5, 10**9, float("nan")):
        with pytest.raises(InvalidInput, match="everySeconds"):
            interval_rule(seconds, START)


@pytest.mark.parametrize("rule", [cron_rule("0 9 * * *", "Asia/Tokyo"), interval_rule(90, START), once_rule(START)])
def test_given_a_rule_when_it_is_stored_and_read_then_it_is_the_same(rule: Rule) -> None:
    assert Rule.from_stored(rule.stored()) == rule
    assert rule.words


def test_given_what_is_in_the_way_then_each_is_told_with_what_would_clear_it() -> None:
    facts = schedules.ScheduleFacts(
        status=schedules.ScheduleStatus.PAUSED,
        pause_reason="failures",
        now=START,
        is_killed=True,
        failures=5,
        max_failures=5,
        last_failure="project 'shop' does not exist",
        open_tasks=("a", "b"),
    )
    summary, obstacles = schedules.explain(facts)
    assert summary == "it is paused"
    assert [one.code for one in obstacles] == ["killed", "paused", "failing", "overlap"]
    assert all(one.unblock for one in obstacles)
