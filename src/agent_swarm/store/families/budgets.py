"""Budgets as they are kept: each with what it is for, what attempts hold of it, and who waits for room in it.

A budget is found by its target, one row for all budgets of that, so that a batch asks once for everything it meets.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent_swarm.domain.budgets import Amount, Budget, BudgetScope, target
from agent_swarm.domain.errors import NotFound
from agent_swarm.store.families.agent_children import Records, with_all_below
from agent_swarm.store.families.family import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTarget:
    """The budgets of one target (`domain.budgets.target`), disabled ones included."""

    target: str
    budget_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLook:
    """That a budget needs a look: it is reached, or somebody waits for room in it."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWait:
    """A task that waits for room in a budget, in the order of the queue; in the queue or paused."""

    budget_id: str
    rank: int
    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What an attempt that goes on holds, by budget: [micro-dollars, tokens]. It ends with the attempt."""

    attempt: str
    task_id: str
    number: int
    parts: Mapping[str, Sequence[int]]

    def part(self, budget_id: str) -> Amount:
        """What it holds of one budget."""
        return Amount(*self.parts.get(budget_id, (0, 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What budgets said when an attempt was to begin: what it reserved, or that it found no room. Kept for reports.

    `number` is that of the attempt that begins, or would have; `agent_id` is empty where no agent would find room.
    `micros` and `tokens` are the most that it holds of any of its budgets.
    """

    task_id: str
    number: int
    agent_id: str
    at: int
    micros: int = 0
    tokens: int = 0
    refused: int = 0  # 1 where it found no room


BUDGETS = Family("budget", Budget, key=("id",))
BUDGET_TARGETS = Family("budget_target", BudgetTarget, key=("target",))
BUDGET_LOOKS = Family("budget_look", BudgetLook, key=("id",))
BUDGET_WAITS = Family("budget_wait", BudgetWait, key=("budget_id", "rank", "task_id"))
RESERVATIONS = Family("budget_reservation", Reservation, key=("attempt",))
ADMISSIONS = Family("admission", Admission, key=("task_id", "number", "agent_id", "at"))


def attempt_key(task_id: str, number: int) -> str:
    """Under which key the reservation of an attempt is kept."""
    return f"{task_id}/{number}"


def reservation(task_id: str, number: int, parts: Mapping[str, Amount]) -> Reservation:
    """What an attempt holds from its claim on."""
    held = {budget_id: [part.micros, part.tokens] for budget_id, part in sorted(parts.items())}
    return Reservation(attempt=attempt_key(task_id, number), task_id=task_id, number=number, parts=held)


def admission(task_id: str, number: int, agent_id: str, at: int, parts: Mapping[str, Amount]) -> Admission:
    """What an attempt reserved when it began."""
    return Admission(
        task_id=task_id,
        number=number,
        agent_id=agent_id,
        at=at,
        micros=max(part.micros for part in parts.values()),
        tokens=max(part.tokens for part in parts.values()),
    )


def ids_of(targets: Iterable[BudgetTarget]) -> list[str]:
    """All budgets of these targets."""
    return sorted({budget_id for one in targets for budget_id in one.budget_ids})


def unknown_budget(budget_id: str) -> NotFound:
    """There is no such budget."""
    return NotFound(
        f"no budget has the id or name {budget_id[:100]!r}",
        hint="list budgets with: agent-swarm budget ls",
        details={"budget": budget_id[:100]},
    )


def places_of(records: Records, budget: Budget) -> list[str]:
    """The targets under which attempts find a budget: that of an agent counts for the agents below it, too."""
    if budget.scope is not BudgetScope.AGENT:
        return [target(budget.scope, budget.scope_id)]
    return [target(budget.scope, agent_id) for agent_id in with_all_below(records, budget.scope_id)]
