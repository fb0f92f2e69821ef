"""Budgets for people and agents: make, change and show them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from agent_swarm.domain import budgets as rules
from agent_swarm.domain.budgets import DOLLAR, Budget, BudgetAction, BudgetPeriod, BudgetScope, BudgetStand, micros_of
from agent_swarm.domain.errors import InvalidInput, UnknownReference
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import rest_budgets as shapes
from agent_swarm.services import cursors
from agent_swarm.services.agents import require_agent
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.budgets import BUDGET_TARGETS, BUDGETS, unknown_budget
from agent_swarm.store.families.swarms import living_swarm
from agent_swarm.store.operations import ChangeBudget, CreateBudget, RemoveBudget
from agent_swarm.store.records import TaskSpec

_SEARCHED = 10_000  # budgets that are looked at for a name, beside those that are for no task
_SEVERAL_TOLD = 5  # ids in the refusal of a name that several have
_NO_TASKS = (("", "root:"), ("root;", "task:"))  # between which targets there are none of tasks: ';' comes after ':'


class Budgets:
    """The budgets of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, wanted: shapes.BudgetInput, *, by: Identity) -> shapes.Budget:
        """Make a budget. Raises InvalidInput, UnknownReference for what it is for."""
        scope = BudgetScope(wanted.scope)
        scope_id = await self._store.read(lambda queries: _scope_id(queries, scope, wanted.scope_id))
        budget = Budget(
            id=new_id(),
            name=wanted.name or f"{scope} {wanted.scope_id or ''}".strip(),
            scope=scope,
            scope_id=scope_id,
            period=BudgetPeriod(wanted.period),
            time_zone=wanted.time_zone,
            cap_micros=micros_of(wanted.cap_usd),
            cap_tokens=wanted.cap_tokens,
            cap_attempts=wanted.cap_attempts,
            cap_at_once=wanted.cap_at_once,
            estimate_micros=micros_of(wanted.estimate_usd),
            estimate_tokens=wanted.estimate_tokens,
            action=BudgetAction(wanted.action),
            enabled=wanted.enabled,
        )
        rules.require_sound(budget)
        return view(await self._store.apply(CreateBudget(budget=budget, actor=by.actor)), self._store.now())

    async def page(self, *, cursor: str | None, limit: int) -> shapes.BudgetPage:
        """A page of all budgets, the oldest first."""
        after = cursors.read_words(cursor, 1)
        now = self._store.now()

        def reading(queries: Queries) -> shapes.BudgetPage:
            found = queries.scan(BUDGETS, after=after, limit=limit + 1)
            shown, following = cursors.page(found, limit, lambda one: cursors.after_words(one.id))
            return shapes.BudgetPage(budgets=[view(one, now) for one in shown], next_cursor=following)

        return await self._store.read(reading)

    async def get(self, named: str) -> shapes.Budget:
        """A budget by its id or name. Raises NotFound."""
        return view(await self._store.read(_find(named)), self._store.now())

    async def change(self, named: str, wanted: shapes.BudgetPatch, *, by: Identity) -> shapes.Budget:
        """Other values for it. Raises NotFound, InvalidInput."""
        found = await self._store.read(_find(named))
        values = _values(wanted)
        rules.require_sound(replace(found, **values))
        operation = ChangeBudget(budget_id=found.id, values=values, actor=by.actor)
        return view(await self._store.apply(operation), self._store.now())

    async def remove(self, named: str, *, by: Identity) -> shapes.Budget:
        """No budget any more; who waits for room in it goes on. Raises NotFound."""
        found = await self._store.read(_find(named))
        return view(await self._store.apply(RemoveBudget(budget_id=found.id, actor=by.actor)), self._store.now())


def view(budget: Budget, now: int) -> shapes.Budget:
    """A budget, as people see it."""
    budget = rules.rolled(budget, now)
    money, tokens = budget.left
    return shapes.Budget(
        id=budget.id,
        name=budget.name,
        scope=budget.scope.value,
        scope_id=budget.scope_id or None,
        period=budget.period.value,
        time_zone=budget.time_zone,
        cap_usd=_usd(budget.cap_micros),
        cap_tokens=budget.cap_tokens,
        cap_attempts=budget.cap_attempts,
        cap_at_once=budget.cap_at_once,
        extra_usd=budget.extra_micros / DOLLAR,
        extra_tokens=budget.extra_tokens,
        extra_attempts=budget.extra_attempts,
        estimate_usd=_usd(budget.estimate_micros),
        estimate_tokens=budget.estimate_tokens,
        action=budget.action.value,
        enabled=budget.enabled,
        status=_status(budget),
        spent_usd=budget.spent_micros / DOLLAR,
        spent_tokens=budget.spent_tokens,
        reserved_usd=budget.reserved_micros / DOLLAR,
        reserved_tokens=budget.reserved_tokens,
        left_usd=_usd(money),
        left_tokens=tokens,
        attempts=budget.attempts,
        left_attempts=budget.attempts_left,
        at_once=budget.under_way,
        refused=budget.refused,
        since=to_wire(budget.since),
        renews_at=None if budget.renews_at is None else to_wire(budget.renews_at),
        reached_at=None if budget.reached_at is None else to_wire(budget.reached_at),
        approval_id=budget.approval_id or None,
        created_by=budget.created_by,
        created_at=to_wire(budget.created_at),
    )


