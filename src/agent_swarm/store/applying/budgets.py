"""Budgets are made and changed by people, and kept by the server: it interrupts, asks, and lets go on."""

from dataclasses import replace

from agent_swarm.domain import budgets as rules
from agent_swarm.domain.approvals import MAX_EXPIRY_SECONDS, ApprovalStatus, Question, QuestionKind
from agent_swarm.domain.budgets import Budget, BudgetScope, BudgetStand
from agent_swarm.domain.changes import is_due
from agent_swarm.domain.commands import RequestPause, Resume, Unfund
from agent_swarm.domain.errors import AlreadyExists, InvalidInput
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.domain.values import changed
from agent_swarm.store import events, refusals
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.admission import wait_of
from agent_swarm.store.applying.work import Work
from agent_swarm.store.families import approvals
from agent_swarm.store.families.approvals import APPROVALS, Approval
from agent_swarm.store.families.budgets import (
    BUDGET_LOOKS,
    BUDGET_TARGETS,
    BUDGET_WAITS,
    BUDGETS,
    RESERVATIONS,
    BudgetLook,
    BudgetTarget,
    places_of,
    unknown_budget,
)
from agent_swarm.store.families.swarms import unknown_swarm_in
from agent_swarm.store.rows import Entry

RAISE, GO_ON = "raise the cap by as much again", "go on without this cap"
ANSWER = "goOn"


def create_budget(work: Work, op: ops.CreateBudget) -> Budget:
    """A budget, from now on."""
    if work.get(BUDGETS, op.budget.id) is not None:
        raise AlreadyExists(f"a budget with the id {op.budget.id!r} exists", details={"budgetId": op.budget.id})
    _require_there(work, op.budget)
    return add_budget(work, op.budget, actor=op.actor)


def add_budget(work: Work, wanted: Budget, *, actor: str) -> Budget:
    """Put a budget in; what it is for is there, or is being made in this batch."""
    rules.require_sound(wanted)
    made = rules.begun(replace(wanted, created_by=actor), work.now)
    place = rules.target(made.scope, made.scope_id)
    known = work.get(BUDGET_TARGETS, place)
    ids = () if known is None else tuple(known.budget_ids)
    if len(ids) >= rules.MOST_BUDGETS:
        raise InvalidInput(f"{place} has {len(ids):,} budgets, no more are made", hint="remove one, or change it")
    work.ledger.forget()
    work.put(BUDGETS, made)
    for target in places_of(work, made):
        known = work.get(BUDGET_TARGETS, target)
        ids = () if known is None else tuple(known.budget_ids)
        work.put(BUDGET_TARGETS, BudgetTarget(target=target, budget_ids=tuple(sorted((*ids, made.id)))))
    work.say(events.of_budget("budget.created", made, actor=actor))
    return made


def inherit_budgets(work: Work, parent_id: str, agent_id: str) -> None:
    """An agent that is introduced below another one counts for all that the other one counts for."""
    known = work.get(BUDGET_TARGETS, rules.target(BudgetScope.AGENT, parent_id))
    if known is not None:
        place = rules.target(BudgetScope.AGENT, agent_id)
        work.put(BUDGET_TARGETS, BudgetTarget(target=place, budget_ids=known.budget_ids))


def change_budget(work: Work, op: ops.ChangeBudget) -> Budget:
    """Other values for a budget; who waits is let go on where that makes room."""
    before = _loaded(work, op.budget_id)
    after = replace(before, **op.values)
    rules.require_sound(after)
    if after.period is not before.period or after.time_zone != before.time_zone:
        begun = rules.begun(after, work.now)
        after = replace(after, since=begun.since, renews_at=begun.renews_at)
    if after == before:
        return before
    after = rules.changed_by_people(before, after, work.now)
    work.ledger.put(after)
    work.ledger.write()
    work.put(BUDGET_LOOKS, BudgetLook(id=after.id))
    work.say(events.of_budget("budget.changed", after, actor=op.actor))
    return after


def remove_budget(work: Work, op: ops.RemoveBudget) -> Budget:
    """No budget any more. Who waits for it stays on record until the server has let all of them go on."""
    found = _loaded(work, op.budget_id)
    work.ledger.forget()
    work.remove(BUDGETS, found.id)
    for place in places_of(work, found):
        known = work.get(BUDGET_TARGETS, place)
        ids = () if known is None else tuple(one for one in known.budget_ids if one != found.id)
        if ids:
            work.put(BUDGET_TARGETS, BudgetTarget(target=place, budget_ids=ids))
        else:
            work.remove(BUDGET_TARGETS, place)
    work.put(BUDGET_LOOKS, BudgetLook(id=found.id))
    work.say(events.of_budget("budget.removed", found, actor=op.actor))
    if not work.rows.has_budgets():  # ends of attempts ask for nothing from now on
        while held := work.scan(RESERVATIONS, limit=500):
            for one in held:
                work.remove(RESERVATIONS, one.attempt)
    return found


