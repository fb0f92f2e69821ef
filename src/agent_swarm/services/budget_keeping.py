"""Which budgets the server has something to do for: one reading, and an operation for each."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_swarm.domain import budgets as rules
from agent_swarm.domain.budgets import Budget, BudgetStand
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.store.base import Queries
from agent_swarm.store.families.approvals import APPROVALS, Approval
from agent_swarm.store.families.budgets import BUDGET_LOOKS, BUDGET_WAITS, BUDGETS, BudgetWait, places_of
from agent_swarm.store.operations import KeepBudget
from agent_swarm.store.records import TaskRecord

PAGE = 200
WAITS = 100  # let go on, or failed, at a time
HELD = 100  # interrupted at a time


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be done now; whether any budget is to be looked at later; when the first of those begins a new day."""

    due: tuple[KeepBudget, ...]
    has_any: bool
    next_at: int | None


def look(queries: Queries, now: int) -> Look:
    """What budgets ask for. Those that ask for nothing cost a few reads, and there are as many as wait or are full."""
    due: list[KeepBudget] = []
    renewals: list[int] = []
    held: list[TaskRecord] | None = None
    has_any = False
    after: tuple[str, ...] | None = None
    while page := queries.scan(BUDGET_LOOKS, after=after, limit=PAGE):
        has_any, after = True, (page[-1].id,)
        for one in page:
            stored = queries.record(BUDGETS, one.id)
            budget = None if stored is None else rules.rolled(stored, now)
            waits = tuple(queries.scan(BUDGET_WAITS, one.id, limit=WAITS))
            covered: tuple[str, ...] = ()
            if budget is not None and budget.stops:
                held = queries.held_tasks() if held is None else held
                covered = _covered(queries, budget, held)
            if stored != budget or _asks_for_something(queries, budget, waits, covered, now):
                due.append(KeepBudget(budget_id=one.id, approval_id=new_id(), waits=waits, held=covered))
            elif budget is not None and budget.renews_at is not None:
                renewals.append(budget.renews_at)
    return Look(tuple(due), has_any, min(renewals, default=None))


def _covered(queries: Queries, budget: Budget, held: Sequence[TaskRecord]) -> tuple[str, ...]:
    """Attempts under way that count for this budget, and that nobody has interrupted yet."""
    places = set(places_of(queries, budget))
    return tuple(
        task.spec.id
        for task in held
        if task.state.pause_wanted is None
        and not places.isdisjoint(
            rules.targets_of(
                task_id=task.spec.id,
                root_id=task.spec.root_id,
                project_id=task.spec.project_id,
                swarm_id=task.spec.swarm_id,
                agent_id=task.state.agent_id,
            )
        )
    )[:HELD]


def _asks_for_something(
    queries: Queries, budget: Budget | None, waits: Sequence[BudgetWait], covered: Sequence[str], now: int
) -> bool:
    if budget is None:
        return True
    if budget.stops:
        return bool(covered) or _waits_for_people(queries, budget, waits) or not (waits or budget.shut_at)
    if budget.is_for_people:
        if _waits_for_people(queries, budget, waits):
            return True
    elif _open_question(queries, budget) is not None:
        return True
    if waits:
        return _is_anything_to_do(queries, waits, has_room=budget.openings(1, now) > 0)
    return budget.shut_at is None or budget.admits(budget.needed)


def _waits_for_people(queries: Queries, budget: Budget, waits: Sequence[BudgetWait]) -> bool:
    """Whether something waits that no question is open about, or is to fail."""
    states = [task.state for task in queries.tasks([wait.task_id for wait in waits])]
    is_paused = any((one.status, one.pause_reason) == (TaskStatus.PAUSED, PauseReason.BUDGET) for one in states)
    if budget.stand is BudgetStand.DENIED:
        return is_paused
    if not is_paused and not any(one.status is TaskStatus.PENDING and not one.ready for one in states):
        return False
    question = _open_question(queries, budget)
    return question is None or question.asked_at < (budget.reached_at or 0)


def _open_question(queries: Queries, budget: Budget) -> Approval | None:
    question = queries.record(APPROVALS, budget.approval_id) if budget.approval_id else None
    return question if question is not None and question.is_open else None


def _is_anything_to_do(queries: Queries, waits: Sequence[BudgetWait], *, has_room: bool) -> bool:
    """Whether somebody can be let go on, or does not wait any more. Whose worker has yet to stop is left alone."""
    states = {task.spec.id: task.state for task in queries.tasks([wait.task_id for wait in waits])}
    free = [state for wait in waits if (state := states.get(wait.task_id)) is None or not state.is_held]
    return bool(free) if has_room else any(state is None or state.is_terminal or state.ready for state in free)
