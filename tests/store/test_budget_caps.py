"""Budgets that cap attempts, those that begin and those at once, and the question where too little is left."""

from typing import Any

import pytest
from tests.store.test_budgets import (
    answer,
    cap,
    credit,
    file,
    interrupted,
    keep,
    kept,
    money,
    must_take,
    question,
    reached,
    standing,
    take,
    told,
    use,
)

from agent_swarm.domain.approvals import ApprovalStatus
from agent_swarm.domain.budgets import DOLLAR, Amount, Budget, BudgetAction, BudgetPeriod, BudgetScope, BudgetStand
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import RUNNER_CAPABILITY, AgentRole, Requirements
from agent_swarm.domain.tasks import FailureClass, PauseReason, TaskStatus
from agent_swarm.store import operations as ops
from agent_swarm.store.asking import SettleApprovals
from agent_swarm.store.families.approvals import APPROVALS
from agent_swarm.store.families.budgets import BUDGET_LOOKS, BUDGET_WAITS, RESERVATIONS
from agent_swarm.store.records import TaskSpec
from agent_swarm.testing.driver import LEASE, Driver


def count(swarm: Driver, scope: BudgetScope = BudgetScope.ALL, scope_id: str = "", **caps: Any) -> str:
    """A budget of attempts alone; answers its id."""
    wanted = Budget(id=new_id(), name="b", scope=scope, scope_id=scope_id, **caps)
    made: Budget = swarm.do(ops.CreateBudget(budget=wanted, actor="tester"))
    return made.id


def below(swarm: Driver, parent_id: str, root_id: str) -> str:
    """File a task below another one; answers its id."""
    swarm.advance(0.001)
    spec = TaskSpec(id=new_id(), title="t", prompt="p", parent_id=parent_id, root_id=root_id, depth=1)
    swarm.do(ops.CreateTasks(tasks=(ops.NewTask(spec=spec),), actor="operator"))
    return spec.id


def attempts(swarm: Driver, budget_id: str) -> tuple[int, int]:
    """How many have begun, and how many are under way."""
    found = standing(swarm, budget_id)
    return found.attempts, found.under_way


@pytest.mark.parametrize("caps", [{"cap_attempts": 7}, {"cap_at_once": 7}])
def test_given_fifty_credits_in_one_batch_when_attempts_are_capped_then_exactly_as_many_begin_in_order(
    swarm: Driver, caps: dict[str, Any]
) -> None:
    agents = [swarm.register(f"a{number}") for number in range(50)]
    tasks = [file(swarm) for _ in range(50)]
    budget_id = count(swarm, **caps)

    replies = swarm.run(*(credit(swarm, agent_id) for agent_id in agents))

    assert [reply.task.spec.id for reply in replies if reply is not None] == tasks[:7]
    assert attempts(swarm, budget_id) == (7, 7)
    assert [one.task_id for one in kept(swarm, BUDGET_WAITS)] == tasks[7:]


@pytest.mark.parametrize("end", ["complete", "fail", "pause", "cancel", "kill", "lose", "replace"])
def test_given_an_attempt_when_it_ends_however_then_its_place_is_given_back_once_and_it_has_begun_for_good(
    swarm: Driver, end: str
) -> None:
    ada = swarm.register()
    budget_id = count(swarm, cap_at_once=2)
    file(swarm)
    file(swarm)
    held = must_take(swarm, ada)
    must_take(swarm, swarm.register("bob"))
    assert attempts(swarm, budget_id) == (2, 2)

    match end:
        case "complete":
            swarm.complete(held)
            swarm.complete(held)
        case "fail":
            swarm.fail(held, FailureClass.AGENT)
        case "pause":
            swarm.pause(held)
        case "cancel":
            swarm.cancel(held.task_id)
        case "kill":
            swarm.kill()
        case "lose":
            swarm.advance(LEASE / 1_000_000 + 1)
            swarm.timers()
        case "replace":
            swarm.register(agent_id=ada)

    still = 0 if end in ("kill", "lose") else 1
    assert attempts(swarm, budget_id) == (2, still)
    assert len(kept(swarm, RESERVATIONS)) == still