def keep_budget(work: Work, op: ops.KeepBudget) -> ops.Kept:
    """What the budget asks for now; the tasks were fetched, and what the batch did was booked."""
    work.ledger.load((), ids=[op.budget_id])
    budget = work.ledger.get(op.budget_id)
    interrupted = _interrupt(work, op, budget) if budget is not None and budget.stops else 0
    is_denied = budget is not None and budget.is_for_people and budget.stand is BudgetStand.DENIED
    failed = _fail(work, op) if is_denied else 0
    woken = _let_go_on(work, op, budget)
    if budget is None:
        if not work.scan(BUDGET_WAITS, op.budget_id, limit=1):
            work.remove(BUDGET_LOOKS, op.budget_id)
        return ops.Kept(woken=woken)
    budget = _ask_or_close(work, op, rules.let_go_on(budget, woken, work.now) if woken else budget)
    work.ledger.put(_at_rest(work, op, budget))
    work.ledger.write()
    return ops.Kept(woken=woken, interrupted=interrupted, failed=failed)


def answered(work: Work, asked: Approval) -> None:
    """A person has said what becomes of a budget that has no room for anybody, or nobody has."""
    work.ledger.load((), ids=[asked.budget_id])
    budget = work.ledger.get(asked.budget_id)
    if budget is None:
        return
    if asked.status is not ApprovalStatus.ANSWERED:  # silence is no
        after = replace(budget, stand=BudgetStand.DENIED)
    elif asked.answers.get(ANSWER) == GO_ON:
        after = replace(budget, stand=BudgetStand.WAIVED)
    else:
        after = rules.raised(budget)
    work.ledger.put(after)
    work.ledger.write()
    work.put(BUDGET_LOOKS, BudgetLook(id=after.id))
    work.say(events.of_budget("budget.changed", after, actor=asked.settled_by))


def _interrupt(work: Work, op: ops.KeepBudget, budget: Budget) -> int:
    covered = [entry for entry in _covered(work, op, budget) if entry.state.pause_wanted is None]
    for entry in covered:
        work.put(BUDGET_WAITS, wait_of(entry, budget.id, in_front=True))
        note = {"budgetId": budget.id, "budget": budget.name}
        work.decide(RequestPause(task_id=entry.state.id, reason=PauseReason.BUDGET), actor=events.SYSTEM, note=note)
    return len(covered)


def _covered(work: Work, op: ops.KeepBudget, budget: Budget) -> list[Entry]:
    """Of the attempts that were looked up, those that go on and count for this budget."""
    places = set(places_of(work, budget))
    found = [entry for task_id in op.held if (entry := work.rows.entry(task_id)) is not None and entry.state.is_held]
    return [e for e in found if not places.isdisjoint(work.ledger.targets_of(e, e.state.agent_id))]


def _fail(work: Work, op: ops.KeepBudget) -> int:
    count = 0
    for wait in op.waits:
        entry = work.rows.entry(wait.task_id)
        if entry is not None and _is_paused(entry):
            work.decide(Unfund(task_id=wait.task_id), actor=events.SYSTEM, note={"budgetId": op.budget_id})
            work.remove(BUDGET_WAITS, wait.budget_id, wait.rank, wait.task_id)
            count += 1
    return count


def _let_go_on(work: Work, op: ops.KeepBudget, budget: Budget | None) -> int:
    """Let those go on that there is room for, in the order of the queue; drop those that do not wait any more."""
    most = len(op.waits)
    if budget is not None:
        most = 0 if budget.stops else budget.openings(most, work.now)
    woken = 0
    for wait in op.waits:
        entry = work.rows.entry(wait.task_id)
        if entry is not None and _still_waits(work, entry):
            if woken >= most or entry.state.is_held:
                continue
            woken += 1
            _wake(work, entry)
        work.remove(BUDGET_WAITS, wait.budget_id, wait.rank, wait.task_id)
    return woken


def _wake(work: Work, entry: Entry) -> None:
    if entry.state.status is TaskStatus.PAUSED:
        work.decide(Resume(task_id=entry.state.id), actor=events.SYSTEM)
        return
    ready = changed(entry.state, ready=True)
    work.save(entry, ready)
    work.tell(entry, events.of_task("task.ready", ready, actor=events.SYSTEM, data={}))


def _still_waits(work: Work, entry: Entry) -> bool:
    state = entry.state
    if state.status is TaskStatus.PENDING:
        return not state.ready and is_due(state, work.now)
    return _is_paused(entry) or (state.is_held and state.pause_wanted is PauseReason.BUDGET)


def _is_paused(entry: Entry) -> bool:
    return (entry.state.status, entry.state.pause_reason) == (TaskStatus.PAUSED, PauseReason.BUDGET)


