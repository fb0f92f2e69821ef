"""Schedules: when work is started by the clock, what happens to times that were missed, and to runs that overlap.

A rule names instants. `plan_of` decides what is to be done about those that are due, `overlap` about a run whose
predecessor is not done. Nothing here reads a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from agent_swarm.domain.cron import CRON_CHARS, parse_cron
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.time import SECOND, Instant, to_wire

NAME_CHARS = 100
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
DESCRIPTION_CHARS = 2_000
SHORTEST_SECONDS = 10  # between two runs of an interval
LONGEST_SECONDS = 366 * 86_400
GRACE = 60 * SECOND  # what is later than this was missed
MISSED_MAX = 100  # runs that are made up for, and counted
RUNS_KEPT = 100  # of each schedule, the latest
NEXT_MAX = 100  # instants that are shown ahead
FAILURES = 5  # one after the other, until a schedule pauses itself
FAILURES_MAX = 1_000
RUNS_MAX = 1_000_000
PER_AGENT = 20  # schedules that one agent may have
KEPT_FINISHED = 30 * 86_400 * SECOND  # so long one that has no run left is still shown
WAITING_LOOK = 10 * SECOND  # how often a run that waits for the one before is looked at
EARLIEST, LATEST = 0, 253_370_764_800 * SECOND  # 1970 to 9999


class Missed(StrEnum):
    """What becomes of instants that passed while nobody could start anything."""

    SKIP = "skip"  # nothing
    LATEST = "latest"  # one run, however many there were
    ALL = "all"  # a run for each, at most 100


class Overlap(StrEnum):
    """What becomes of a run while tasks of an earlier one are open."""

    SKIP = "skip"
    QUEUE = "queue"  # it waits, and there waits one at most
    ALLOW = "allow"


class ScheduleStatus(StrEnum):
    """Where a schedule stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"  # its rule names no further instant, or it has run as often as it may


class RunOutcome(StrEnum):
    """What became of one instant of a schedule."""

    STARTED = "started"
    SKIPPED = "skipped"
    QUEUED = "queued"
    FAILED = "failed"  # nothing could be started


class RunStatus(StrEnum):
    """How the tasks of a run stand."""

    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


# --- rules ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which instants are meant: by a cron expression in a time zone, every so often from an anchor on, or one alone.

    An interval is counted from its anchor, so that it does not drift, however late its runs are.
    """

    cron: str = ""
    time_zone: str = ""
    every: int = 0
    anchor: int = 0
    at: int | None = None

    def stored(self) -> dict[str, Any]:
        """As JSON holds it."""
        if self.cron:
            return {"cron": self.cron, "timeZone": self.time_zone}
        return {"every": self.every, "anchor": self.anchor} if self.every else {"at": self.at}

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "Rule":
        """A rule as `stored` made it."""
        return cls(
            cron=stored.get("cron", ""),
            time_zone=stored.get("timeZone", ""),
            every=stored.get("every", 0),
            anchor=stored.get("anchor", 0),
            at=stored.get("at"),
        )

    @property
    def words(self) -> str:
        """The rule for people."""
        if self.cron:
            return f"{self.cron} ({self.time_zone})"
        return f"every {span_words(self.every)}" if self.every else f"once, at {to_wire(self.at or 0)}"


def cron_rule(expression: str, time_zone: str) -> Rule:
    """A rule by a cron expression. Raises InvalidInput for one that cannot be, and for a time zone nobody knows."""
    parse_cron(expression)
    zone_of(time_zone)
    return Rule(cron=" ".join(expression.split())[:CRON_CHARS], time_zone=time_zone)


def interval_rule(seconds: float, anchor: int) -> Rule:
    """Every so many seconds, from `anchor` on. Raises InvalidInput for less than 10 of them."""
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise InvalidInput(
            f"everySeconds is {seconds:g}, expected {SHORTEST_SECONDS} to {LONGEST_SECONDS:,}",
            hint="what has to happen more often belongs into one task that goes on",
            details={"field": "everySeconds"},
        )
    return Rule(every=round(seconds * SECOND), anchor=anchor)


def once_rule(at: int) -> Rule:
    """One instant."""
    return Rule(at=at)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name. Raises InvalidInput."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: a name that is a directory of the zone files
        raise InvalidInput(
            f"no time zone is called {name[:64]!r}",
            hint="expected a name of the IANA database, such as Europe/Paris, America/New_York or UTC",
            details={"field": "timeZone"},
        ) from None


def next_after(rule: Rule, after: int) -> Instant | None:
    """The first instant of a rule after this one; None where none comes."""
    if rule.cron:
        return parse_cron(rule.cron).next_after(after, zone_of(rule.time_zone))
    if rule.every:
        return Instant(rule.anchor + max(0, (after - rule.anchor) // rule.every + 1) * rule.every)
    return Instant(rule.at) if rule.at is not None and rule.at > after else None


def last_before(rule: Rule, before: int) -> Instant | None:
    """The last instant of a rule before this one; None where there was none."""
    if rule.cron:
        return parse_cron(rule.cron).last_before(before, zone_of(rule.time_zone))
    if rule.every:
        number = (before - 1 - rule.anchor) // rule.every
        return Instant(rule.anchor + number * rule.every) if number >= 0 else None
    return Instant(rule.at) if rule.at is not None and rule.at < before else None


def following(rule: Rule, after: int, until: int | None) -> Instant | None:
    """As `next_after`, within what a schedule lasts."""
    found = next_after(rule, after)
    return None if found is None or found > min(LATEST, LATEST if until is None else until) else found


def upcoming(rule: Rule, after: int, until: int | None, *, count: int) -> list[Instant]:
    """The next instants, at most `count`."""
    found: list[Instant] = []
    at: int | None = after
    while len(found) < count and at is not None and (at := following(rule, at, until)) is not None:
        found.append(Instant(at))
    return found


# --- what is due ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do about the instants that are due: run one or none, note those that nobody runs, and go on later.

    `missed` counts no further than 101, which says more than 100; `first_missed` is the first that was counted.
    """

    runs: Instant | None = None
    missed: int = 0
    first_missed: Instant | None = None
    last_missed: Instant | None = None
    next_at: Instant | None = None


