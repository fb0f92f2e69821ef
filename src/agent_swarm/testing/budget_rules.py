"""The rules of budgets, checked on what a store holds and on its events: nothing is held twice or for nobody, and no
more attempts have begun than were allowed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from agent_swarm.domain import budgets as rules
from agent_swarm.domain.budgets import Budget, BudgetPeriod
from agent_swarm.domain.matching import RUNNER_CAPABILITY
from agent_swarm.store.base import Queries
from agent_swarm.store.families.budgets import BUDGETS, RESERVATIONS, Reservation, places_of
from agent_swarm.store.records import Event, TaskRecord

RESERVED = "what is reserved is what attempts hold"
PLACES = "as many attempts are under way as hold something"
HOLDERS = "only an attempt under way holds something of a budget"
BEGUN = "no more attempts begin than a budget allows"
AT_ONCE = "no more attempts are under way than a budget allows"

_ENDS = frozenset({"task.completed", "task.failed", "task.requeued", "task.paused", "task.cancelled", "task.killed"})
_ALL = 1_000_000
_PAGE = 1_000


@dataclass(slots=True)
class _Watched:
    """A budget as the events tell of it, from its first one on; its caps are those that it was made with."""

    budget_id: str
    places: frozenset[str]
    cap_attempts: int | None
    cap_at_once: int | None
    ends_at: int | None  # when its first period is over
    begun: int = 0
    under_way: set[str] = field(default_factory=set)  # tasks


def broken(queries: Queries) -> Iterator[tuple[str, str]]:
    """Every rule that a store breaks, and where."""
    budgets = queries.scan(BUDGETS, limit=_ALL)
    held = queries.scan(RESERVATIONS, limit=_ALL)
    for budget in budgets:
        yield from _of_holdings(budget, held)
    states = {task.spec.id: task.state for task in queries.tasks([one.task_id for one in held])}
    for one in held:
        state = states.get(one.task_id)
        if state is None or not state.is_held or state.attempt != one.number:
            yield HOLDERS, f"attempt {one.attempt}"
    counted = [one for one in budgets if one.enabled and (one.cap_attempts or one.cap_at_once)]
    if counted:
        yield from _of_events(queries, counted)


def _of_holdings(budget: Budget, held: Sequence[Reservation]) -> Iterator[tuple[str, str]]:
    parts = [one.part(budget.id) for one in held if budget.id in one.parts]
    if budget.reserved != sum(parts, rules.NOTHING):
        yield RESERVED, f"budget {budget.id} holds {budget.reserved}, attempts {parts}"
    if budget.under_way != len(parts):
        yield PLACES, f"budget {budget.id} says {budget.under_way}, {len(parts)} hold something"


def _of_events(queries: Queries, budgets: Sequence[Budget]) -> Iterator[tuple[str, str]]:
    """What began, for as long as nobody has changed the budget and its first period lasts."""
    known = {one.id: one for one in budgets}
    watched: dict[str, _Watched] = {}
    tasks: dict[str, TaskRecord] = {}
    last = 0
    while page := queries.events_after(last, limit=_PAGE):
        last = page[-1].seq
        named = {event.task_id for event in page if event.task_id} - tasks.keys()
        tasks.update((task.spec.id, task) for task in queries.tasks(sorted(named)))
        for event in page:
            if event.type == "budget.created" and event.subject_id in known:
                watched[event.subject_id] = _watched(queries, known[event.subject_id], event)
            elif event.type == "budget.changed":
                watched.pop(event.subject_id, None)
            elif event.task_id in tasks:
                for one in watched.values():
                    if one.ends_at is None or event.at < one.ends_at:  # that it is renewed is told after what it let in
                        yield from _told(one, event, tasks[event.task_id])


def _watched(queries: Queries, budget: Budget, created: Event) -> _Watched:
    is_for_days = budget.period is BudgetPeriod.DAY
    return _Watched(
        budget.id,
        frozenset(places_of(queries, budget)),
        cap_attempts=created.data.get("capAttempts"),
        cap_at_once=created.data.get("capAtOnce"),
        ends_at=rules.day_of(created.at, budget.time_zone)[1] if is_for_days else None,
    )


def _told(one: _Watched, event: Event, task: TaskRecord) -> Iterator[tuple[str, str]]:
    if event.type in _ENDS:
        one.under_way.discard(task.spec.id)
    if event.type != "task.claimed" or one.places.isdisjoint(_targets(task, event.data["agentId"])):
        return
    one.begun += 1
    one.under_way.add(task.spec.id)
    if one.cap_attempts is not None and one.begun > one.cap_attempts:
        yield BEGUN, f"event {event.seq}: attempt {one.begun} in budget {one.budget_id}"
    if one.cap_at_once is not None and len(one.under_way) > one.cap_at_once:
        yield AT_ONCE, f"event {event.seq}: {len(one.under_way)} at once in budget {one.budget_id}"


def _targets(task: TaskRecord, agent_id: str) -> tuple[str, ...]:
    """What an attempt counts for; what servers carry out themselves counts for nothing."""
    spec = task.spec
    if RUNNER_CAPABILITY in spec.requires.capabilities:
        return ()
    return rules.targets_of(
        task_id=spec.id,
        root_id=spec.root_id,
        project_id=spec.project_id,
        swarm_id=spec.swarm_id,
        agent_id=agent_id,
    )
