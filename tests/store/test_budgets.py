"""Budgets on every store: who begins, what is reserved, spent and given back, who is interrupted and goes on."""

from dataclasses import replace
from typing import Any

import pytest

from agent_swarm.domain.approvals import ApprovalStatus
from agent_swarm.domain.budgets import (
    COME_FOR_IT,
    DOLLAR,
    Amount,
    Budget,
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    BudgetStand,
)
from agent_swarm.domain.commands import Complete, Resume
from agent_swarm.domain.errors import BudgetExhausted, InvalidInput, NotFound, UnknownReference
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole, Requirements
from agent_swarm.domain.tasks import FailureClass, PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.services.budget_keeping import look
from agent_swarm.store import operations as ops
from agent_swarm.store.asking import AnswerApproval, SettleApprovals
from agent_swarm.store.families.approvals import APPROVALS, Approval
from agent_swarm.store.families.budgets import BUDGET_LOOKS, BUDGET_TARGETS, BUDGET_WAITS, BUDGETS, RESERVATIONS
from agent_swarm.store.records import CostBy, ProjectRecord, TaskSpec
from agent_swarm.testing.driver import LEASE, Driver

EACH = Amount(DOLLAR, 1_000)  # what an attempt is expected to cost here


def cap(
    swarm: Driver, dollars: float = 3, scope: BudgetScope = BudgetScope.ALL, scope_id: str = "", **more: Any
) -> str:
    """A budget; answers its id."""
    wanted = Budget(id=new_id(), name="b", scope=scope, scope_id=scope_id, cap_micros=round(dollars * DOLLAR), **more)
    made: Budget = swarm.do(ops.CreateBudget(budget=wanted, actor="tester"))
    return made.id


def file(swarm: Driver, **options: Any) -> str:
    """File a task, later than those before: it comes after them in the queue."""
    swarm.advance(0.001)
    return swarm.file(**options)


def filed_as(swarm: Driver, **fields: Any) -> str:
    """File a task whose specification says more."""
    swarm.advance(0.001)
    spec = TaskSpec(id=new_id(), title="t", prompt="p", **fields)
    swarm.do(ops.CreateTasks(tasks=(ops.NewTask(spec=spec),), actor="operator"))
    return spec.id


def standing(swarm: Driver, budget_id: str) -> Budget:
    found = swarm.engine.read(lambda q: q.record(BUDGETS, budget_id))
    assert found is not None
    return found


def money(swarm: Driver, budget_id: str) -> tuple[float, float]:
    """What is spent and reserved, in dollars."""
    found = standing(swarm, budget_id)
    return found.spent_micros / DOLLAR, found.reserved_micros / DOLLAR


def credit(swarm: Driver, agent_id: str) -> ops.ClaimTask:
    return replace(swarm.claim_operation(agent_id), estimate=EACH)


def take(swarm: Driver, agent_id: str) -> ops.Held | None:
    """Claim and start the next task, if the agent gets one."""
    claimed = swarm.do(credit(swarm, agent_id))
    if claimed is None:
        return None
    held = ops.Held(task_id=claimed.task.spec.id, fence=claimed.task.state.fence)
    swarm.start(held)
    return held


def must_take(swarm: Driver, agent_id: str) -> ops.Held:
    held = take(swarm, agent_id)
    assert held is not None
    return held


def use(swarm: Driver, task_id: str, dollars: float, *, seq: int = 1, attempt: int = 1, tokens: int = 0) -> bool:
    booked: bool = swarm.do(
        ops.BookUsage(
            task_id=task_id,
            attempt=attempt,
            seq=seq,
            input_tokens=tokens,
            output_tokens=0,
            cost_micros=round(dollars * DOLLAR),
            model="opus",
        )
    )
    return booked


def keep(swarm: Driver) -> list[ops.Kept]:
    """What the server's keeper does, until there is nothing left to do."""
    done: list[ops.Kept] = []
    for _ in range(20):
        due = swarm.engine.read(lambda q: look(q, swarm.now)).due
        if not due:
            return done
        done.extend(swarm.do(operation) for operation in due)
    raise AssertionError("the keeper finds no end")


def told(swarm: Driver) -> list[str]:
    events = swarm.engine.read(lambda q: q.events_after(0, limit=1_000))
    return [event.type for event in events if event.subject_kind == "budget"]


