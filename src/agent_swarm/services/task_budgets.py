"""The budgets that tasks are filed with: what their filer says, else what the server says for root tasks."""

from collections.abc import Sequence

from agent_swarm.domain import budgets as rules
from agent_swarm.domain.budgets import Budget, BudgetScope, RootCaps, micros_of
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.ids import new_id
from agent_swarm.protocol import rest
from agent_swarm.store.base import Queries
from agent_swarm.store.families.budgets import BUDGET_TARGETS, BUDGETS


def root_budgets(task_id: str, caps: RootCaps) -> tuple[Budget, ...]:
    """The budget of a root task that is filed without one: it ends a loop of tasks that file tasks below it."""
    if caps.is_nothing:
        return ()
    budget = Budget(
        id=new_id(),
        name=_name(BudgetScope.ROOT, task_id),
        scope=BudgetScope.ROOT,
        scope_id=task_id,
        cap_micros=caps.micros,
        cap_tokens=caps.tokens,
        cap_attempts=caps.attempts,
        cap_at_once=caps.at_once,
    )
    return (budget,)


def budgets_of_task(
    wanted: rest.TaskBudgetInput | None, task_id: str, *, is_root: bool, field: str, caps: RootCaps
) -> tuple[Budget, ...]:
    """The budget that a task is filed with, if any: of a root task it is for all that is filed below it, too."""
    if wanted is None:
        return root_budgets(task_id, caps) if is_root else ()
    if all(cap is None for cap in (wanted.usd, wanted.tokens, wanted.attempts, wanted.at_once)):
        hint = "give usd, tokens, attempts or atOnce"
        raise InvalidInput(f"{field} caps nothing", hint=hint, details={"field": field})
    scope = BudgetScope.ROOT if is_root else BudgetScope.TASK
    budget = Budget(
        id=new_id(),
        name=_name(scope, task_id),
        scope=scope,
        scope_id=task_id,
        cap_micros=micros_of(wanted.usd),
        cap_tokens=wanted.tokens,
        cap_attempts=wanted.attempts,
        cap_at_once=wanted.at_once,
        estimate_micros=micros_of(wanted.estimate_usd),
        estimate_tokens=wanted.estimate_tokens,
    )
    return (budget,)


def own_budgets(queries: Queries, task_id: str) -> list[Budget]:
    """The budgets of a task alone, and of it as a root task."""
    places = [
        found
        for scope in (BudgetScope.TASK, BudgetScope.ROOT)
        if (found := queries.record(BUDGET_TARGETS, rules.target(scope, task_id))) is not None
    ]
    ids = [budget_id for place in places for budget_id in place.budget_ids]
    return [budget for one in ids if (budget := queries.record(BUDGETS, one)) is not None]


def budgets_for_another(budgets: Sequence[Budget], task_id: str) -> tuple[Budget, ...]:
    """The same caps for a task that is filed once more, with nothing spent."""
    return tuple(
        Budget(
            id=new_id(),
            name=_name(one.scope, task_id) if one.name == _name(one.scope, one.scope_id) else one.name,
            scope=one.scope,
            scope_id=task_id,
            period=one.period,
            time_zone=one.time_zone,
            cap_micros=one.cap_micros,
            cap_tokens=one.cap_tokens,
            cap_attempts=one.cap_attempts,
            cap_at_once=one.cap_at_once,
            estimate_micros=one.estimate_micros,
            estimate_tokens=one.estimate_tokens,
            action=one.action,
            enabled=one.enabled,
        )
        for one in budgets
    )


def _name(scope: BudgetScope, task_id: str) -> str:
    return f"{scope} {task_id}"
