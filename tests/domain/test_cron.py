"""Cron expressions against clocks: every instant, found by looking at a clock each minute, over real time zones.

The oracle knows nothing of searching: it walks through the minutes of some days, looks at what a clock in the zone
shows, and notes when a time that the expression names is shown for the first time, or is jumped over.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent_swarm.domain.cron import NAMED, parse_cron
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.time import SECOND

MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# With changes of half an hour, of a day, at midnight, and none.
ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Africa/Casablanca",
    "America/Havana",
    "Pacific/Chatham",
)
# Days on which clocks of these zones were changed.
CHANGES = (
    datetime(2024, 3, 31, tzinfo=UTC),
    datetime(2024, 10, 27, tzinfo=UTC),
    datetime(2024, 3, 10, tzinfo=UTC),
    datetime(2024, 11, 3, tzinfo=UTC),
    datetime(2018, 11, 4, tzinfo=UTC),
    datetime(2018, 2, 18, tzinfo=UTC),
    datetime(2024, 10, 6, tzinfo=UTC),
    datetime(2024, 4, 7, tzinfo=UTC),
    datetime(2011, 12, 30, tzinfo=UTC),  # a day that Samoa did without
    datetime(2024, 2, 28, tzinfo=UTC),
    datetime(2023, 12, 31, tzinfo=UTC),
)


@lru_cache(maxsize=200)
def shown(zone: str, start: datetime, days: int) -> tuple[tuple[datetime, tuple[datetime, ...]], ...]:
    """For each minute, the times that a clock shows, or jumps over, for the first time."""
    tz = ZoneInfo(zone)
    at = start - timedelta(days=2)
    last = (at - MINUTE).astimezone(tz).replace(tzinfo=None)
    seen = set()
    found = []
    while at < start + timedelta(days=days):
        wall = at.astimezone(tz).replace(tzinfo=None)
        new, step = [], last + MINUTE
        while step <= wall:
            new.append(step)
            step += MINUTE
        found.append((at, tuple(one for one in new if one not in seen)))
        seen.update([*new, wall])
        last = wall
        at += MINUTE
    return tuple(found)


def matches(expression: str, wall: datetime) -> bool:
    """Whether an expression of plain numbers and stars names this time."""
    minute, hour, day, month, weekday = expression.split()

    def fits(word: str, value: int) -> bool:
        return word == "*" or str(value) in word.split(",")

    days = [fits(day, wall.day), fits(weekday, wall.isoweekday() % 7)]
    either = "*" not in (day, weekday)
    return (
        fits(minute, wall.minute)
        and fits(hour, wall.hour)
        and fits(month, wall.month)
        and (any(days) if either else all(days))
    )


def oracle(expression: str, zone: str, start: datetime, days: int) -> list[int]:
    """Every instant from `start` on, in so many days."""
    return [
        micros(at)
        for at, walls in shown(zone, start, days)
        if at >= start and any(matches(expression, wall) for wall in walls)
    ]


def micros(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds()) * SECOND


def listed(low: int, high: int) -> st.SearchStrategy[str]:
    numbers = st.lists(st.integers(low, high), min_size=1, max_size=3, unique=True)
    return st.one_of(st.just("*"), numbers.map(lambda found: ",".join(map(str, found))))


EXPRESSIONS = st.builds(
    lambda *words: " ".join(words),
    listed(0, 59),
    listed(0, 23),
    st.one_of(st.just("*"), st.just("*"), listed(1, 28)),
    st.just("*"),
    st.one_of(st.just("*"), listed(0, 6)),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=80)
@given(expression=EXPRESSIONS, zone=st.sampled_from(ZONES), around=st.sampled_from(CHANGES))
@example(expression="30 2 * * *", zone="Europe/Paris", around=CHANGES[0])  # does not exist
@example(expression="30 2 * * *", zone="Europe/Paris", around=CHANGES[1])  # comes twice
@example(expression="* * * * *", zone="Australia/Lord_Howe", around=CHANGES[6])
@example(expression="0 0 * * *", zone="America/Sao_Paulo", around=CHANGES[4])  # midnight does not exist
@example(expression="0 9 30 * *", zone="Pacific/Apia", around=CHANGES[8])  # the whole day does not
def test_given_any_expression_when_clocks_are_changed_then_it_names_what_a_clock_shows_first_or_jumps_over(
    expression: str, zone: str, around: datetime
) -> None:
    start, days = around - timedelta(days=1), 3
    expected = oracle(expression, zone, start, days)
    cron, tz = parse_cron(expression), ZoneInfo(zone)
    end = micros(start + timedelta(days=days))
    found, at = [], cron.next_after(micros(start) - 1, tz)
    while at is not None and at < end:
        found.append(at)
        at = cron.next_after(at, tz)
    assert found == expected
    back, at = [], cron.last_before(end, tz)
    while at is not None and at >= micros(start):
        back.append(at)
        at = cron.last_before(at, tz)
    assert back[::-1] == expected


@settings(deadline=None, max_examples=50)
@given(
    expression=EXPRESSIONS,
    zone=st.sampled_from(ZONES),
    instant=st.integers(micros(datetime(1975, 1, 1, tzinfo=UTC)), micros(datetime(2090, 1, 1, tzinfo=UTC))),
)
def test_given_any_instant_when_the_next_one_is_asked_for_then_it_is_later_and_nothing_is_in_between(
    expression: str, zone: str, instant: int
) -> None:
    cron, tz = parse_cron(expression), ZoneInfo(zone)
    following = cron.next_after(instant, tz)
    assert following is not None
    assert following > instant
    before = cron.last_before(following, tz)
    assert before is not None
    assert before <= instant
    assert cron.next_after(before, tz) == following
    assert cron.last_before(following + 1, tz) == following


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("*/20 * * * *", "0,20,40 * * * *"),
        ("5-20/5 8-10 * * *", "5,10,15,20 8,9,10 * * *"),
        ("50/3 * * * *", "50,53,56,59 * * * *"),
        ("0 9 * * MON-FRI", "0 9 * * 1,2,3,4,5"),
        ("0 9 * * fri-sun", "0 9 * * 0,5,6"),
        ("0 9 * * 5-7", "0 9 * * 0,5,6"),
        ("0 0 1 jan,Jul *", "0 0 1 1,7 *"),
        ("@hourly", "0 * * * *"),
        ("@Daily", "0 0 * * *"),
    ],
)
def test_given_ranges_steps_and_names_then_they_mean_the_numbers(written: str, plain: str) -> None:
    assert parse_cron(written) == parse_cron(plain)


def test_given_a_time_that_comes_twice_or_never_then_it_stands_for_one_instant() -> None:
    paris, cron = ZoneInfo("Europe/Paris"), parse_cron("30 2 * * *")
    spring = cron.next_after(micros(datetime(2026, 3, 28, 12, tzinfo=UTC)), paris)
    assert spring == micros(datetime(2026, 3, 29, 1, tzinfo=UTC))  # clocks go from two to three
    autumn = cron.next_after(micros(datetime(2026, 10, 24, 12, tzinfo=UTC)), paris)
    assert autumn == micros(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    assert cron.next_after(autumn, paris) == micros(datetime(2026, 10, 26, 1, 30, tzinfo=UTC))


def test_given_both_kinds_of_days_then_either_fits_but_a_star_restricts_nothing() -> None:
    both, stepped = parse_cron("0 0 13 * 5"), parse_cron("0 0 */2 * 5")
    friday, thirteenth = datetime(2024, 9, 6), datetime(2024, 8, 13)
    assert both.is_day(friday)
    assert both.is_day(thirteenth)
    assert not stepped.is_day(friday)
    assert stepped.is_day(datetime(2024, 9, 13))


def test_given_the_rarest_days_then_they_are_found_and_what_never_comes_is_refused() -> None:
    leap = parse_cron("0 0 29 2 *").next_after(micros(datetime(2096, 3, 1, tzinfo=UTC)), UTC)
    assert leap == micros(datetime(2104, 2, 29, tzinfo=UTC))
    assert parse_cron("0 0 29 2 *").last_before(micros(datetime(2104, 2, 28, tzinfo=UTC)), UTC) == micros(
        datetime(2096, 2, 29, tzinfo=UTC)
    )
    with pytest.raises(InvalidInput, match="never comes"):
        parse_cron("0 0 31 2,4,6 *")


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "@often",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "1, * * * *",
        "-1 * * * *",
        "1- * * * *",
        "٣ * * * *",
        "99999 * * * *",
    ],
)
def test_given_what_is_no_expression_then_it_is_refused_with_an_example(expression: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_cron(expression)
    assert "0 9 * * 1-5" in refusal.value.hint


def test_given_every_name_then_it_is_an_expression() -> None:
    for name in NAMED:
        assert parse_cron(name).minutes
