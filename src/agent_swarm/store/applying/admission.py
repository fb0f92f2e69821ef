"""Which tasks budgets let begin (rule T1): an attempt reserves in every budget that it counts for, or does not begin.

A task that finds no room leaves the queue, until there is some: no later claim looks at it again, so claims cost the
same however many wait.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from agent_swarm.domain import budgets as rules
from agent_swarm.domain.budgets import Amount, Budget
from agent_swarm.domain.matching import RUNNER_CAPABILITY
from agent_swarm.domain.priority import sort_key
from agent_swarm.domain.values import changed
from agent_swarm.store import events
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.work import Work
from agent_swarm.store.families.budgets import (
    ADMISSIONS,
    BUDGET_WAITS,
    RESERVATIONS,
    Admission,
    BudgetWait,
    admission,
    reservation,
)
from agent_swarm.store.refusals import budget_exhausted
from agent_swarm.store.rows import Entry

Member = tuple[int, Any]  # a credit, with the place of its answer
Parts = dict[str, Amount]  # by budget

IN_FRONT = 10**18  # farther than any two places of the queue are apart
LOOKS = (0, 32, 128, 256, 256, 256)  # how many heads of the queue a claim looks at, at least; then others may try


def admitted(
    work: Work, class_ids: Sequence[int], members: Sequence[Member], replies: list[Any]
) -> Iterator[tuple[Member, str, Parts]]:
    """Credits with the task that each gets and what that reserves; whoever takes one has to claim it at once.

    An agent whose own budget has no room is refused with BudgetExhausted where it would have got something.
    """
    waiting = deque(members)
    for least in LOOKS:
        if not waiting:
            return
        heads = work.rows.heads(class_ids, max(least, len(waiting)))
        if not heads:
            return
        work.rows.prefetch(tasks=heads)
        free = [one for one in heads if (entry := work.must(one)).state.ready and entry.claim_class in class_ids]
        agents = {op.agent_id for _, op in waiting}
        targets = {target for one in free for target in work.ledger.targets_of(work.must(one), None)}
        work.ledger.load(targets | {rules.target(rules.BudgetScope.AGENT, one) for one in agents})
        for task_id in free:
            yield from _one(work, work.must(task_id), waiting, replies)
    work.ready[class_ids[0]] += len(waiting)  # there is more to look at: whoever waits may ask again


def _one(work: Work, entry: Entry, waiting: deque[Member], replies: list[Any]) -> Iterator[tuple[Member, str, Parts]]:
    """The first credit that may have this task, if any; the task is put aside where no credit could help it."""
    while waiting:
        member = waiting[0]
        op: ops.ClaimTask = member[1]
        if RUNNER_CAPABILITY in work.rows.requirements(entry.claim_class).capabilities:
            waiting.popleft()
            yield member, entry.state.id, {}  # the server's own work, which costs nothing and waits for what does
            return
        counted = work.ledger.of(work.ledger.targets_of(entry, None))
        lacking = _first_without_room(counted, op.estimate)
        if lacking is not None:
            _put_aside(work, entry, lacking, op.estimate)
            return
        waiting.popleft()
        own = work.ledger.of((rules.target(rules.BudgetScope.AGENT, op.agent_id),))
        lacking = _first_without_room(own, op.estimate)
        if lacking is not None and work.rows.requirements(entry.claim_class).agent_id == op.agent_id:
            waiting.appendleft(member)
            _put_aside(work, entry, lacking, op.estimate, agent_id=op.agent_id)  # nobody else may have it
            return
        if lacking is not None:  # the task is for others
            if lacking.shut_at is None:
                _refuse(work, entry, lacking, op.estimate, agent_id=op.agent_id)
            replies[member[0]] = budget_exhausted(lacking)
            continue
        parts = {budget.id: budget.expects(op.estimate) for budget in (*counted, *own)}
        for budget in (*counted, *own):
            work.ledger.put(rules.reserve(budget, parts[budget.id]))
        yield member, entry.state.id, parts
        return


def _first_without_room(budgets: Sequence[Budget], estimate: Amount) -> Budget | None:
    return next((budget for budget in budgets if not budget.admits(budget.expects(estimate))), None)


def _refuse(work: Work, entry: Entry, budget: Budget, estimate: Amount, *, agent_id: str = "") -> None:
    state = entry.state
    work.ledger.put(rules.refuse(budget, estimate, work.now))
    met = Admission(task_id=state.id, number=state.attempt + 1, agent_id=agent_id, at=work.now, refused=1)
    work.put(ADMISSIONS, met)


def _put_aside(work: Work, entry: Entry, budget: Budget, estimate: Amount, *, agent_id: str = "") -> None:
    state = entry.state
    _refuse(work, entry, budget, estimate, agent_id=agent_id)
    work.put(BUDGET_WAITS, wait_of(entry, budget.id))
    work.save(entry, changed(state, ready=False, not_before=None))  # no timer wakes it
    data = {"budgetId": budget.id, "budget": budget.name}
    work.tell(entry, events.of_task("task.waitsForBudget", state, actor=events.SYSTEM, data=data))


def wait_of(entry: Entry, budget_id: str, *, in_front: bool = False) -> BudgetWait:
    """The place of a task among those that wait for room: that of the queue, or before all of the queue."""
    rank = sort_key(created_at=entry.created_at, priority=entry.priority) - (IN_FRONT if in_front else 0)
    return BudgetWait(budget_id=budget_id, rank=rank, task_id=entry.state.id)


def keep_reservation(work: Work, task_id: str, number: int, agent_id: str, parts: Parts) -> None:
    """What an attempt holds, from its claim on."""
    if parts:
        work.add(RESERVATIONS, [reservation(task_id, number, parts)])
        work.put(ADMISSIONS, admission(task_id, number, agent_id, work.now, parts))
