"""Cron expressions: five fields of wall-clock time in a zone, and the instants that they name.

Written here and not taken from a library: it is a table and a search, the domain imports nothing of others, and what
happens when clocks are changed is a rule of ours. A wall-clock time that does not exist stands for the instant at which
the clocks are put forward; one that comes twice stands for its first time. So wall-clock times never run backwards in
time, and a search by halving finds the next and the last one.
"""

import calendar
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.time import SECOND, Instant

CRON_CHARS = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_YEARS = 40  # without a single day that fits: the rarest, a Monday that is 29 February, comes after 40 at the latest
_LAST_YEAR = 9998  # no wall-clock time is looked for beyond

NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[tuple[str, int], ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, tuple(zip(_MONTH_NAMES, range(1, 13), strict=True))),
    _Field("day of week", 0, 7, tuple(zip(_WEEKDAY_NAMES, range(7), strict=True))),  # 0 and 7 are Sunday
)


@dataclass(frozen=True, slots=True)
class Cron:
    """What an expression allows. `minutes` are those of a day, ascending; weekdays count from 0, which is Sunday.

    `either_day`: both kinds of days are restricted, and a day that fits one of them fits.
    """

    minutes: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def is_day(self, day: date) -> bool:
        """Whether it names times of this day."""
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_month or by_week if self.either_day else by_month and by_week

    def next_after(self, instant: int, zone: tzinfo) -> Instant | None:
        """The first instant after this one; None where none ever comes."""
        for day in self._days(_wall(instant, zone).date(), forward=True):
            place = bisect_right(self.minutes, instant, key=lambda minute: _instant(day, minute, zone))
            if place < len(self.minutes):
                return _instant(day, self.minutes[place], zone)
        return None

    def last_before(self, instant: int, zone: tzinfo) -> Instant | None:
        """The last instant before this one; None where there was none for a long time."""
        # Where clocks were put back, times of the next hour, or day, came before for the first time.
        for day in self._days(_wall(instant, zone).date() + _DAY, forward=False):
            place = bisect_left(self.minutes, instant, key=lambda minute: _instant(day, minute, zone))
            if place:
                return _instant(day, self.minutes[place - 1], zone)
        return None

    def _days(self, start: date, *, forward: bool) -> Iterator[date]:
        """The days that fit, from `start` on, in `_YEARS` years."""
        day, step = start, _DAY if forward else -_DAY
        while abs(day.year - start.year) <= _YEARS and 1 < day.year <= _LAST_YEAR:
            if day.month in self.months:
                if self.is_day(day):
                    yield day
                day += step
            elif forward:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            else:
                day = day.replace(day=1) - _DAY


@lru_cache(maxsize=1024)
def parse_cron(text: str) -> Cron:
    """What an expression says. Raises InvalidInput, which names the field at fault."""
    written = NAMED.get(text.strip().lower(), text)
    words = written.split()
    if len(words) != len(_FIELDS) or len(text) > CRON_CHARS:
        raise _refusal(
            text,
            f"has {len(words)} fields, expected 5: minute, hour, day of month, month, day of week"
            if not text.strip().startswith("@")
            else f"is no name of a rule, expected one of {', '.join(NAMED)}",
        )
    minutes, hours, days, months, weekdays = (
        _values(word, field, text) for word, field in zip(words, _FIELDS, strict=True)
    )
    cron = Cron(
        minutes=tuple(60 * hour + minute for hour in sorted(hours) for minute in sorted(minutes)),
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        either_day=not words[2].startswith("*") and not words[4].startswith("*"),
    )
    if not cron.either_day and min(days) > max(_longest(month) for month in months):
        raise _refusal(text, f"never comes: no such month has a day {min(days)}")
    return cron


def _longest(month: int) -> int:
    return calendar.monthrange(2000, month)[1]  # a leap year


def _values(word: str, field: _Field, text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        found |= _range(part, field, text)
    return frozenset(found)


def _range(part: str, field: _Field, text: str) -> set[int]:
    span, slash, every = part.partition("/")
    step = _number(every, field, text) if slash else 1
    if step < 1:
        raise _refusal(text, f"{field.name}: {part!r} steps by {step}, expected 1 or more")
    if span == "*":
        return set(range(field.low, (6 if field.high == 7 else field.high) + 1, step))
    first, dash, last = span.partition("-")
    low = _number(first, field, text)
    high = _number(last, field, text) if dash else field.high if slash else low
    if high == 0 and dash and field.high == 7:
        high = 7  # until Sunday
    if not field.low <= low <= field.high or not field.low <= high <= field.high:
        raise _refusal(text, f"{field.name}: {part!r} is not between {field.low} and {field.high}")
    if low > high:
        raise _refusal(text, f"{field.name}: {part!r} runs backwards; write it as two ranges, with a comma")
    return set(range(low, high + 1, step))


def _number(word: str, field: _Field, text: str) -> int:
    known = dict(field.words).get(word.lower())
    if known is not None:
        return known
    if not (word.isascii() and word.isdecimal() and len(word) <= 4):
        raise _refusal(text, f"{field.name}: {word!r} is no number, expected {field.low} to {field.high}")
    return int(word)


def _refusal(text: str, problem: str) -> InvalidInput:
    return InvalidInput(
        f"cron expression {text[:CRON_CHARS]!r} {problem}",
        hint="for example: 0 9 * * 1-5 (at nine on working days), */15 * * * * (every quarter of an hour), @daily",
        details={"field": "cron"},
    )


# --- wall clocks ------------------------------------------------------------------------------------------------------


def _wall(instant: int, zone: tzinfo) -> datetime:
    """What clocks show at an instant."""
    return (_EPOCH + timedelta(microseconds=instant)).astimezone(zone).replace(tzinfo=None)


def _instant(day: date, minute: int, zone: tzinfo) -> Instant:
    """When clocks first show this time; where they never do, when they are put forward over it."""
    wall = datetime(day.year, day.month, day.day, minute // 60, minute % 60)
    before = wall.replace(tzinfo=zone).astimezone(UTC)  # by the offset that held before a change
    if before.astimezone(zone).replace(tzinfo=None) == wall:
        return _micros(before)
    after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change_between(after, before, zone)


def _change_between(early: datetime, late: datetime, zone: tzinfo) -> Instant:
    """The instant within (early, late] from which on the offset is that of `late`, to the second."""
    offset = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=int((late - early).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            late = middle
        else:
            early = middle
    return _micros(late)


def _micros(moment: datetime) -> Instant:
    return Instant(int((moment - _EPOCH).total_seconds()) * SECOND)