def test_given_a_cap_at_once_when_attempts_end_then_tasks_go_on_in_order_and_nobody_is_asked(swarm: Driver) -> None:
    ada = swarm.register()
    budget_id = count(swarm, cap_at_once=2)
    tasks = [file(swarm) for _ in range(5)]
    held = [must_take(swarm, ada), must_take(swarm, ada)]
    assert take(swarm, ada) is None
    assert keep(swarm) == [], "nothing is interrupted, and nobody asked"

    for task_id in tasks[2:]:
        swarm.complete(held.pop(0))
        keep(swarm)
        held.append(must_take(swarm, ada))
        assert (held[-1].task_id, standing(swarm, budget_id).under_way) == (task_id, 2)
    for one in held:
        assert swarm.state(one.task_id).pause_wanted is None
        swarm.complete(one)
    keep(swarm)
    assert (kept(swarm, APPROVALS), kept(swarm, BUDGET_LOOKS)) == ([], [])
    assert attempts(swarm, budget_id) == (5, 0)


def test_given_all_attempts_begun_when_tasks_wait_then_what_runs_goes_on_and_people_are_asked_once(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    budget_id = count(swarm, cap_attempts=2)
    tasks = [file(swarm) for _ in range(4)]
    held = [must_take(swarm, ada), must_take(swarm, ada)]
    keep(swarm)
    assert kept(swarm, APPROVALS) == [], "nothing waits yet"
    assert take(swarm, ada) is None
    keep(swarm)

    asked = question(swarm, budget_id)
    assert (asked.is_open, asked.task_id) == (True, tasks[2])
    assert "is used up: 2 attempts" in asked.title
    assert [swarm.state(one.task_id).pause_wanted for one in held] == [None, None]
    assert keep(swarm) == []

    answer(swarm, asked, asked.asked[0].choices[0])
    keep(swarm)
    assert [must_take(swarm, ada).task_id for _ in range(2)] == tasks[2:]
    file(swarm)
    assert take(swarm, ada) is None
    keep(swarm)
    assert question(swarm, budget_id).id != asked.id, "used up once more, people are asked once more"
    assert len(kept(swarm, APPROVALS)) == 2


def test_given_attempts_a_day_when_the_next_day_begins_then_tasks_go_on_by_themselves(swarm: Driver) -> None:
    ada = swarm.register()
    budget_id = count(swarm, cap_attempts=1, period=BudgetPeriod.DAY)
    file(swarm)
    second = file(swarm)
    must_take(swarm, ada)
    assert take(swarm, ada) is None
    keep(swarm)
    asked = question(swarm, budget_id)
    renews_at = standing(swarm, budget_id).renews_at
    assert renews_at is not None

    swarm.now = renews_at - 1
    assert keep(swarm) == []
    swarm.now = renews_at
    keep(swarm)

    assert must_take(swarm, ada).task_id == second
    closed = swarm.engine.read(lambda q: q.record(APPROVALS, asked.id))
    assert closed is not None and closed.status is ApprovalStatus.CLOSED
    assert attempts(swarm, budget_id) == (1, 2), "what goes on keeps its place"


def too_little(swarm: Driver, **more: Any) -> tuple[str, str]:
    """A budget of 3 dollars with 50 cents left, and a task that needs one; answers both ids."""
    ada = swarm.register()
    budget_id = cap(swarm, 3, **more)
    file(swarm)
    waiting = file(swarm)
    held = must_take(swarm, ada)
    use(swarm, held.task_id, 2.5)
    swarm.complete(held)
    assert take(swarm, ada) is None
    keep(swarm)
    return budget_id, waiting


def test_given_too_little_left_for_anybody_when_nothing_can_be_given_back_then_people_are_asked_once(
    swarm: Driver,
) -> None:
    budget_id, waiting = too_little(swarm)
    asked = question(swarm, budget_id)
    assert (asked.is_open, asked.task_id) == (True, waiting)
    assert "too little left for another attempt: $3.00" in asked.title
    assert "needs $1.00 and 1,000 tokens" in asked.details
    assert keep(swarm) == []

    answer(swarm, asked, asked.asked[0].choices[0])
    keep(swarm)
    assert must_take(swarm, swarm.register("bob")).task_id == waiting
    keep(swarm)
    assert money(swarm, budget_id) == (2.5, 1)
    assert (kept(swarm, BUDGET_WAITS), kept(swarm, BUDGET_LOOKS)) == ([], [])
    assert told(swarm) == ["budget.created", "budget.shut", "budget.changed", "budget.opened"]


def test_given_room_that_an_attempt_may_give_back_when_tasks_wait_then_nobody_is_asked_before_it_is_spent(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    budget_id = cap(swarm, 1.5)
    file(swarm)
    file(swarm)
    held = must_take(swarm, ada)
    assert take(swarm, ada) is None
    keep(swarm)
    assert kept(swarm, APPROVALS) == [], "what it has reserved may be given back"

    use(swarm, held.task_id, 0.75)
    keep(swarm)
    assert question(swarm, budget_id).is_open, "what is left is not enough, however little it uses from now on"
    assert swarm.state(held.task_id).pause_wanted is None


def test_given_the_question_when_it_is_denied_then_what_waits_goes_on_waiting_and_nobody_is_asked_again(
    swarm: Driver,
) -> None:
    budget_id, waiting = too_little(swarm)
    answer(swarm, question(swarm, budget_id), denies=True)
    file(swarm)
    assert take(swarm, swarm.register("bob")) is None
    assert keep(swarm) == []
    assert swarm.state(waiting).status is TaskStatus.PENDING
    assert len(kept(swarm, APPROVALS)) == 1

    swarm.do(ops.ChangeBudget(budget_id=budget_id, values={"cap_micros": 4 * DOLLAR}, actor="tester"))
    keep(swarm)
    assert standing(swarm, budget_id).stand is BudgetStand.KEPT
    assert must_take(swarm, swarm.register("carl")).task_id == waiting


def test_given_a_denial_while_something_runs_when_that_uses_up_the_cap_then_people_are_asked_about_it(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    budget_id = cap(swarm, 1.5)
    file(swarm)
    file(swarm)
    held = must_take(swarm, ada)
    assert take(swarm, ada) is None
    use(swarm, held.task_id, 0.75)
    keep(swarm)
    first = question(swarm, budget_id)
    answer(swarm, first, denies=True)
    use(swarm, held.task_id, 0.75, seq=2)
    keep(swarm)
    interrupted(swarm, [held])

    asked = question(swarm, budget_id)
    assert (asked.is_open, asked.id != first.id) == (True, True)
    assert swarm.state(held.task_id).pause_reason is PauseReason.BUDGET, "denied was another question"


def test_given_a_question_about_what_is_left_when_the_cap_is_reached_then_it_is_replaced_by_one_about_that(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    budget_id = cap(swarm, 1.5)
    file(swarm)
    file(swarm)
    held = must_take(swarm, ada)
    assert take(swarm, ada) is None
    use(swarm, held.task_id, 0.75)
    keep(swarm)
    first = question(swarm, budget_id)
    swarm.advance(1)
    use(swarm, held.task_id, 0.75, seq=2)
    keep(swarm)

    asked = question(swarm, budget_id)
    states = {one.id: one.status for one in kept(swarm, APPROVALS)}
    assert states == {first.id: ApprovalStatus.CLOSED, asked.id: ApprovalStatus.OPEN}
    assert "is used up" in asked.title


def test_given_the_task_that_asked_when_it_is_cancelled_then_another_one_asks_if_any_waits(swarm: Driver) -> None:
    budget_id, waiting = too_little(swarm)
    other = file(swarm)
    assert take(swarm, swarm.register("bob")) is None
    for task_id in (waiting, other):
        asked = question(swarm, budget_id)
        assert (asked.is_open, asked.task_id) == (True, task_id)
        swarm.cancel(task_id)
        swarm.do(SettleApprovals(asked=((asked.id, task_id),)))
        keep(swarm)
    assert [one for one in kept(swarm, APPROVALS) if one.is_open] == []


def test_given_a_budget_that_only_refuses_when_too_little_is_left_then_nobody_is_asked(swarm: Driver) -> None:
    budget_id, waiting = too_little(swarm, action=BudgetAction.REFUSE)
    assert standing(swarm, budget_id).approval_id == ""
    assert not swarm.state(waiting).ready


def test_given_more_spent_than_twice_the_cap_when_a_person_raises_it_then_there_is_room_for_an_attempt(
    swarm: Driver,
) -> None:
    budget_id, held = reached(swarm)
    use(swarm, held[0].task_id, 7, seq=2)
    interrupted(swarm, held)
    asked = question(swarm, budget_id)
    answer(swarm, asked, asked.asked[0].choices[0])
    keep(swarm)

    assert standing(swarm, budget_id).extra_micros == 8 * DOLLAR, "9 are spent, and the next one needs up to 1"
    assert must_take(swarm, swarm.register("bob")).task_id == held[0].task_id


def test_given_an_estimate_beyond_the_cap_when_a_person_raises_that_then_the_attempt_begins(swarm: Driver) -> None:
    """The estimate counts as the cap, and not as what a person has made of it."""
    ada = swarm.register()
    budget_id = cap(swarm, 0.5)
    file(swarm)
    second = file(swarm)
    held = must_take(swarm, ada)
    use(swarm, held.task_id, 0.25)
    swarm.complete(held)
    assert take(swarm, ada) is None
    keep(swarm)
    asked = question(swarm, budget_id)
    answer(swarm, asked, asked.asked[0].choices[0])
    keep(swarm)

    assert must_take(swarm, ada).task_id == second
    assert standing(swarm, budget_id).reserved == Amount(DOLLAR // 2, 1_000)


def test_given_a_cap_that_a_person_sets_higher_when_the_estimate_is_higher_still_then_who_waits_is_not_let_go_on(
    swarm: Driver,
) -> None:
    """What somebody found no room for is what was expected, not what the cap of then made of it."""
    ada = swarm.register()
    budget_id = cap(swarm, 0.5)
    file(swarm)
    second = file(swarm)
    held = must_take(swarm, ada)
    use(swarm, held.task_id, 0.25)
    assert take(swarm, ada) is None

    swarm.do(ops.ChangeBudget(budget_id=budget_id, values={"cap_micros": DOLLAR}, actor="tester"))
    keep(swarm)
    assert not swarm.state(second).ready, "it needs a dollar, and 75 cents are left"
    assert question(swarm, budget_id).is_open


def test_given_a_task_for_one_agent_when_that_agents_budget_has_too_little_left_then_it_waits_and_people_are_asked(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    budget_id = count(swarm, BudgetScope.AGENT, ada, cap_attempts=1)
    file(swarm)
    own = file(swarm, requires=Requirements(agent_id=ada))
    other = file(swarm)
    must_take(swarm, ada)

    refused = swarm.run(credit(swarm, ada))[0]
    assert refused.code == "budgetExhausted", "what is left is for others"
    assert [one.task_id for one in kept(swarm, BUDGET_WAITS)] == [own]
    assert must_take(swarm, bob).task_id == other
    keep(swarm)
    asked = question(swarm, budget_id)
    assert (asked.is_open, asked.task_id) == (True, own)

    answer(swarm, asked, asked.asked[0].choices[0])
    keep(swarm)
    assert must_take(swarm, ada).task_id == own


def test_given_a_part_of_a_workflow_when_a_server_carries_it_out_then_it_takes_nothing_from_what_agents_may_use(
    swarm: Driver,
) -> None:
    """It goes on for as long as the agents do that it waits for: a place of its own would leave them none."""
    runner = swarm.register("runner", role=AgentRole.RUNNER, capabilities=(RUNNER_CAPABILITY,))
    ada = swarm.register("ada")
    whole = file(swarm, requires=Requirements(capabilities=frozenset({RUNNER_CAPABILITY})))
    budget_id = count(swarm, BudgetScope.ROOT, whole, cap_at_once=1, cap_micros=DOLLAR)
    agents_part = below(swarm, whole, whole)
    assert must_take(swarm, runner).task_id == whole
    assert attempts(swarm, budget_id) == (0, 0)
    assert must_take(swarm, ada).task_id == agents_part
    assert attempts(swarm, budget_id) == (1, 1)


def test_given_tasks_that_file_tasks_below_one_root_when_its_attempts_are_capped_then_the_loop_ends_with_a_question(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    root = new_id()
    own = Budget(id=new_id(), name="root", scope=BudgetScope.ROOT, scope_id=root, cap_attempts=5)
    file(swarm, task_id=root, budgets=(own,))
    begun = 0
    while (held := take(swarm, ada)) is not None:
        begun += 1
        below(swarm, root, root)
        below(swarm, held.task_id, root)
        swarm.complete(held)
        keep(swarm)
    assert begun == 5
    for _ in range(3):
        assert take(swarm, ada) is None
        keep(swarm)
    assert [one.budget_id for one in kept(swarm, APPROVALS)] == [own.id]