def _ask_or_close(work: Work, op: ops.KeepBudget, budget: Budget) -> Budget:
    """There is one open question while people have to decide, and none else."""
    asked = work.get(APPROVALS, budget.approval_id) if budget.approval_id else None
    if asked is not None and asked.is_open:
        if budget.is_for_people and asked.asked_at >= (budget.reached_at or 0):
            return budget
        _close(work, asked)
    if asked is not None and budget.stand is BudgetStand.KEPT:  # it is over, and its answer counts no more
        budget = replace(budget, approval_id="")
    if not budget.is_for_people or budget.stand is not BudgetStand.KEPT:
        return budget
    entry = _who_asks(work, op)
    if entry is None:
        return budget
    question = _question(work, op, budget, entry)
    approvals.put(work, question)
    asked_for = {"expiresAt": to_wire(question.expires_at), "questions": 1, "pauses": False, "budgetId": budget.id}
    work.tell(entry, approvals.told("approval.asked", question, actor=events.SYSTEM, data=asked_for))
    return replace(budget, approval_id=question.id)


def _close(work: Work, asked: Approval) -> None:
    """Nobody has to answer it any more."""
    closed = replace(asked, status=ApprovalStatus.CLOSED, settled_at=work.now, settled_by=events.SYSTEM)
    approvals.put(work, closed, before=asked)
    data = {"status": closed.status.value}
    work.say(approvals.told("approval.closed", closed, actor=events.SYSTEM, data=data))


def _who_asks(work: Work, op: ops.KeepBudget) -> Entry | None:
    """The first task that waits, by whose name people are asked."""
    for task_id in (*(wait.task_id for wait in op.waits), *op.held):
        entry = work.rows.entry(task_id)
        if entry is not None and _still_waits(work, entry):
            return entry
    return None


def _question(work: Work, op: ops.KeepBudget, budget: Budget, entry: Entry) -> Approval:
    question = Question(id=ANSWER, text="What is to be done?", kind=QuestionKind.CHOICE, choices=(RAISE, GO_ON))
    how = f"is used up: {rules.words_of_used(budget)}"
    if not budget.is_used_up:
        how = f"has too little left for another attempt: {rules.words_of(budget)}"
    attempt = entry.state.attempt
    return Approval(
        id=op.approval_id,
        task_id=entry.state.id,
        attempt=attempt,
        agent_id=entry.state.agent_id or entry.state.preferred_agent or "",
        title=f"Budget {budget.name} {how}"[:200],
        details=_details(budget),
        questions=(question.stored(),),
        pauses=False,
        asked_digest="",
        status=ApprovalStatus.OPEN,
        asked_at=work.now,
        expires_at=work.now + MAX_EXPIRY_SECONDS * SECOND,
        answers={},
        budget_id=budget.id,
    )


def _details(budget: Budget) -> str:
    spent = f"{rules.dollars(budget.spent_micros)} and {budget.spent_tokens:,} tokens are spent"
    if budget.is_reached:
        return f"{spent}. What it covers is interrupted and waits. Denied, what was interrupted fails."
    needed = f"{rules.dollars(budget.needed.micros)} and {budget.needed.tokens:,} tokens"
    began = f"{budget.attempts:,} attempts have begun, the next one needs {needed}"
    return f"{spent}, {began}. What runs is not interrupted. Denied, what never began goes on waiting."


def _at_rest(work: Work, op: ops.KeepBudget, budget: Budget) -> Budget:
    """Where nothing is left to do, nobody looks at the budget until something happens to it."""
    if not budget.is_reached and budget.reached_at is not None:
        budget = replace(budget, reached_at=None)
    waits = bool(work.scan(BUDGET_WAITS, budget.id, limit=1))
    if not waits and budget.shut_at is not None and budget.admits(budget.needed):
        budget = rules.reopen(budget)
    if not waits and budget.shut_at is None and not (budget.stops and _covered(work, op, budget)):
        work.remove(BUDGET_LOOKS, budget.id)
    return budget


def _loaded(work: Work, budget_id: str) -> Budget:
    work.ledger.load((), ids=[budget_id])
    found = work.ledger.get(budget_id)
    if found is None:
        raise unknown_budget(budget_id)
    return found


def _require_there(work: Work, budget: Budget) -> None:
    scope, scope_id = budget.scope, budget.scope_id
    if scope in (BudgetScope.TASK, BudgetScope.ROOT):
        entry = work.rows.entry(scope_id)
        if entry is None:
            raise refusals.unknown_reference("scopeId", "task", scope_id)
        if scope is BudgetScope.ROOT and entry.root_id != scope_id:
            raise InvalidInput(
                f"task {scope_id!r} is no root task: it was filed below {entry.root_id!r}",
                hint="name its root task, or take the scope task",
                details={"field": "scopeId", "rootTaskId": entry.root_id},
            )
    elif scope is BudgetScope.AGENT and work.rows.agent(scope_id) is None:
        raise refusals.unknown_reference("scopeId", "agent", scope_id)
    elif scope is BudgetScope.PROJECT and not work.rows.has_project(scope_id):
        raise refusals.unknown_reference("scopeId", "project", scope_id)
    elif scope is BudgetScope.SWARM:
        swarm = work.rows.swarm(scope_id)
        if swarm is None or not swarm.is_there:
            raise unknown_swarm_in("scopeId", scope_id)
