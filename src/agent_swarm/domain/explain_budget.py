"""Which budget keeps a task from running, and what would change that (rule T10)."""

from agent_swarm.domain.budgets import Budget, BudgetStand, words_of, words_of_used
from agent_swarm.domain.changes import is_due
from agent_swarm.domain.explanation import Facts, Reason
from agent_swarm.domain.matching import RUNNER_CAPABILITY
from agent_swarm.domain.time import to_wire


def without_room(facts: Facts) -> list[Reason]:
    """The budgets that would not let it begin now; what the server carries out itself begins all the same."""
    if RUNNER_CAPABILITY in facts.requires.capabilities:
        return []
    return [_exhausted(budget) for budget in facts.budgets if not budget.admits(budget.needed)]


def is_put_aside(facts: Facts) -> bool:
    """It has left the queue until a budget has room."""
    return not facts.task.ready and is_due(facts.task, facts.now)


def interrupted(facts: Facts) -> Reason:
    """What it waits for whose attempt was interrupted for a budget."""
    stopping = next((budget for budget in facts.budgets if budget.stops), None)
    lacking = next((budget for budget in facts.budgets if not budget.admits(budget.needed)), None)
    if stopping is None and lacking is not None:
        return _exhausted(lacking)
    if stopping is None:
        return Reason("budgetHasRoom", "its budget has room again", "nothing: the server lets it go on within seconds")
    return Reason(
        "budgetReached",
        f"budget {stopping.name} is used up: {words_of_used(stopping)}",
        _way_out(stopping),
        _details(stopping),
    )


def _exhausted(budget: Budget) -> Reason:
    message = f"budget {budget.name} {_how_full(budget)}"
    return Reason("budgetExhausted", message, _way_out(budget), _details(budget))


def _how_full(budget: Budget) -> str:
    if budget.is_used_up and budget.is_in_force:
        return f"is used up: {words_of_used(budget)}"
    return f"{_how_short(budget)}: {words_of(budget)}"


def _how_short(budget: Budget) -> str:
    if budget.places_left == 0:
        return "has as many attempts under way as it lets run at once"
    return "has too little left for another attempt" if budget.is_stuck else "has no room for another attempt"


def _way_out(budget: Budget) -> str:
    ways = []
    if budget.under_way and not budget.is_stuck and budget.attempts_left != 0:
        ways.append("the end of an attempt that holds a part of it")
    if budget.renews_at is not None:
        ways.append(f"the next day, from {to_wire(budget.renews_at)} on")
    if budget.is_for_people and budget.approval_id and budget.stand is BudgetStand.KEPT:
        ways.append(f"an answer: agent-swarm approval show {budget.approval_id}")
    return "; ".join([*ways, f"a higher cap: agent-swarm budget set {budget.id}"])


def _details(budget: Budget) -> dict[str, object]:
    money, tokens = budget.left
    return {
        "budgetId": budget.id,
        "name": budget.name,
        "scope": budget.scope.value,
        "leftUsd": None if money is None else money / 1_000_000,
        "leftTokens": tokens,
        "leftAttempts": budget.attempts_left,
        "leftAtOnce": budget.places_left,
        "reached": budget.is_used_up,
    }