def question(swarm: Driver, budget_id: str) -> Approval:
    found = swarm.engine.read(lambda q: q.record(APPROVALS, standing(swarm, budget_id).approval_id))
    assert found is not None
    return found


def answer(swarm: Driver, asked: Approval, choice: str = "", *, denies: bool = False) -> None:
    answers = {} if denies else {"goOn": choice}
    swarm.do(
        AnswerApproval(approval_id=asked.id, task_id=asked.task_id, actor="tester", answers=answers, denies=denies)
    )


def kept(swarm: Driver, family: Any) -> list[Any]:
    return swarm.engine.read(lambda q: q.scan(family, limit=1_000))


# --- admission ----------------------------------------------------------------------------------------------------


def test_given_fifty_credits_in_one_batch_when_they_claim_then_no_more_begin_than_there_is_room_for(
    swarm: Driver,
) -> None:
    agents = [swarm.register(f"a{number}") for number in range(50)]
    tasks = [file(swarm) for _ in range(50)]
    budget_id = cap(swarm, 7.5)

    replies = swarm.run(*(credit(swarm, agent_id) for agent_id in agents))

    begun = [reply.task.spec.id for reply in replies if reply is not None]
    assert begun == tasks[:7], "the first ones of the queue, and no more"
    assert money(swarm, budget_id) == (0, 7)
    assert len(kept(swarm, RESERVATIONS)) == 7
    assert standing(swarm, budget_id).refused == 43
    assert {one.task_id for one in kept(swarm, BUDGET_WAITS)} == set(tasks[7:])
    assert not swarm.engine.read(lambda q: q.ready_classes()), "no later claim looks at those that wait"