def of_attempt(queries: Queries, spec: TaskSpec, agent_id: str | None) -> list[Budget]:
    """The budgets that an attempt at a task counts for, by id."""
    targets = rules.targets_of(
        task_id=spec.id,
        root_id=spec.root_id,
        project_id=spec.project_id,
        swarm_id=spec.swarm_id,
        agent_id=agent_id,
    )
    places = [found for one in targets if (found := queries.record(BUDGET_TARGETS, one)) is not None]
    ids = sorted({budget_id for place in places for budget_id in place.budget_ids})
    return [budget for one in ids if (budget := queries.record(BUDGETS, one)) is not None]


def left_of(queries: Queries, spec: TaskSpec, agent_id: str | None, now: int) -> list[dict[str, Any]]:
    """What an attempt may still spend, by budget: for agents."""
    found = [view(one, now) for one in of_attempt(queries, spec, agent_id)]
    caps = {"cap_usd", "cap_tokens", "cap_attempts", "cap_at_once"}
    told = {"name", "scope", "status", *caps, "left_usd", "left_tokens", "left_attempts", "at_once", "renews_at"}
    return [one.model_dump(mode="json", by_alias=True, include=told) for one in found]


def _find(named: str) -> Callable[[Queries], Budget]:
    def reading(queries: Queries) -> Budget:
        budget_id = normalize_id(named)
        found = queries.record(BUDGETS, budget_id) if budget_id else None
        if found is None:
            known = _called(queries, named)
            if len(known) > 1:
                raise _several(named, known)
            found = known[0] if known else None
        if found is None:
            raise unknown_budget(named)
        return found

    return reading


def _several(named: str, known: Sequence[Budget]) -> InvalidInput:
    ids = ", ".join(f"{one.id} ({rules.words_of(one)})" for one in known[:_SEVERAL_TOLD])
    return InvalidInput(f"{len(known)} budgets are called {named!r}", hint=f"name one by its id: {ids}")


def _called(queries: Queries, name: str) -> list[Budget]:
    """The budgets of that name. There may be one for each root task: those of anything else are looked at anyhow."""
    ids = [
        budget_id
        for after, before in _NO_TASKS
        for place in queries.scan(BUDGET_TARGETS, after=(after,), limit=_SEARCHED)
        if place.target < before
        for budget_id in place.budget_ids
    ]
    others = (budget for one in sorted(set(ids)) if (budget := queries.record(BUDGETS, one)) is not None)
    found = {one.id: one for one in (*others, *queries.scan(BUDGETS, limit=_SEARCHED)) if one.name == name}
    return list(found.values())


def _scope_id(queries: Queries, scope: BudgetScope, named: str | None) -> str:
    """The id of what a budget is for; the operation looks whether it is there."""
    if named is None:
        return ""
    match scope:
        case BudgetScope.AGENT:
            return require_agent(queries, named).profile.id
        case BudgetScope.PROJECT:
            project = queries.project(normalize_id(named) or named)
            if project is None:
                raise _unknown("project", named)
            return project.id
        case BudgetScope.SWARM:
            return living_swarm(queries, named, field="scopeId").id
        case BudgetScope.TASK | BudgetScope.ROOT:
            task_id = normalize_id(named)
            if task_id is None or queries.task(task_id) is None:
                raise _unknown("task", named)
            return task_id
        case BudgetScope.ALL:
            return named  # refused by `require_sound`


def _values(wanted: shapes.BudgetPatch) -> Mapping[str, Any]:
    """What is to change, by field of the budget."""
    told = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    values: dict[str, Any] = {}
    for name, value in told.items():
        if name.endswith("_usd"):
            values[name.replace("_usd", "_micros")] = micros_of(value)
        elif name.endswith(("_tokens", "_attempts", "_at_once")):
            values[name] = value
        elif value is not None:
            values[name] = BudgetAction(value) if name == "action" else value
    known = {field.name for field in fields(Budget)}
    assert values.keys() <= known  # the shape has no other fields
    return values


def _status(budget: Budget) -> Any:
    if not budget.enabled:
        return "off"
    if budget.stand is not BudgetStand.KEPT:
        return budget.stand.value
    if budget.is_used_up:
        return "reached"
    return "open" if budget.admits(budget.needed) else "full"


def _usd(micros: int | None) -> float | None:
    return None if micros is None else micros / DOLLAR


def _unknown(kind: str, named: str) -> UnknownReference:
    return UnknownReference(
        f"scopeId names {kind} {named[:64]!r}, which does not exist",
        hint=f"create the {kind} first, or correct scopeId",
        details={"field": "scopeId", "value": named[:64]},
    )