def plan_of(rule: Rule, policy: Missed, *, next_at: int, until: int | None, now: int) -> Plan:
    """What to do about the instants from `next_at` to `now`. There is at least one: `next_at`."""
    due = _due(rule, next_at, min(now, LATEST if until is None else until))
    latest = due[0]
    if policy is Missed.ALL:
        made_up, dropped = due[:MISSED_MAX], due[MISSED_MAX:]
        return _plan(made_up[-1], dropped, following(rule, made_up[-1], until))
    later = following(rule, max(latest, now), until)
    if policy is Missed.SKIP and now - latest > GRACE:
        return _plan(None, due, later)
    return _plan(latest, due[1:], later)


def _due(rule: Rule, first: int, last: int) -> list[Instant]:
    """The instants in between, latest first; what is more than can be made up for is one more."""
    due: list[Instant] = []
    at: int | None = last + 1
    while len(due) <= MISSED_MAX and at is not None:
        at = last_before(rule, at)
        if at is None or at < first:
            break
        due.append(Instant(at))
    return due or [Instant(first)]  # a zone whose rules were changed since: what was promised counts


def _plan(runs: Instant | None, dropped: list[Instant], next_at: Instant | None) -> Plan:
    return Plan(
        runs=runs,
        missed=len(dropped),
        first_missed=dropped[-1] if dropped else None,
        last_missed=dropped[0] if dropped else None,
        next_at=next_at,
    )


def overlap(policy: Overlap, *, is_open: bool, one_waits: bool) -> RunOutcome:
    """What becomes of a run: STARTED says that it may begin."""
    if policy is Overlap.ALLOW or not is_open:
        return RunOutcome.STARTED
    return RunOutcome.QUEUED if policy is Overlap.QUEUE and not one_waits else RunOutcome.SKIPPED


# --- explaining -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFacts:
    """What says why a schedule does not start anything now."""

    status: ScheduleStatus
    pause_reason: str = ""
    next_at: int | None = None
    now: int
    is_killed: bool = False
    failures: int = 0
    max_failures: int = 0
    last_failure: str = ""
    open_tasks: tuple[str, ...] = ()
    policy: Overlap = Overlap.SKIP
    one_waits: bool = False


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing in the way, and what would clear it."""

    code: str
    message: str
    unblock: str
    details: Mapping[str, Any] = field(default_factory=dict)


def explain(facts: ScheduleFacts) -> tuple[str, tuple[Obstacle, ...]]:
    """In one sentence when it runs next or why not, and everything that is in the way."""
    obstacles = tuple(_obstacles(facts))
    if facts.status is ScheduleStatus.FINISHED:
        return "it has no run left", obstacles
    if facts.status is ScheduleStatus.PAUSED:
        return "it is paused", obstacles
    if facts.next_at is None:
        return "its rule names no further time", obstacles
    when = to_wire(facts.next_at)
    return (f"it is due since {when}" if facts.next_at <= facts.now else f"it runs next at {when}"), obstacles


def _obstacles(facts: ScheduleFacts) -> list[Obstacle]:
    found: list[Obstacle] = []
    if facts.is_killed:
        found.append(Obstacle("killed", "the kill switch is on: no schedule starts anything", "lift the kill switch"))
    if facts.status is ScheduleStatus.PAUSED:
        by_itself = facts.pause_reason == "failures"
        why = f"it paused itself after {facts.failures} failures in a row" if by_itself else "somebody paused it"
        found.append(Obstacle("paused", why, "agent-swarm schedule resume NAME"))
    if facts.status is ScheduleStatus.FINISHED:
        found.append(
            Obstacle("finished", "no time is left, or it has run as often as it may", "give it another rule or end")
        )
    if facts.failures and facts.last_failure:
        left = f"; it pauses itself after {facts.max_failures}" if facts.max_failures else ""
        found.append(
            Obstacle(
                "failing",
                f"the last {facts.failures} runs failed{left}: {facts.last_failure}",
                "correct what it starts",
                {"failures": facts.failures, "maxFailures": facts.max_failures},
            )
        )
    if facts.open_tasks and facts.policy is not Overlap.ALLOW:
        effect = "runs are skipped" if facts.policy is Overlap.SKIP or facts.one_waits else "the next run waits"
        found.append(
            Obstacle(
                "overlap",
                f"{len(facts.open_tasks)} tasks of an earlier run are open: until they end, {effect}",
                "let them end, cancel them, or allow runs to overlap",
                {"taskIds": list(facts.open_tasks[:20])},
            )
        )
    return found


def span_words(span: int) -> str:
    """A span for people: 90 s, 15 min, 2 h, 1 d."""
    seconds = span / SECOND
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
