"""The rules of budgets read a true store without complaint, and find each of them broken in a false one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent_swarm.domain.budgets import Budget, BudgetPeriod, BudgetScope
from agent_swarm.domain.ids import new_id
from agent_swarm.store import operations as ops
from agent_swarm.store.families.budgets import BUDGETS, RESERVATIONS
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.testing import budget_rules
from agent_swarm.testing.driver import Driver
from agent_swarm.testing.invariants import audit

DAY_SECONDS = 86_400


@pytest.fixture
def engine() -> MemoryEngine:
    """Three attempts in a budget for three, two of which go on."""
    swarm = Driver(MemoryEngine())
    agent_id = swarm.register()
    made = Budget(id=new_id(), name="b", scope=BudgetScope.ALL, cap_micros=10**7, cap_attempts=3, cap_at_once=2)
    swarm.do(ops.CreateBudget(budget=made, actor="tester"))
    for _ in range(3):
        swarm.file()
    swarm.complete(swarm.take(agent_id))
    swarm.take(agent_id)
    swarm.take(agent_id)
    assert isinstance(swarm.engine, MemoryEngine)
    return swarm.engine


def change(engine: MemoryEngine, **values: Any) -> None:
    key, one = next(iter(engine.kept(BUDGETS).items()))
    engine.kept(BUDGETS)[key] = replace(one, **values)


def misstate_what_is_reserved(engine: MemoryEngine) -> None:
    change(engine, reserved_micros=1)


def misstate_the_places(engine: MemoryEngine) -> None:
    change(engine, under_way=3)


def hold_for_nobody(engine: MemoryEngine) -> None:
    key, one = next(iter(engine.kept(RESERVATIONS).items()))
    engine.kept(RESERVATIONS)[key] = replace(one, number=7)


def make_with(engine: MemoryEngine, **caps: int) -> None:
    """Tell that the budget was made with other caps than it was."""
    place = next(n for n, event in enumerate(engine.history) if event.type == "budget.created")
    made = engine.history[place]
    engine.history[place] = made._replace(data={**made.data, **caps})


def begin_too_many(engine: MemoryEngine) -> None:
    make_with(engine, capAttempts=2)


def begin_too_many_at_once(engine: MemoryEngine) -> None:
    make_with(engine, capAtOnce=1)


def test_given_a_true_store_when_it_is_checked_then_nothing_is_found(engine: MemoryEngine) -> None:
    assert engine.read(audit) == []


def test_given_a_budget_that_people_made_smaller_when_it_is_checked_then_what_began_before_is_no_fault() -> None:
    swarm = Driver(MemoryEngine())
    agent_id = swarm.register()
    made = Budget(id=new_id(), name="b", scope=BudgetScope.ALL, cap_attempts=3, cap_at_once=3)
    swarm.do(ops.CreateBudget(budget=made, actor="tester"))
    for _ in range(3):
        swarm.file()
        swarm.take(agent_id)
    swarm.do(ops.ChangeBudget(budget_id=made.id, values={"cap_attempts": 1, "cap_at_once": 1}, actor="tester"))
    assert swarm.engine.read(audit) == []


def test_given_a_budget_of_each_day_when_it_is_checked_then_each_day_has_its_attempts() -> None:
    swarm = Driver(MemoryEngine())
    agent_id = swarm.register()
    made = Budget(id=new_id(), name="b", scope=BudgetScope.ALL, period=BudgetPeriod.DAY, cap_attempts=1)
    swarm.do(ops.CreateBudget(budget=made, actor="tester"))
    for _ in range(2):
        swarm.file()
        swarm.complete(swarm.take(agent_id))
        swarm.advance(DAY_SECONDS)
    assert swarm.engine.read(audit) == []


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        (budget_rules.RESERVED, misstate_what_is_reserved),
        (budget_rules.PLACES, misstate_the_places),
        (budget_rules.HOLDERS, hold_for_nobody),
        (budget_rules.BEGUN, begin_too_many),
        (budget_rules.AT_ONCE, begin_too_many_at_once),
    ],
)
def test_given_a_false_store_when_it_is_checked_then_the_broken_rule_is_named(
    engine: MemoryEngine, rule: str, plant: Callable[[MemoryEngine], None]
) -> None:
    plant(engine)
    assert [found for found, _ in engine.read(lambda queries: list(budget_rules.broken(queries)))] == [rule]
    assert rule in [found.rule for found in engine.read(audit)]
