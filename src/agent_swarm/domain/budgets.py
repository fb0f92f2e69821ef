"""Budgets: how much may be spent, on what, and in what time.

Money is whole millionths of a US dollar, tokens are whole. An attempt reserves what it is expected to cost before it
begins; usage turns what is reserved into what is spent; the end of the attempt gives back the rest. It also counts as
one that has begun, for good, and takes one of the places at once until it ends. Pure: every function takes a budget as
it is and returns it as it will be.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.schedules import zone_of
from agent_swarm.domain.time import SECOND

DOLLAR = 1_000_000  # micro-dollars
MOST_MICROS = 1_000_000_000 * DOLLAR
MOST_TOKENS = 10**15
MOST_ATTEMPTS = 10**9
MOST_AT_ONCE = 10**6
MOST_BUDGETS = 1_000  # of one task, project, agent or swarm
NAME_CHARS = 100
COME_FOR_IT = 5 * SECOND  # how long room is kept for a task that was let go on, before others are, too


class BudgetScope(StrEnum):
    """What a budget is for."""

    TASK = "task"  # that task alone
    ROOT = "root"  # that task and all that is filed below it
    AGENT = "agent"
    PROJECT = "project"
    SWARM = "swarm"
    ALL = "all"  # everything on this server


class BudgetPeriod(StrEnum):
    """When what was spent is forgotten."""

    TOTAL = "total"  # never
    DAY = "day"  # at midnight in the zone of the budget


class BudgetAction(StrEnum):
    """What happens once the cap is reached."""

    PAUSE = "pause"  # attempts under way are interrupted, and a person is asked
    REFUSE = "refuse"  # nothing new starts; what runs goes on


class BudgetStand(StrEnum):
    """What a person has said about a cap that was reached; forgotten when the next period begins."""

    KEPT = "kept"  # nothing: the cap counts
    WAIVED = "waived"  # go on without the cap
    DENIED = "denied"  # no more is spent


@dataclass(frozen=True, slots=True)
class Amount:
    """Money and tokens."""

    micros: int = 0
    tokens: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.micros + other.micros, self.tokens + other.tokens)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.micros - other.micros, self.tokens - other.tokens)

    def at_most(self, other: "Amount") -> "Amount":
        """The smaller one of each."""
        return Amount(min(self.micros, other.micros), min(self.tokens, other.tokens))

    @property
    def is_nothing(self) -> bool:
        """Neither money nor tokens."""
        return self.micros <= 0 and self.tokens <= 0


NOTHING = Amount()
LEAST = Amount(1, 1)  # no attempt is expected to cost less, so that a cap that is used up admits none
EXPECTED = Amount(DOLLAR // 2, 200_000)  # of one attempt, where nobody says so


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCaps:
    """What a root task without a budget of its own may use with all that is filed below it; None: not capped."""

    micros: int | None = None
    tokens: int | None = None
    attempts: int | None = None
    at_once: int | None = None

    @property
    def is_nothing(self) -> bool:
        """Nothing is capped."""
        return all(cap is None for cap in (self.micros, self.tokens, self.attempts, self.at_once))


NO_CAPS = RootCaps()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A cap and where it stands. `cap_*` None: not capped; `extra_*` is what a person has added for this period.

    `estimate_*` is what one attempt is expected to cost, where this budget says so. `reserved_*` is held for attempts
    that go on, of which there are `under_way`; `spent_*` was spent since `since`, and `attempts` have begun. `shut_at`
    is since when an attempt found no room, `wanted_*` the least estimate of those, `refused` how many there were;
    `let_go` of those that waited were told at `let_go_at` that there is room, and have not come for it. `reached_at` is
    when the cap in money or tokens was reached, `approval_id` the question to people, open or answered for this period.
    """

    id: str
    name: str
    scope: BudgetScope
    scope_id: str = ""
    period: BudgetPeriod = BudgetPeriod.TOTAL
    time_zone: str = "UTC"
    cap_micros: int | None = None
    cap_tokens: int | None = None
    cap_attempts: int | None = None
    cap_at_once: int | None = None
    estimate_micros: int | None = None
    estimate_tokens: int | None = None
    action: BudgetAction = BudgetAction.PAUSE
    enabled: bool = True
    created_by: str = ""
    created_at: int = 0
    since: int = 0
    renews_at: int | None = None
    spent_micros: int = 0
    spent_tokens: int = 0
    reserved_micros: int = 0
    reserved_tokens: int = 0
    extra_micros: int = 0
    extra_tokens: int = 0
    attempts: int = 0
    extra_attempts: int = 0
    under_way: int = 0
    stand: BudgetStand = BudgetStand.KEPT
    refused: int = 0
    shut_at: int | None = None
    wanted_micros: int = 0
    wanted_tokens: int = 0
    let_go: int = 0
    let_go_at: int = 0
    reached_at: int | None = None
    approval_id: str = ""

    @property
    def spent(self) -> Amount:
        """What was spent in this period."""
        return Amount(self.spent_micros, self.spent_tokens)

    @property
    def reserved(self) -> Amount:
        """What is held for attempts that go on."""
        return Amount(self.reserved_micros, self.reserved_tokens)

    @property
    def wanted(self) -> Amount:
        """The least estimate of those who found no room."""
        return Amount(self.wanted_micros, self.wanted_tokens)

    @property
    def is_in_force(self) -> bool:
        """It stops something."""
        return self.enabled and self.stand is not BudgetStand.WAIVED

    @property
    def is_reached(self) -> bool:
        """All of the money or all tokens are spent."""
        money, tokens = self.limits
        return (money is not None and self.spent_micros >= money) or (
            tokens is not None and self.spent_tokens >= tokens
        )

    @property
    def is_used_up(self) -> bool:
        """All of a cap is spent, or all attempts have begun."""
        return self.is_reached or self.attempts_left == 0

    @property
    def is_stuck(self) -> bool:
        """Whoever waits finds no room in this period, not even once all that is held is given back."""
        return not replace(self, reserved_micros=0, reserved_tokens=0, under_way=0).admits(self.needed)

    @property
    def stops(self) -> bool:
        """Attempts under way are to be interrupted."""
        return self.is_in_force and self.is_reached and self.action is BudgetAction.PAUSE

    @property
    def is_for_people(self) -> bool:
        """What waits, if anything does, does not go on by itself in this period: people decide."""
        return self.stops or (self.is_in_force and self.is_stuck and self.action is BudgetAction.PAUSE)

    @property
    def caps(self) -> tuple[int | None, ...]:
        """All its caps, as people have set them."""
        return self.cap_micros, self.cap_tokens, self.cap_attempts, self.cap_at_once

    @property
    def limits(self) -> tuple[int | None, int | None]:
        """The cap of this period, in money and in tokens."""
        money = None if self.cap_micros is None else self.cap_micros + self.extra_micros
        tokens = None if self.cap_tokens is None else self.cap_tokens + self.extra_tokens
        return money, tokens

    @property
    def left(self) -> tuple[int | None, int | None]:
        """What is neither spent nor reserved, at least 0; None where there is no cap."""
        money, tokens = self.limits
        used = self.spent + self.reserved
        return (
            None if money is None else max(0, money - used.micros),
            None if tokens is None else max(0, tokens - used.tokens),
        )

    @property
    def attempts_left(self) -> int | None:
        """How many more attempts may begin in this period; None where they are not counted against a cap."""
        return None if self.cap_attempts is None else max(0, self.cap_attempts + self.extra_attempts - self.attempts)

    @property
    def places_left(self) -> int | None:
        """How many more attempts may be under way; None where there is no cap on that."""
        return None if self.cap_at_once is None else max(0, self.cap_at_once - self.under_way)

    def expects(self, estimate: Amount) -> Amount:
        """What one attempt reserves here: an estimate beyond the cap would never be admitted, so the cap bounds it.

        What people have added does not: so adding the cap once more always makes room for one.
        """
        money, tokens = self.cap_micros, self.cap_tokens
        micros = estimate.micros if self.estimate_micros is None else self.estimate_micros
        count = estimate.tokens if self.estimate_tokens is None else self.estimate_tokens
        return Amount(
            max(LEAST.micros, micros if money is None else min(micros, money)),
            max(LEAST.tokens, count if tokens is None else min(count, tokens)),
        )

    @property
    def needed(self) -> Amount:
        """The least that has to be free for somebody who waits, else for an attempt of which nothing is known.

        As the budget is now: its cap or its estimate may be another one than when somebody found no room.
        """
        return self.expects(EXPECTED if self.shut_at is None else self.wanted)

    def admits(self, part: Amount) -> bool:
        """Whether there is room for that much more. People who let work go on without the cap give away no places."""
        if not self.is_in_force:
            return not self.enabled or self.places_left != 0
        money, tokens = self.left
        is_affordable = (money is None or part.micros <= money) and (tokens is None or part.tokens <= tokens)
        return is_affordable and self.attempts_left != 0 and self.places_left != 0

    def room_for(self, part: Amount, most: int) -> int:
        """How many times that much there is room for, at most `most`."""
        bounds: list[int | None] = [self.places_left] if self.enabled else []
        if self.is_in_force:
            money, tokens = self.left
            bounds += [None if money is None else money // max(1, part.micros), self.attempts_left]
            bounds += [None if tokens is None else tokens // max(1, part.tokens)]
        return min([most, *(bound for bound in bounds if bound is not None)])

    def openings(self, most: int, now: int) -> int:
        """How many of those that wait may be let go on now, at most `most`.

        Whoever was let go on has the room for a while; then others are, too: nobody may be there to take it.
        """
        expected = self.let_go if now < self.let_go_at + COME_FOR_IT else 0
        return max(0, self.room_for(self.needed, most + expected) - expected)


def target(scope: BudgetScope, scope_id: str) -> str:
    """What a budget is for, as one text."""
    return f"{scope}:{scope_id}"


def targets_of(
    *, task_id: str, root_id: str, project_id: str | None, swarm_id: str | None, agent_id: str | None
) -> tuple[str, ...]:
    """Everything that budgets of an attempt may be for."""
    found = [(BudgetScope.TASK, task_id), (BudgetScope.ROOT, root_id), (BudgetScope.ALL, "")]
    if project_id:
        found.append((BudgetScope.PROJECT, project_id))
    if swarm_id:
        found.append((BudgetScope.SWARM, swarm_id))
    if agent_id:
        found.append((BudgetScope.AGENT, agent_id))
    return tuple(target(scope, scope_id) for scope, scope_id in found)


def let_go_on(budget: Budget, count: int, now: int) -> Budget:
    """So many of those that wait were told that there is room."""
    before = budget.let_go if now < budget.let_go_at + COME_FOR_IT else 0
    return replace(budget, let_go=before + count, let_go_at=now)


def reserve(budget: Budget, part: Amount) -> Budget:
    """An attempt begins, and holds that much."""
    return replace(
        _holding(budget, budget.reserved + part),
        let_go=max(0, budget.let_go - 1),
        attempts=budget.attempts + 1,
        under_way=budget.under_way + 1,
    )


def release(budget: Budget, part: Amount) -> Budget:
    """An attempt that held that much at last has ended, and gives it back with its place."""
    return replace(_holding(budget, budget.reserved - part), under_way=max(0, budget.under_way - 1))


def spend(budget: Budget, used: Amount, held: Amount, now: int) -> tuple[Budget, Amount]:
    """Book what was used, out of what is `held` for the attempt as far as that goes; answers what is still held.

    Where that reaches the cap, people are asked, whatever they said while there was something left.
    """
    covered = used.at_most(held)
    spent = budget.spent + used
    after = replace(_holding(budget, budget.reserved - covered), spent_micros=spent.micros, spent_tokens=spent.tokens)
    if after.is_reached and after.reached_at is None:
        after = _without_a_no(replace(after, reached_at=now))
    return after, held - covered


def refuse(budget: Budget, estimate: Amount, now: int) -> Budget:
    """An attempt found no room that is expected to cost so much, where the budget does not say it better."""
    wanted = estimate if budget.shut_at is None else estimate.at_most(budget.wanted)
    return replace(
        budget,
        refused=budget.refused + 1,
        let_go=max(0, budget.let_go - 1),
        shut_at=now if budget.shut_at is None else budget.shut_at,
        wanted_micros=wanted.micros,
        wanted_tokens=wanted.tokens,
    )


def reopen(budget: Budget) -> Budget:
    """Nobody waits any more for room."""
    return replace(budget, shut_at=None, wanted_micros=0, wanted_tokens=0, let_go=0)


def raised(budget: Budget) -> Budget:
    """The caps are added once more for this period, or as often as it takes to have room for one attempt."""
    wanted = budget.spent + budget.reserved + budget.needed
    return replace(
        budget,
        extra_micros=_extra(budget.cap_micros, budget.extra_micros, wanted.micros),
        extra_tokens=_extra(budget.cap_tokens, budget.extra_tokens, wanted.tokens),
        extra_attempts=_extra(budget.cap_attempts, budget.extra_attempts, budget.attempts + 1),
        reached_at=None,
        approval_id="",
    )


def _extra(cap: int | None, extra: int, wanted: int) -> int:
    if cap is None:
        return extra
    lacking = wanted - cap - extra
    return extra + cap * max(1, -(-lacking // cap))


def changed_by_people(before: Budget, after: Budget, now: int) -> Budget:
    """What a budget with other values is: reached or not by now; a no that was about other caps is forgotten."""
    after = replace(after, reached_at=(after.reached_at or now) if after.is_reached else None)
    return after if after.caps == before.caps else _without_a_no(after)


def _without_a_no(budget: Budget) -> Budget:
    return replace(budget, stand=BudgetStand.KEPT, approval_id="") if budget.stand is BudgetStand.DENIED else budget


def rolled(budget: Budget, now: int) -> Budget:
    """The budget in the period of `now`: a new day forgets what was spent, and what people said about the last one.

    What is reserved stays: the attempts that it is held for go on.
    """
    if budget.renews_at is None or now < budget.renews_at:
        return budget
    since, renews_at = day_of(now, budget.time_zone)
    return replace(
        budget,
        since=since,
        renews_at=renews_at,
        spent_micros=0,
        spent_tokens=0,
        extra_micros=0,
        extra_tokens=0,
        attempts=0,
        extra_attempts=0,
        stand=BudgetStand.KEPT,
        reached_at=None,
        approval_id=budget.approval_id if budget.stand is BudgetStand.KEPT else "",
    )


def day_of(now: int, time_zone: str) -> tuple[int, int]:
    """The midnights around an instant. A midnight that clocks leave out stands for the first instant of its day."""
    zone = zone_of(time_zone)
    today = datetime.fromtimestamp(now // SECOND, zone).date()
    return _midnight(today, zone), _midnight(today + timedelta(days=1), zone)


def _midnight(day: date, zone: tzinfo) -> int:
    moment = datetime(day.year, day.month, day.day, tzinfo=zone)
    return int(moment.astimezone(UTC).timestamp()) * SECOND


def begun(budget: Budget, now: int) -> Budget:
    """A new budget, in its first period."""
    if budget.period is BudgetPeriod.TOTAL:
        return replace(budget, created_at=now, since=now, renews_at=None)
    since, renews_at = day_of(now, budget.time_zone)
    return replace(budget, created_at=now, since=since, renews_at=renews_at)


def require_sound(budget: Budget) -> None:
    """Raise InvalidInput for a budget that caps nothing, or that cannot be."""
    if all(cap is None for cap in budget.caps):
        wanted = "give capUsd, capTokens, capAttempts or capAtOnce"
        raise _bad("capUsd", "a budget caps money, tokens or attempts, this one nothing", wanted)
    bounds = (
        ("capUsd", budget.cap_micros, MOST_MICROS),
        ("capTokens", budget.cap_tokens, MOST_TOKENS),
        ("capAttempts", budget.cap_attempts, MOST_ATTEMPTS),
        ("capAtOnce", budget.cap_at_once, MOST_AT_ONCE),
        ("estimateUsd", budget.estimate_micros, MOST_MICROS),
        ("estimateTokens", budget.estimate_tokens, MOST_TOKENS),
    )
    for field, value, most in bounds:
        if value is not None and not 1 <= value <= most:
            shown = "a billion dollars" if most == MOST_MICROS else f"{most:,}"
            raise _bad(field, f"{field} is out of range", f"expected more than 0, and at most {shown}")
    if (budget.scope is BudgetScope.ALL) != (not budget.scope_id):
        raise _bad("scopeId", "scopeId names what the budget is for; only one for all has none", "see: scope")
    zone_of(budget.time_zone)


def words_of(budget: Budget) -> str:
    """The cap, for people."""
    spent = _joined([words for words, _ in _parts(budget)], budget)
    places = "" if budget.cap_at_once is None else f"{budget.cap_at_once:,} at once"
    return ", ".join(part for part in (spent, places) if part)


def words_of_used(budget: Budget) -> str:
    """Of its caps those that are used up, for people."""
    return _joined([words for words, is_used in _parts(budget) if is_used], budget)


def micros_of(usd: float | None) -> int | None:
    """Dollars as they are kept, at least a millionth."""
    return None if usd is None else max(1, round(usd * DOLLAR))


def dollars(micros: int) -> str:
    """Money for people: cents, or as many digits as it has."""
    text = f"{micros / DOLLAR:.6f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"${int(whole):,}.{rest.ljust(2, '0')}"


def _holding(budget: Budget, reserved: Amount) -> Budget:
    return replace(budget, reserved_micros=max(0, reserved.micros), reserved_tokens=max(0, reserved.tokens))


def _parts(budget: Budget) -> list[tuple[str, bool]]:
    """Each cap on what is spent in words, and whether it is used up."""
    money, tokens = budget.limits
    parts = [(dollars(money), budget.spent_micros >= money)] if money is not None else []
    parts += [(f"{tokens:,} tokens", budget.spent_tokens >= tokens)] if tokens is not None else []
    if budget.cap_attempts is not None:
        attempts = budget.cap_attempts + budget.extra_attempts
        parts.append((f"{attempts:,} attempt{'' if attempts == 1 else 's'}", budget.attempts_left == 0))
    return parts


def _joined(parts: list[str], budget: Budget) -> str:
    return " and ".join(parts) + (" a day" if parts and budget.period is BudgetPeriod.DAY else "")


def _bad(field: str, message: str, hint: str) -> InvalidInput:
    return InvalidInput(message, hint=hint, details={"field": field})