def test_given_tasks_without_room_in_front_when_an_agent_claims_then_it_gets_the_first_one_that_has(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    project = swarm.do(
        ops.CreateProject(project=ProjectRecord(id=new_id(), name="shop", repo_url="/shop"), actor="tester")
    )
    ids = sorted(new_id() for _ in range(60))
    specs = [TaskSpec(id=one, title="t", prompt="p", project_id=project.id, priority=90) for one in ids]
    swarm.do(ops.CreateTasks(tasks=tuple(ops.NewTask(spec=spec) for spec in specs), actor="operator"))
    budget_id = cap(swarm, 1, BudgetScope.PROJECT, project.id)
    other = file(swarm)

    assert must_take(swarm, ada).task_id == specs[0].id
    assert must_take(swarm, ada).task_id == other
    assert standing(swarm, budget_id).refused == 59


def test_given_more_tasks_without_room_than_one_claim_looks_at_when_it_ends_then_it_says_that_there_are_more(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    project = swarm.do(
        ops.CreateProject(project=ProjectRecord(id=new_id(), name="shop", repo_url="/shop"), actor="tester")
    )
    specs = [TaskSpec(id=new_id(), title="t", prompt="p", project_id=project.id, priority=90) for _ in range(1_200)]
    swarm.do(ops.CreateTasks(tasks=tuple(ops.NewTask(spec=spec) for spec in specs), actor="operator"))
    cap(swarm, 1, BudgetScope.PROJECT, project.id)
    must_take(swarm, ada)
    other = file(swarm)

    first = swarm.batch(credit(swarm, ada))
    assert first.replies == [None]
    assert sum(first.committed.ready.values()) > 0, "whoever waits asks again"
    assert must_take(swarm, ada).task_id == other


@pytest.mark.parametrize("scope", ["task", "root", "agent", "swarm", "all"])
def test_given_a_budget_of_each_kind_when_attempts_begin_then_it_counts_those_that_it_is_for(
    swarm: Driver, scope: str
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    checkout = swarm.create_swarm("checkout", ada, bob)
    root = file(swarm, requires=Requirements(swarm_id=checkout))
    swarm.advance(0.001)
    below = TaskSpec(id=new_id(), title="t", prompt="p", parent_id=root, root_id=root, depth=1)
    swarm.do(ops.CreateTasks(tasks=(ops.NewTask(spec=below),), actor="operator"))
    scope_id = {"task": below.id, "root": root, "agent": ada, "swarm": checkout, "all": ""}[scope]
    budget_id = cap(swarm, 10, BudgetScope(scope), scope_id)

    first, second = must_take(swarm, ada), must_take(swarm, bob)

    assert [first.task_id, second.task_id] == [root, below.id]
    counted = {"task": 1, "root": 2, "agent": 1, "swarm": 1, "all": 2}[scope]
    assert money(swarm, budget_id) == (0, counted)
    use(swarm, root, 0.25)
    use(swarm, below.id, 0.5)
    spent = {"task": 0.5, "root": 0.75, "agent": 0.25, "swarm": 0.25, "all": 0.75}[scope]
    assert money(swarm, budget_id) == (spent, counted - spent)


def test_given_an_agent_whose_own_budget_has_no_room_when_it_claims_then_it_is_refused_and_others_get_the_task(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    cap(swarm, 1, BudgetScope.AGENT, ada)
    tasks = [file(swarm) for _ in range(3)]

    assert must_take(swarm, ada).task_id == tasks[0]
    refused, claimed = swarm.run(credit(swarm, ada), credit(swarm, bob))
    assert isinstance(refused, BudgetExhausted)
    assert claimed.task.spec.id == tasks[1]
    assert swarm.state(tasks[2]).ready, "it is for others"


def test_given_a_budget_of_an_agent_when_those_below_it_work_then_it_counts_for_all_of_them(swarm: Driver) -> None:
    lead = swarm.register("lead", role=AgentRole.LEAD)
    early = swarm.register("early", agent_id=swarm.introduce("early", below=lead).profile.id)
    made = cap(swarm, 2, BudgetScope.AGENT, lead)
    late = swarm.register("late", agent_id=swarm.introduce("late", below=early).profile.id)
    other = swarm.register("other")
    tasks = [file(swarm) for _ in range(4)]

    held = must_take(swarm, early)
    must_take(swarm, late)
    assert money(swarm, made) == (0, 2)
    with pytest.raises(BudgetExhausted):
        swarm.do(credit(swarm, late))
    assert must_take(swarm, other).task_id == tasks[2]

    use(swarm, held.task_id, 2)
    interrupted = swarm.engine.read(lambda queries: look(queries, swarm.now)).due
    assert {task_id for operation in interrupted for task_id in operation.held} == {tasks[0], tasks[1]}
    swarm.do(ops.RemoveBudget(budget_id=made, actor="tester"))
    must_take(swarm, late)
    assert not list(swarm.engine.read(lambda queries: queries.scan(BUDGET_TARGETS, limit=100)))


def test_given_several_budgets_when_one_has_no_room_then_nothing_is_reserved_in_the_others(swarm: Driver) -> None:
    ada = swarm.register()
    wide, narrow = cap(swarm, 100), cap(swarm, 1)
    file(swarm)
    file(swarm)

    must_take(swarm, ada)
    assert take(swarm, ada) is None
    assert (money(swarm, wide), money(swarm, narrow)) == ((0, 1), (0, 1))


def test_given_a_budget_with_an_estimate_of_its_own_when_an_attempt_begins_then_that_is_reserved(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    budget_id = cap(swarm, 3, estimate_micros=2 * DOLLAR)
    file(swarm)
    file(swarm)

    must_take(swarm, ada)
    assert money(swarm, budget_id) == (0, 2)
    assert take(swarm, ada) is None


def test_given_a_budget_that_is_switched_off_when_agents_claim_then_it_counts_and_stops_nothing(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    budget_id = cap(swarm, 1, enabled=False)
    tasks = [file(swarm) for _ in range(3)]

    assert [must_take(swarm, ada).task_id for _ in tasks] == tasks
    use(swarm, tasks[0], 5)
    assert money(swarm, budget_id)[0] == 5
    assert not any(done.interrupted for done in keep(swarm))


def test_given_a_task_that_is_filed_with_a_budget_when_it_runs_then_it_counts_for_that(swarm: Driver) -> None:
    ada = swarm.register()
    task_id = new_id()
    own = Budget(id=new_id(), name="own", scope=BudgetScope.ROOT, scope_id=task_id, cap_micros=2 * DOLLAR)
    file(swarm, task_id=task_id, budgets=(own,))
    below = TaskSpec(id=new_id(), title="t", prompt="p", parent_id=task_id, root_id=task_id, depth=1)
    swarm.do(ops.CreateTasks(tasks=(ops.NewTask(spec=below),), actor="operator"))

    must_take(swarm, ada)
    must_take(swarm, ada)
    assert money(swarm, own.id) == (0, 2)


# --- usage and ends -----------------------------------------------------------------------------------------------


def test_given_an_attempt_when_it_uses_more_and_more_then_what_is_reserved_becomes_what_is_spent(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    budget_id = cap(swarm, 3)
    file(swarm)
    held = must_take(swarm, ada)

    for seq, expected in ((1, (0.4, 0.6)), (2, (0.8, pytest.approx(0.2))), (3, (1.2, 0)), (4, (1.6, 0))):
        assert use(swarm, held.task_id, 0.4, seq=seq)
        assert money(swarm, budget_id) == expected
    assert not use(swarm, held.task_id, 0.4, seq=4), "the same again"
    assert money(swarm, budget_id) == (1.6, 0)


@pytest.mark.parametrize("end", ["complete", "fail", "pause", "cancel", "kill", "lose", "replace"])
def test_given_an_attempt_that_holds_something_when_it_ends_however_then_the_rest_is_given_back_once(
    swarm: Driver, end: str
) -> None:
    ada = swarm.register()
    budget_id = cap(swarm, 3)
    file(swarm)
    held = must_take(swarm, ada)
    use(swarm, held.task_id, 0.25)

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

    assert money(swarm, budget_id) == (0.25, 0)
    assert kept(swarm, RESERVATIONS) == []
    assert use(swarm, held.task_id, 0.5, seq=2), "what a stale attempt still tells was spent"
    assert money(swarm, budget_id) == (0.75, 0)


def test_given_usage_the_end_and_a_claim_in_one_batch_when_it_is_applied_then_the_claim_sees_what_is_free(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    budget_id = cap(swarm, 1.5)
    file(swarm)
    second = file(swarm)
    held = must_take(swarm, ada)
    booked = ops.BookUsage(
        task_id=held.task_id, attempt=1, seq=1, input_tokens=0, output_tokens=0, cost_micros=DOLLAR // 2
    )
    ends = ops.TaskCommand(command=Complete(task_id=held.task_id, fence=held.fence, digest="d"), actor="tester")
    *_, claimed = swarm.run(booked, ends, credit(swarm, bob))

    assert claimed.task.spec.id == second
    assert money(swarm, budget_id) == (0.5, 1)


def test_given_work_under_way_when_a_budget_is_made_then_it_counts_from_the_next_usage_on(swarm: Driver) -> None:
    ada = swarm.register()
    file(swarm)
    held = must_take(swarm, ada)
    use(swarm, held.task_id, 5)
    budget_id = cap(swarm, 3)

    use(swarm, held.task_id, 1, seq=2)
    assert money(swarm, budget_id) == (1, 0)
    swarm.complete(held)
    assert money(swarm, budget_id) == (1, 0)


# --- who waits ------------------------------------------------------------------------------------------------------


def test_given_tasks_that_wait_for_room_when_attempts_end_then_as_many_go_on_as_there_is_room_for(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    budget_id = cap(swarm, 2)
    tasks = [file(swarm) for _ in range(5)]
    held = [must_take(swarm, ada), must_take(swarm, ada)]
    assert [take(swarm, ada) for _ in range(3)] == [None] * 3
    assert keep(swarm) == [], "there is no room yet"

    swarm.complete(held[0])
    keep(swarm)
    assert [swarm.state(task_id).ready for task_id in tasks[2:]] == [True, False, False]
    third = must_take(swarm, ada)
    assert third.task_id == tasks[2]
    swarm.complete(held[1])
    swarm.complete(third)
    keep(swarm)
    assert [must_take(swarm, ada).task_id for _ in range(2)] == tasks[3:]
    keep(swarm)
    assert (kept(swarm, BUDGET_WAITS), standing(swarm, budget_id).shut_at) == ([], None)
    assert told(swarm)[:2] == ["budget.created", "budget.shut"]


def test_given_a_task_that_was_let_go_on_when_nobody_comes_for_it_then_the_next_one_is_let_go_on(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    cap(swarm, 1)
    first, second, third = file(swarm), file(swarm), file(swarm)
    held = must_take(swarm, ada)
    assert take(swarm, ada) is None
    swarm.complete(held)
    keep(swarm)
    assert (held.task_id, swarm.state(second).ready, swarm.state(third).ready) == (first, True, False)

    swarm.advance(COME_FOR_IT / SECOND - 0.01)
    assert keep(swarm) == []
    swarm.advance(0.01)
    keep(swarm)
    assert swarm.state(third).ready


@pytest.mark.parametrize("way", ["raise", "remove", "switch off"])
def test_given_tasks_that_wait_when_a_person_makes_room_then_they_go_on(swarm: Driver, way: str) -> None:
    ada = swarm.register()
    budget_id = cap(swarm, 1)
    tasks = [file(swarm) for _ in range(3)]
    must_take(swarm, ada)
    assert take(swarm, ada) is None
    assert take(swarm, ada) is None

    match way:
        case "raise":
            swarm.do(ops.ChangeBudget(budget_id=budget_id, values={"cap_micros": 9 * DOLLAR}, actor="tester"))
        case "remove":
            swarm.do(ops.RemoveBudget(budget_id=budget_id, actor="tester"))
        case "switch off":
            swarm.do(ops.ChangeBudget(budget_id=budget_id, values={"enabled": False}, actor="tester"))
    keep(swarm)

    assert [must_take(swarm, ada).task_id for _ in range(2)] == tasks[1:]
    keep(swarm)
    assert (kept(swarm, BUDGET_WAITS), kept(swarm, BUDGET_LOOKS)) == ([], [])


def test_given_a_task_that_waits_when_it_is_cancelled_then_it_is_not_waited_for(swarm: Driver) -> None:
    ada = swarm.register()
    cap(swarm, 1)
    first, second = file(swarm), file(swarm)
    held = must_take(swarm, ada)
    assert take(swarm, ada) is None

    swarm.cancel(second)
    swarm.complete(held)
    keep(swarm)
    assert held.task_id == first
    assert (kept(swarm, BUDGET_WAITS), kept(swarm, BUDGET_LOOKS)) == ([], [])


# --- the cap ----------------------------------------------------------------------------------------------------------


def reached(swarm: Driver, **more: Any) -> tuple[str, list[ops.Held]]:
    """A budget that two attempts have used up; it was kept."""
    ada = swarm.register()
    budget_id = cap(swarm, 2, **more)
    file(swarm)
    file(swarm)
    held = [must_take(swarm, ada), must_take(swarm, ada)]
    use(swarm, held[0].task_id, 2)
    keep(swarm)
    return budget_id, held


def interrupted(swarm: Driver, held: list[ops.Held]) -> None:
    """The worker has stopped them."""
    for one in held:
        assert swarm.state(one.task_id).pause_wanted is PauseReason.BUDGET
        swarm.pause(one, PauseReason.SHUTDOWN)
        assert swarm.state(one.task_id).pause_reason is PauseReason.BUDGET
    keep(swarm)


def test_given_a_cap_that_is_reached_when_it_is_kept_then_what_it_covers_is_interrupted_and_people_are_asked_once(
    swarm: Driver,
) -> None:
    budget_id, held = reached(swarm)
    interrupted(swarm, held)

    asked = question(swarm, budget_id)
    assert (asked.status, asked.budget_id) == (ApprovalStatus.OPEN, budget_id)
    assert asked.task_id in [one.task_id for one in held]
    assert keep(swarm) == []
    assert len(kept(swarm, APPROVALS)) == 1
    assert told(swarm) == ["budget.created", "budget.reached"]


@pytest.mark.parametrize("choice", [0, 1])
def test_given_the_question_when_a_person_lets_it_go_on_then_what_was_interrupted_goes_on(
    swarm: Driver, choice: int
) -> None:
    budget_id, held = reached(swarm)
    interrupted(swarm, held)
    asked = question(swarm, budget_id)

    answer(swarm, asked, asked.asked[0].choices[choice])
    keep(swarm)

    states = [swarm.state(one.task_id) for one in held]
    assert [state.status for state in states] == [TaskStatus.PENDING] * 2
    after = standing(swarm, budget_id)
    assert (after.extra_micros, after.stand) == [
        (2 * DOLLAR, BudgetStand.KEPT),
        (0, BudgetStand.WAIVED),
    ][choice]
    assert kept(swarm, BUDGET_LOOKS) == []


def test_given_the_question_when_a_person_denies_then_what_was_interrupted_fails_for_its_budget(
    swarm: Driver,
) -> None:
    budget_id, held = reached(swarm)
    interrupted(swarm, held)

    answer(swarm, question(swarm, budget_id), denies=True)
    keep(swarm)

    for one in held:
        task = swarm.task(one.task_id)
        assert task.state.status is TaskStatus.FAILED
        assert task.failure is not None
        assert (task.failure["class"], task.failure["code"]) == ("policy", "budget")
    assert (kept(swarm, BUDGET_WAITS), kept(swarm, BUDGET_LOOKS)) == ([], [])


def test_given_a_question_that_nobody_answers_when_a_person_raises_the_cap_then_it_is_closed_and_all_go_on(
    swarm: Driver,
) -> None:
    budget_id, held = reached(swarm)
    interrupted(swarm, held)

    swarm.do(ops.ChangeBudget(budget_id=budget_id, values={"cap_micros": 9 * DOLLAR}, actor="tester"))
    keep(swarm)

    assert [one.status for one in kept(swarm, APPROVALS)] == [ApprovalStatus.CLOSED]
    assert [swarm.state(one.task_id).status for one in held] == [TaskStatus.PENDING] * 2


def test_given_a_budget_of_each_day_when_the_next_day_begins_then_what_was_interrupted_goes_on_by_itself(
    swarm: Driver,
) -> None:
    budget_id, held = reached(swarm, period=BudgetPeriod.DAY)
    interrupted(swarm, held)
    renews_at = standing(swarm, budget_id).renews_at
    assert renews_at is not None

    swarm.now = renews_at - 1
    assert keep(swarm) == []
    swarm.now = renews_at
    keep(swarm)

    assert [swarm.state(one.task_id).status for one in held] == [TaskStatus.PENDING] * 2
    assert [one.status for one in kept(swarm, APPROVALS)] == [ApprovalStatus.CLOSED]
    assert money(swarm, budget_id) == (0, 0)


def test_given_a_budget_that_only_refuses_when_its_cap_is_reached_then_what_runs_goes_on(swarm: Driver) -> None:
    budget_id, held = reached(swarm, action=BudgetAction.REFUSE)

    assert [swarm.state(one.task_id).pause_wanted for one in held] == [None, None]
    swarm.complete(held[0])
    assert standing(swarm, budget_id).approval_id == ""
    file(swarm)
    assert take(swarm, swarm.register("bob")) is None


def test_given_a_task_that_was_interrupted_when_a_person_resumes_it_then_it_waits_for_room_all_the_same(
    swarm: Driver,
) -> None:
    _, held = reached(swarm)
    interrupted(swarm, held)

    swarm.command(Resume(task_id=held[0].task_id))

    assert take(swarm, swarm.register("bob")) is None
    assert swarm.state(held[0].task_id).status is TaskStatus.PENDING


def test_given_the_task_that_asked_when_it_is_cancelled_then_another_one_asks(swarm: Driver) -> None:
    budget_id, held = reached(swarm)
    interrupted(swarm, held)
    asked = question(swarm, budget_id)
    swarm.cancel(asked.task_id)
    swarm.do(SettleApprovals(asked=((asked.id, asked.task_id),)))
    keep(swarm)

    again = question(swarm, budget_id)
    (other,) = {one.task_id for one in held} - {asked.task_id}
    assert (again.is_open, again.task_id) == (True, other)


# --- people ---------------------------------------------------------------------------------------------------------


def test_given_something_that_is_not_there_when_a_budget_is_made_for_it_then_that_is_refused(swarm: Driver) -> None:
    for scope in (BudgetScope.TASK, BudgetScope.ROOT, BudgetScope.AGENT, BudgetScope.PROJECT, BudgetScope.SWARM):
        with pytest.raises(UnknownReference):
            cap(swarm, 1, scope, new_id())
    with pytest.raises(InvalidInput):
        cap(swarm, 1, BudgetScope.ALL, "x")
    with pytest.raises(NotFound):
        swarm.do(ops.RemoveBudget(budget_id=new_id(), actor="tester"))


def test_given_what_was_booked_when_it_is_added_up_then_it_is_by_what_was_asked(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    first, second = file(swarm), file(swarm)
    must_take(swarm, ada)
    must_take(swarm, bob)
    use(swarm, first, 1, tokens=10)
    use(swarm, first, 1, seq=2)
    swarm.advance(86_400)
    use(swarm, second, 3)

    def rows(by: CostBy, **bounds: Any) -> list[tuple[str, int, int]]:
        asked = {"since": None, "until": None, "limit": 10, **bounds}
        found = swarm.engine.read(lambda q: q.costs(by, **asked))
        return [(row.key, row.attempts, row.cost_micros // DOLLAR) for row in found]

    assert rows(CostBy.TASK) == [(second, 1, 3), (first, 1, 2)]
    assert rows(CostBy.ROOT) == rows(CostBy.TASK)
    assert rows(CostBy.AGENT) == [(bob, 1, 3), (ada, 1, 2)]
    assert rows(CostBy.MODEL) == [("opus", 2, 5)]
    assert rows(CostBy.PROJECT) == rows(CostBy.SWARM) == [("", 2, 5)]
    today = swarm.now // (86_400 * 1_000_000)
    assert rows(CostBy.DAY) == [(str(today), 1, 3), (str(today - 1), 1, 2)]
    assert rows(CostBy.TASK, since=swarm.now) == [(second, 1, 3)]
    assert rows(CostBy.TASK, until=swarm.now) == [(first, 1, 2)]
    assert rows(CostBy.TASK, limit=1) == [(second, 1, 3)]


def test_given_attempts_that_begin_and_find_no_room_when_costs_are_added_up_then_they_tell_of_reservations_too(
    swarm: Driver,
) -> None:
    ada, bob, eve = (swarm.register(name) for name in ("ada", "bob", "eve"))
    cap(swarm, 1, BudgetScope.AGENT, ada)
    one = filed_as(swarm, model="opus")
    cap(swarm, 5, BudgetScope.ROOT, one)
    first = must_take(swarm, ada)
    other = file(swarm)
    for _ in range(2):  # her own budget has no room, and counts that once
        with pytest.raises(BudgetExhausted):
            take(swarm, ada)
    second = must_take(swarm, bob)
    shop = ProjectRecord(id=(project := new_id()), name="shop", repo_url="/srv/shop", default_branch="main")
    swarm.do(ops.CreateProject(project=shop, actor="tester"))
    cap(swarm, 1.5, BudgetScope.PROJECT, project)
    begun, refused = (filed_as(swarm, project_id=project) for _ in range(2))
    held = must_take(swarm, bob)
    assert take(swarm, eve) is None
    use(swarm, one, 2)
    swarm.advance(86_400)

    def rows(by: CostBy, **bounds: Any) -> list[tuple[str, float, float, int]]:
        asked = {"since": None, "until": None, "limit": 10, **bounds}
        found = swarm.engine.read(lambda q: q.costs(by, **asked))
        return [(row.key, row.cost_micros / DOLLAR, row.reserved_micros / DOLLAR, row.refused) for row in found]

    of_tasks = [(one, 2, 1, 0), (begun, 0, 1, 0), *sorted([(other, 0, 0, 1), (refused, 0, 0, 1)])]
    assert rows(CostBy.TASK) == rows(CostBy.ROOT) == of_tasks
    assert rows(CostBy.AGENT) == [(ada, 2, 1, 1), (bob, 0, 1, 0), ("", 0, 0, 1)]
    assert rows(CostBy.PROJECT) == [("", 2, 1, 1), (project, 0, 1, 1)]
    assert rows(CostBy.MODEL) == [("opus", 2, 1, 0), ("", 0, 1, 2)]
    assert [row[1:] for row in rows(CostBy.DAY)] == [(2, 2, 2)]
    assert rows(CostBy.DAY, until=swarm.now) == rows(CostBy.DAY)
    assert rows(CostBy.TASK, since=swarm.now) == []
    assert rows(CostBy.TASK, limit=2) == of_tasks[:2]
    assert [held.task_id for held in (first, second, held)] == [one, other, begun]
