"""Budgets as rules: what admits, reserves, settles and renews, against an oracle that keeps a list of everything."""

from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.domain import budgets as sut
from agent_swarm.domain.budgets import Amount, Budget, BudgetAction, BudgetPeriod, BudgetScope, BudgetStand
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.time import SECOND, from_wire, to_wire

HOUR = 3_600 * SECOND
NOW = from_wire("2026-11-27T12:00:00.000Z")


def budget(**fields: object) -> Budget:
    given = {"cap_micros": 100, **fields}
    made = Budget(id="b", name="b", scope=BudgetScope.ALL, **given)  # type: ignore[arg-type]
    return sut.begun(made, NOW)


@dataclass
class Oracle:
    """Every attempt with what it holds, every usage with its instant."""

    cap: int
    held: dict[int, int] = field(default_factory=dict)
    used: list[tuple[int, int]] = field(default_factory=list)  # day, amount

    def spent(self, day: int) -> int:
        return sum(amount for at, amount in self.used if at == day)


AMOUNTS = st.integers(0, 300)
_MOVES = st.lists(
    st.tuples(st.sampled_from(["begin", "use", "end", "next day"]), st.integers(0, 5), st.integers(1, 60)), max_size=60
)


@given(_MOVES, st.integers(1, 100))
def test_given_any_history_when_attempts_reserve_use_and_end_then_the_budget_is_what_a_list_of_them_says(
    moves: list[tuple[str, int, int]], cap: int
) -> None:
    now, oracle = int(NOW), Oracle(cap)
    kept = sut.begun(replace(budget(cap_micros=cap), period=BudgetPeriod.DAY), now)
    counts: Counter[str] = Counter()
    for move, attempt, amount in moves:
        kept = sut.rolled(kept, now)
        day = now // (24 * HOUR)
        if move == "next day":
            now += 24 * HOUR
        elif move == "begin" and attempt not in oracle.held:
            part = replace_tokens(kept.expects(Amount(amount, 1)))
            admitted = kept.admits(part)
            assert admitted == (oracle.spent(day) + sum(oracle.held.values()) + part.micros <= cap)
            if admitted:
                kept = sut.reserve(kept, part)
                oracle.held[attempt] = part.micros
                assert kept.spent_micros + kept.reserved_micros <= cap, "admission never passes the cap"
        elif move == "use":
            held = Amount(oracle.held.get(attempt, 0))
            kept, rest = sut.spend(kept, Amount(amount), held, now)
            oracle.used.append((day, amount))
            if attempt in oracle.held:
                oracle.held[attempt] = max(0, held.micros - amount)
                assert rest.micros == oracle.held[attempt]
        elif move == "end" and attempt in oracle.held:
            kept = sut.release(kept, Amount(oracle.held.pop(attempt)))
        counts[move] += 1
        shown = sut.rolled(kept, now)
        assert shown.spent_micros == oracle.spent(now // (24 * HOUR))
        assert shown.reserved_micros == sum(oracle.held.values())
        assert shown.is_reached == (shown.spent_micros >= cap)


def replace_tokens(part: Amount) -> Amount:
    """Tokens are not capped here."""
    return Amount(part.micros, 0)


def test_given_an_estimate_beyond_the_cap_when_an_attempt_begins_then_the_whole_cap_is_reserved() -> None:
    kept = budget(cap_micros=100)
    part = kept.expects(Amount(1_000, 5))
    assert part == Amount(100, 5)
    assert kept.admits(part)
    assert not sut.reserve(kept, Amount(1, 0)).admits(part)


def test_given_a_cap_that_is_used_up_when_nothing_is_expected_then_nothing_is_admitted() -> None:
    kept, _ = sut.spend(budget(cap_micros=100), Amount(100), sut.NOTHING, NOW)
    assert not kept.admits(kept.expects(sut.NOTHING))


def test_given_two_caps_when_one_of_them_is_used_up_then_the_budget_is_reached() -> None:
    kept, _ = sut.spend(budget(cap_micros=100, cap_tokens=5), Amount(1, 5), sut.NOTHING, NOW)
    assert (kept.is_reached, kept.reached_at, kept.left) == (True, NOW, (99, 0))


@pytest.mark.parametrize(
    ("changes", "stops"),
    [
        ({}, True),
        ({"enabled": False}, False),
        ({"action": BudgetAction.REFUSE}, False),
        ({"stand": BudgetStand.WAIVED}, False),
        ({"stand": BudgetStand.DENIED}, True),
        ({"extra_micros": 50}, False),
    ],
)
def test_given_a_budget_that_is_used_up_when_people_say_something_then_it_stops_or_not(
    changes: dict[str, object], stops: bool
) -> None:
    used, _ = sut.spend(budget(cap_micros=100), Amount(120), sut.NOTHING, NOW)
    assert replace(used, **changes).stops is stops  # type: ignore[arg-type]


def test_given_several_that_found_no_room_when_one_asks_what_is_needed_then_it_is_the_least() -> None:
    kept = sut.refuse(sut.refuse(budget(), Amount(40, 7), NOW), Amount(30, 9), NOW + 1)
    assert (kept.refused, kept.shut_at, kept.wanted) == (2, NOW, Amount(30, 7))
    assert sut.reopen(kept).shut_at is None


@pytest.mark.parametrize(
    ("zone", "now", "since", "until"),
    [
        ("UTC", "2026-11-27T12:00:00.000Z", "2026-11-27T00:00:00.000Z", "2026-11-28T00:00:00.000Z"),
        ("Europe/Paris", "2026-11-27T23:30:00.000Z", "2026-11-27T23:00:00.000Z", "2026-11-28T23:00:00.000Z"),
        ("Europe/Paris", "2026-10-25T12:00:00.000Z", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"),
        ("Europe/Paris", "2026-03-29T12:00:00.000Z", "2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"),
        ("America/Santiago", "2026-09-06T12:00:00.000Z", "2026-09-06T04:00:00.000Z", "2026-09-07T03:00:00.000Z"),
    ],
)
def test_given_a_zone_when_an_instant_is_asked_about_then_its_day_begins_and_ends_at_midnight_there(
    zone: str, now: str, since: str, until: str
) -> None:
    assert [to_wire(at) for at in sut.day_of(from_wire(now), zone)] == [since, until]


def test_given_a_new_day_when_the_budget_is_looked_at_then_only_what_is_held_is_left_of_the_last_one() -> None:
    kept = sut.begun(replace(budget(cap_micros=100), period=BudgetPeriod.DAY), NOW)
    kept, _ = sut.spend(sut.reserve(kept, Amount(30)), Amount(100), sut.NOTHING, NOW)
    kept = replace(kept, stand=BudgetStand.DENIED, extra_micros=5)
    later = sut.rolled(kept, NOW + 12 * HOUR)
    assert (later.spent_micros, later.reserved_micros, later.extra_micros) == (0, 30, 0)
    assert (later.stand, later.reached_at, later.refused) == (BudgetStand.KEPT, None, kept.refused)
    assert sut.rolled(later, NOW + 12 * HOUR) == later


@pytest.mark.parametrize(
    "changes",
    [
        {"cap_micros": None},
        {"cap_micros": 0},
        {"cap_tokens": -1},
        {"cap_attempts": 0},
        {"cap_at_once": 0},
        {"cap_at_once": 10**7},
        {"estimate_micros": 0},
        {"scope_id": "x"},
        {"scope": BudgetScope.AGENT},
        {"time_zone": "Mars/Olympus"},
    ],
)
def test_given_a_budget_that_cannot_be_when_it_is_judged_then_it_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        sut.require_sound(replace(budget(), **changes))  # type: ignore[arg-type]


def test_given_caps_when_people_read_them_then_they_are_plain() -> None:
    assert sut.words_of(budget(cap_micros=1_500_000, cap_tokens=2_000)) == "$1.50 and 2,000 tokens"
    assert sut.words_of(budget(cap_micros=12, period=BudgetPeriod.DAY)) == "$0.000012 a day"


def test_given_somebody_who_found_no_room_when_the_cap_is_lowered_then_no_more_than_that_is_needed() -> None:
    shut = sut.refuse(budget(cap_micros=100), Amount(80, 1), NOW)
    assert shut.needed == Amount(80, 1)
    assert replace(shut, cap_micros=30).needed == Amount(30, 1)
    assert replace(shut, estimate_micros=10).needed == Amount(10, 1)


# --- attempts --------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from(["begin", "end", "next day", "raise"]), st.integers(0, 5)), max_size=60),
    st.one_of(st.none(), st.integers(1, 6)),
    st.one_of(st.none(), st.integers(1, 4)),
)
def test_given_any_history_when_attempts_begin_and_end_then_as_many_are_admitted_as_a_list_of_them_allows(
    moves: list[tuple[str, int]], in_all: int | None, at_once: int | None
) -> None:
    now, started, under_way, most = int(NOW), 0, set[int](), in_all
    kept = budget(cap_attempts=in_all, cap_at_once=at_once, cap_micros=10**9, period=BudgetPeriod.DAY)
    part = Amount(1, 1)
    for move, attempt in moves:
        kept = sut.rolled(kept, now)
        if move == "next day":
            now, started, most = now + 24 * HOUR, 0, in_all
        elif move == "raise":
            kept = sut.raised(kept)
            most = None if most is None or in_all is None else most + in_all
        elif move == "end" and attempt in under_way:
            kept = sut.release(kept, part)
            under_way.remove(attempt)
        elif move == "begin" and attempt not in under_way:
            is_open = (most is None or started < most) and (at_once is None or len(under_way) < at_once)
            assert kept.admits(part) == is_open == (kept.room_for(part, 1) == 1) == (kept.openings(1, now) == 1)
            waived, off = replace(kept, stand=BudgetStand.WAIVED), replace(kept, enabled=False)
            assert (
                waived.admits(part) == (at_once is None or len(under_way) < at_once) == (waived.openings(1, now) == 1)
            )
            assert off.admits(part) and off.openings(3, now) == 3
            if is_open:
                kept = sut.reserve(kept, part)
                under_way.add(attempt)
                started += 1
        shown = sut.rolled(kept, now)
        assert (shown.attempts, shown.under_way) == (started, len(under_way))
        assert shown.attempts_left == (None if most is None else most - started)
        assert shown.places_left == (None if at_once is None else at_once - len(under_way))


@given(st.integers(1, 100), st.integers(1, 400), AMOUNTS, AMOUNTS, st.integers(1, 5), st.integers(0, 9))
def test_given_any_budget_when_people_raise_it_then_there_is_room_for_at_least_one_attempt(
    cap: int, estimate: int, spent: int, reserved: int, in_all: int, began: int
) -> None:
    kept = replace(budget(cap_micros=cap, cap_tokens=cap, cap_attempts=in_all), attempts=began)
    kept = replace(kept, spent_micros=spent, spent_tokens=spent, reserved_micros=reserved, reserved_tokens=reserved)
    kept = sut.refuse(kept, Amount(estimate, estimate), NOW)
    after = sut.raised(kept)
    assert after.admits(after.needed)
    assert not (after.is_stuck or after.is_reached)
    assert after.extra_micros % cap == 0 and after.extra_micros >= cap, "the cap once more, or several times"
    if after.extra_micros > cap:
        assert not replace(after, extra_micros=after.extra_micros - cap).admits(after.needed), "no more than it takes"


@given(st.integers(1, 100), st.integers(1, 400), AMOUNTS, st.lists(st.integers(1, 60), max_size=4))
def test_given_a_budget_without_room_when_all_that_is_held_is_given_back_then_it_is_stuck_if_there_is_none_still(
    cap: int, estimate: int, spent: int, held: list[int]
) -> None:
    kept = replace(budget(cap_micros=cap, cap_at_once=4), spent_micros=spent)
    for part in held:
        kept = sut.reserve(kept, Amount(part))
    kept = sut.refuse(kept, Amount(estimate, 1), NOW)
    at_rest = kept
    for part in held:
        at_rest = sut.release(at_rest, Amount(part))
    assert kept.is_stuck is not at_rest.admits(at_rest.needed)
    assert kept.is_stuck is (spent + min(estimate, cap) > cap)


@pytest.mark.parametrize(
    ("changes", "is_asked", "is_interrupted"),
    [
        ({}, True, False),
        ({"spent_micros": 100}, True, True),
        ({"action": BudgetAction.REFUSE}, False, False),
        ({"stand": BudgetStand.WAIVED}, False, False),
        ({"enabled": False}, False, False),
        ({"extra_micros": 50}, False, False),
        ({"spent_micros": 0, "cap_at_once": 1, "under_way": 1}, False, False),
        ({"spent_micros": 0, "cap_attempts": 1, "attempts": 1}, True, False),
    ],
)
def test_given_somebody_who_found_no_room_when_a_budget_is_judged_then_people_are_asked_only_where_time_helps_nobody(
    changes: dict[str, object], is_asked: bool, is_interrupted: bool
) -> None:
    kept = sut.refuse(replace(budget(cap_micros=100), spent_micros=90), Amount(20, 1), NOW)
    judged = replace(kept, **changes)  # type: ignore[arg-type]
    assert (judged.is_for_people, judged.stops) == (is_asked, is_interrupted)


def test_given_a_no_when_the_cap_is_reached_or_changed_then_it_is_forgotten() -> None:
    denied = replace(budget(cap_micros=100), spent_micros=90, stand=BudgetStand.DENIED)
    used, _ = sut.spend(denied, Amount(10), sut.NOTHING, NOW)
    assert (used.reached_at, used.stand) == (NOW, BudgetStand.KEPT)
    again, _ = sut.spend(replace(used, stand=BudgetStand.DENIED), Amount(10), sut.NOTHING, NOW + 1)
    assert (again.reached_at, again.stand) == (NOW, BudgetStand.DENIED), "it is about the cap that was reached"
    assert sut.changed_by_people(again, replace(again, name="c"), NOW).stand is BudgetStand.DENIED
    assert sut.changed_by_people(again, replace(again, cap_micros=500), NOW).stand is BudgetStand.KEPT


def test_given_caps_on_attempts_when_people_read_them_then_they_are_plain() -> None:
    shown = budget(cap_micros=5 * sut.DOLLAR, cap_attempts=1_200, cap_at_once=3, period=BudgetPeriod.DAY)
    assert sut.words_of(shown) == "$5.00 and 1,200 attempts a day, 3 at once"
    assert sut.words_of(budget(cap_micros=None, cap_at_once=2, period=BudgetPeriod.DAY)) == "2 at once"
