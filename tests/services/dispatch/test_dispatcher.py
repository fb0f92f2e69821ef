"""Who gets a task, and that exactly one does."""

import asyncio
import itertools
from typing import Any

import pytest
from tests.services.dispatch.swarm import Swarm, Worker

from agent_swarm.domain.budgets import EXPECTED, Budget, BudgetScope
from agent_swarm.domain.commands import Cancel, Complete, Pause, Start
from agent_swarm.domain.errors import Denied, StaleLease, TooLarge, UnknownReference
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.tasks import PauseReason
from agent_swarm.domain.time import SECOND
from agent_swarm.services.dispatch import Dispatcher
from agent_swarm.store.base import Committed
from agent_swarm.store.operations import (
    CreateBudget,
    CreateTasks,
    NewTask,
    RemoveBudget,
    RunTimers,
    SignOff,
    TaskCommand,
)
from agent_swarm.store.records import TaskSpec

pytestmark = pytest.mark.anyio


async def test_given_a_waiting_credit_when_a_task_becomes_ready_then_it_is_claimed(swarm: Swarm) -> None:
    ada = await swarm.worker(credits=1)
    [task] = await swarm.create()
    await swarm.quiet()
    assert ada.tasks == [task]
    assert (await swarm.task(task)).state.agent_id == ada.seat.agent.id


async def test_given_a_waiting_credit_when_a_task_is_created_then_it_is_claimed_in_the_same_batch(swarm: Swarm) -> None:
    ada = await swarm.worker(credits=1)
    await swarm.create()  # from here on its class is known
    await swarm.quiet()
    swarm.offer(ada, 3)
    heard: list[Committed] = []
    stop = swarm.store.subscribe(heard.append)
    await swarm.create(2)
    await swarm.quiet()
    stop()
    assert [[event.type for event in news.events] for news in heard] == [["task.created"] * 2 + ["task.claimed"] * 2]
    assert swarm.dispatcher.waiting == 1
    assert len(swarm.store.claims) == 3


async def test_given_a_claim_ahead_when_its_task_is_refused_then_the_credit_waits_for_the_next(swarm: Swarm) -> None:
    ada = await swarm.worker(credits=1)
    await swarm.create()
    await swarm.quiet()
    swarm.offer(ada)
    spec = TaskSpec(id=new_id(), title="t", prompt="p", project_id=new_id())
    with pytest.raises(UnknownReference):
        await swarm.store.apply(CreateTasks(tasks=(NewTask(spec=spec),), actor="operator"))
    await swarm.quiet()
    assert swarm.dispatcher.waiting == 1
    [task] = await swarm.create()
    await swarm.quiet()
    assert ada.tasks[1:] == [task]
    assert len(swarm.store.claims) == 3  # the one that found nothing is not tried again


async def test_given_tasks_that_wait_when_they_are_created_then_nobody_claims_ahead(swarm: Swarm) -> None:
    ada = await swarm.worker(credits=1)
    await swarm.create()
    await swarm.quiet()
    swarm.offer(ada)
    shelved = NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p"), backlog=True)
    later = NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p"), not_before=swarm.store.now() + 60 * SECOND)
    await swarm.store.apply(CreateTasks(tasks=(shelved, later), actor="operator"))
    await swarm.quiet()
    assert len(swarm.store.claims) == 1


async def test_given_a_ready_task_when_a_credit_arrives_then_it_is_claimed_at_once(swarm: Swarm) -> None:
    ada = await swarm.worker()
    [task] = await swarm.create()
    swarm.offer(ada)
    await swarm.quiet()
    assert ada.tasks == [task]


async def test_given_tasks_from_before_the_start_when_credits_arrive_then_all_are_claimed(swarm: Swarm) -> None:
    swarm.dispatcher.close()
    tasks = await swarm.create(20)
    swarm.dispatcher = type(swarm.dispatcher)(swarm.store)
    await swarm.dispatcher.open()
    ada = await swarm.worker(credits=20)
    await swarm.quiet()
    assert sorted(ada.tasks) == sorted(tasks)


async def test_given_nothing_ready_when_credits_arrive_then_nothing_is_claimed_for(swarm: Swarm) -> None:
    await swarm.worker(credits=3)
    await swarm.quiet()
    assert swarm.store.claims == []
    assert swarm.dispatcher.waiting == 3


async def test_given_a_thousand_waiting_workers_when_one_task_becomes_ready_then_one_claim_is_made(
    swarm: Swarm,
) -> None:
    workers = [await swarm.worker(credits=1) for _ in range(1_000)]
    await swarm.create()
    await swarm.quiet()
    assert len(swarm.store.claims) == 1
    assert [len(worker.answers) for worker in workers] == [1] + [0] * 999
    assert swarm.dispatcher.waiting == 999


async def test_given_n_ready_tasks_and_more_credits_when_they_become_ready_together_then_n_claims_are_made(
    swarm: Swarm,
) -> None:
    workers = [await swarm.worker(credits=1) for _ in range(10)]
    tasks = await swarm.create(4)
    await swarm.quiet()
    assert len(swarm.store.claims) == 4
    assert sorted(task for worker in workers for task in worker.tasks) == sorted(tasks)


async def test_given_workers_with_several_credits_when_tasks_come_then_they_spread_over_the_workers(
    swarm: Swarm,
) -> None:
    workers = [await swarm.worker(credits=4) for _ in range(3)]
    for _ in range(6):
        await swarm.create()
        await swarm.quiet()
    assert [len(worker.answers) for worker in workers] == [2, 2, 2]


async def test_given_workers_of_different_kinds_when_tasks_come_then_the_longest_idle_one_is_served_first(
    swarm: Swarm,
) -> None:
    workers = [await swarm.worker(credits=2, tags=frozenset({f"host-{n}"})) for n in range(5)]
    served = []
    for _ in range(10):
        [task] = await swarm.create()
        await swarm.quiet()
        served.append(next(n for n, worker in enumerate(workers) if task in worker.tasks))
    assert served == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


async def test_given_more_kinds_of_workers_than_are_compared_when_tasks_come_then_everyone_has_a_turn(
    swarm: Swarm,
) -> None:
    workers = [await swarm.worker(credits=1, tags=frozenset({f"host-{n}"})) for n in range(50)]
    for _ in range(50):
        await swarm.create()
        await swarm.quiet()
    assert all(len(worker.answers) == 1 for worker in workers)


async def test_given_a_requirement_when_only_one_worker_meets_it_then_that_one_gets_the_task(swarm: Swarm) -> None:
    await swarm.worker(credits=1)
    await swarm.worker(credits=1, tags=frozenset({"gpu"}))
    gpu = await swarm.worker(credits=1, tags=frozenset({"gpu"}), capabilities=frozenset({"harness.codex"}))
    [task] = await swarm.create(tags=frozenset({"gpu"}), capabilities=frozenset({"harness.*"}))
    await swarm.quiet()
    assert gpu.tasks == [task]
    assert len(swarm.store.claims) == 1


async def test_given_soft_labels_when_several_wait_then_the_one_that_fits_most_of_them_is_served_first(
    swarm: Swarm,
) -> None:
    plain = await swarm.worker(credits=1)
    designer = await swarm.worker(credits=1, skills=frozenset({"ui"}))
    frontend = await swarm.worker(credits=1, skills=frozenset({"ui"}), role="react")
    tasks = [(await swarm.create(labels=("ui", "react")))[0]]
    await swarm.quiet()
    for _ in range(2):
        tasks += await swarm.create(labels=("ui", "react"))
        await swarm.quiet()
    assert [frontend.tasks, designer.tasks, plain.tasks] == [[task] for task in tasks]


async def test_given_soft_labels_when_the_one_that_fitted_has_left_then_somebody_else_is_served(swarm: Swarm) -> None:
    plain = await swarm.worker(credits=1)
    fitting = await swarm.worker(credits=1, skills=frozenset({"ui"}))
    swarm.dispatcher.leave(fitting.seat)
    tasks = await swarm.create(labels=("ui",))
    await swarm.quiet()
    assert plain.tasks == tasks


async def test_given_a_requirement_nobody_meets_when_a_fitting_worker_comes_then_it_gets_the_task(swarm: Swarm) -> None:
    other = await swarm.worker(credits=1)
    [task] = await swarm.create(tags=frozenset({"gpu"}))
    await swarm.quiet()
    gpu = await swarm.worker(credits=1, tags=frozenset({"gpu"}))
    await swarm.quiet()
    assert (other.tasks, gpu.tasks) == ([], [task])


async def test_given_a_task_for_one_agent_when_it_becomes_ready_then_only_that_agent_gets_it(swarm: Swarm) -> None:
    await swarm.worker(credits=1)
    ada = await swarm.worker(credits=1)
    tasks = [(await swarm.create(agent_id=ada.seat.agent.id))[0] for _ in range(2)]
    await swarm.quiet()
    assert ada.tasks == tasks[:1]
    swarm.offer(ada)
    await swarm.quiet()
    assert ada.tasks == tasks


async def test_given_a_lead_when_a_task_is_for_anyone_then_it_gets_only_what_is_addressed_to_it(swarm: Swarm) -> None:
    lead = await swarm.worker(credits=2, agent_role=AgentRole.LEAD)
    await swarm.create()
    [addressed] = await swarm.create(agent_id=lead.seat.agent.id)
    await swarm.quiet()
    assert lead.tasks == [addressed]


async def test_given_a_lapsed_lease_when_its_agent_has_connected_again_then_it_is_preferred(swarm: Swarm) -> None:
    agent = await swarm.agent()
    swarm.offer(swarm.connect(agent))
    [task] = await swarm.create()
    await swarm.quiet()
    for _ in range(3):
        await swarm.worker(credits=1)
    swarm.time.advance(31)
    again = swarm.connect(agent)
    swarm.offer(again)
    await swarm.store.apply(RunTimers(jitter=0.0))
    await swarm.quiet()
    assert again.tasks == [task]


async def test_given_a_lapsed_lease_when_its_agent_has_not_connected_since_then_others_come_first(swarm: Swarm) -> None:
    dead = await swarm.worker(credits=2)
    [task] = await swarm.create()
    await swarm.quiet()
    ada = await swarm.worker(credits=1)
    swarm.time.advance(31)
    await swarm.store.apply(RunTimers(jitter=0.0))
    await swarm.quiet()
    assert (dead.tasks, ada.tasks) == ([task], [task])


@pytest.mark.parametrize("order", list(itertools.permutations(["credit", "task", "answer"])), ids="-".join)
@pytest.mark.parametrize("halted", ["there", "back"])
@pytest.mark.parametrize("needs", [{}, {"tags": frozenset({"gpu"})}], ids=["same class", "another class"])
async def test_given_an_empty_claim_a_credit_and_a_task_in_any_order_then_the_task_is_claimed(
    swarm: Swarm, order: tuple[str, ...], halted: str, needs: dict[str, Any]
) -> None:
    """No lost wake-up: no sweep runs here."""
    ada = await swarm.worker(tags=frozenset({"gpu"}))
    [gone] = await swarm.create()
    await swarm.store.apply(TaskCommand(command=Cancel(task_id=gone), actor="operator"))
    swarm.store.halt(**{halted: True})
    swarm.offer(ada)  # believes that there is work, and will find none
    await swarm.quiet()
    assert len(swarm.store.claims) == 1
    bob = await swarm.worker(tags=frozenset({"linux"}))
    for step in order:
        if step == "credit":
            swarm.offer(bob)
        elif step == "task":
            [task] = await swarm.create(**needs)
        else:
            swarm.store.go_on()
        await swarm.quiet()
    assert sorted(ada.tasks + bob.tasks) == [task]
    assert swarm.dispatcher.waiting == 1


async def test_given_a_claim_that_takes_a_task_of_another_class_when_one_waits_for_the_first_then_it_is_sent(
    swarm: Swarm,
) -> None:
    both = await swarm.worker(tags=frozenset({"a", "b"}))
    only_a = await swarm.worker(tags=frozenset({"a"}))
    swarm.offer(both)
    swarm.store.halt(there=True)
    [first] = await swarm.create(tags=frozenset({"a"}))  # `both` is sent for this one
    swarm.offer(only_a)
    [urgent] = await swarm.create(tags=frozenset({"b"}))  # nobody is left for this one
    await swarm.store.apply(TaskCommand(command=Cancel(task_id=first), actor="operator"))
    [second] = await swarm.create(tags=frozenset({"a"}))
    swarm.store.go_on()
    await swarm.quiet()
    assert sorted(both.tasks + only_a.tasks) in ([second], sorted([urgent, second]))
    swarm.offer(both)
    await swarm.quiet()
    assert sorted(both.tasks + only_a.tasks) == sorted([urgent, second])


async def test_given_a_busy_store_when_it_recovers_then_a_sweep_serves_the_waiting_credit(swarm: Swarm) -> None:
    ada = await swarm.worker(credits=1)
    swarm.store.is_busy = True
    [task] = await swarm.create()
    await swarm.quiet()
    assert (ada.tasks, swarm.dispatcher.waiting) == ([], 1)
    swarm.store.is_busy = False
    await swarm.dispatcher.sweep()
    await swarm.quiet()
    assert ada.tasks == [task]


async def test_given_work_nobody_told_of_when_one_sweep_runs_then_all_of_it_is_claimed(swarm: Swarm) -> None:
    ada = await swarm.worker(credits=30)
    swarm.dispatcher._missed = []  # deaf
    tasks = await swarm.create(25, tags=frozenset()) + await swarm.create(3, agent_id=ada.seat.agent.id)
    swarm.dispatcher._missed = None
    await swarm.dispatcher.sweep()
    await swarm.quiet()
    assert sorted(ada.tasks) == sorted(tasks)
    assert len(swarm.store.claims) <= 30


async def test_given_a_class_that_another_node_made_when_it_is_said_to_have_work_then_its_task_is_claimed(
    swarm: Swarm,
) -> None:
    ada = await swarm.worker(credits=1, tags=frozenset({"gpu"}))
    swarm.dispatcher._missed = []  # deaf, as to another node
    [task] = await swarm.create(tags=frozenset({"gpu"}))
    swarm.dispatcher._missed = None
    swarm.dispatcher.look(await swarm.store.read(lambda queries: queries.ready_classes()))
    await swarm.quiet()
    assert ada.tasks == [task]


async def test_given_a_commit_while_the_classes_are_read_at_the_start_then_it_is_not_missed(swarm: Swarm) -> None:
    other = Dispatcher(swarm.store)
    opening = asyncio.create_task(other.open())
    agent = await swarm.agent(tags=frozenset({"gpu"}))
    [task] = await swarm.create(tags=frozenset({"gpu"}))
    await opening
    ada = Worker()
    ada.sit_down(other, agent)
    other.offer(ada.seat, [new_id()])
    await swarm.until_claimed(task)
    other.close()


async def test_given_agents_that_come_and_go_when_there_is_a_sweep_then_what_is_kept_of_them_does_not_grow(
    swarm: Swarm,
) -> None:
    await swarm.create()
    for n in range(50):
        worker = await swarm.worker(credits=1, tags=frozenset({f"host-{n}"}))
        swarm.dispatcher.leave(worker.seat)
        await swarm.dispatcher.sweep()
    assert len(swarm.dispatcher._room._kinds) <= 2
    await swarm.quiet()
    ada = await swarm.worker(credits=1)
    [task] = await swarm.create()
    await swarm.quiet()
    assert ada.tasks == [task]


async def test_given_a_claim_that_fails_for_an_unknown_reason_then_its_credit_waits_for_the_next_sweep(
    swarm: Swarm,
) -> None:
    ada = await swarm.worker(credits=1)
    swarm.store.failure = RuntimeError("the disk is on fire")
    [task] = await swarm.create()
    await swarm.quiet()
    assert (ada.tasks, swarm.dispatcher.waiting) == ([], 1)
    swarm.store.failure = None
    await swarm.dispatcher.sweep()
    await swarm.quiet()
    assert ada.tasks == [task]


async def test_given_a_withdrawn_credit_when_a_task_becomes_ready_then_it_is_not_claimed(swarm: Swarm) -> None:
    ada = await swarm.worker()
    claim_ids = swarm.offer(ada, 2)
    assert await swarm.dispatcher.withdraw(ada.seat.agent.id, claim_ids) == []
    await swarm.create()
    await swarm.quiet()
    assert ada.answers == []
    assert swarm.dispatcher.waiting == 0


async def test_given_a_waiting_credit_when_another_agent_withdraws_it_then_it_still_waits(swarm: Swarm) -> None:
    ada, bob = await swarm.worker(), await swarm.worker()
    claim_ids = swarm.offer(ada)
    assert await swarm.dispatcher.withdraw(bob.seat.agent.id, claim_ids) == []
    await swarm.create()
    await swarm.quiet()
    assert [answer.claim_id for answer in ada.answers] == claim_ids


async def test_given_a_claim_under_way_when_its_credit_is_withdrawn_then_the_answer_names_it(swarm: Swarm) -> None:
    ada = await swarm.worker(credits=0)
    claim_ids = swarm.offer(ada, 2)
    await swarm.create()
    assert await swarm.dispatcher.withdraw(ada.seat.agent.id, claim_ids) == [ada.answers[0].claim_id]
    assert len(ada.answers) == 1


async def test_given_an_answered_credit_when_it_is_withdrawn_then_the_answer_names_it(swarm: Swarm) -> None:
    ada = await swarm.worker()
    [claim_id] = swarm.offer(ada)
    await swarm.create()
    await swarm.quiet()
    assert await swarm.dispatcher.withdraw(ada.seat.agent.id, [claim_id, new_id()]) == [claim_id]


async def test_given_a_doubled_credit_when_a_task_becomes_ready_then_it_counts_once(swarm: Swarm) -> None:
    ada = await swarm.worker()
    [claim_id] = swarm.offer(ada)
    swarm.dispatcher.offer(ada.seat, [claim_id, claim_id])
    await swarm.create(2)
    await swarm.quiet()
    swarm.dispatcher.offer(ada.seat, [claim_id])
    await swarm.quiet()
    assert len(ada.answers) == 1


async def test_given_a_claim_that_only_repeats_an_older_answer_when_it_was_sent_for_a_task_then_another_is_sent(
    swarm: Swarm,
) -> None:
    agent = await swarm.agent()
    ada = swarm.connect(agent)
    [claim_id] = swarm.offer(ada)
    [held] = await swarm.create()
    await swarm.quiet()
    again = swarm.connect(agent)
    swarm.dispatcher.offer(again.seat, [claim_id])  # as if it were new
    bob = await swarm.worker(credits=1)
    [task] = await swarm.create()
    await swarm.quiet()
    assert (again.tasks, bob.tasks) == ([held], [task])


async def test_given_a_claim_that_takes_what_was_kept_for_its_agent_when_a_task_for_anyone_is_left_then_another_gets_it(
    swarm: Swarm,
) -> None:
    agent = await swarm.agent()
    ada = swarm.connect(agent)
    swarm.offer(ada)
    [paused] = await swarm.create()
    await swarm.quiet()
    command = Pause(task_id=paused, fence=1, reason=PauseReason.SHUTDOWN)
    await swarm.store.apply(TaskCommand(command=command, actor="agent"))
    await swarm.register(agent)
    swarm.time.advance(1)
    [other] = await swarm.create()
    swarm.offer(ada)
    bob = await swarm.worker(credits=1)
    await swarm.quiet()
    assert (ada.tasks, bob.tasks) == ([paused, paused], [other])


async def test_given_a_lost_connection_when_a_task_becomes_ready_then_its_credits_are_gone(swarm: Swarm) -> None:
    ada = await swarm.worker(credits=2)
    swarm.dispatcher.leave(ada.seat)
    swarm.dispatcher.leave(ada.seat)
    await swarm.create()
    await swarm.quiet()
    assert swarm.store.claims == []
    assert swarm.dispatcher.waiting == 0


async def test_given_a_claim_that_commits_after_its_connection_is_gone_when_the_worker_returns_then_it_gets_it_again(
    swarm: Swarm,
) -> None:
    agent = await swarm.agent()
    ada = swarm.connect(agent)
    [claim_id] = swarm.offer(ada)
    swarm.store.halt(back=True)
    [task] = await swarm.create()
    swarm.dispatcher.leave(ada.seat)
    swarm.store.go_on()
    await swarm.quiet()
    assert ada.answers == []

    again = swarm.connect(agent)
    await swarm.dispatcher.redeem(again.seat, [claim_id, new_id()])
    await swarm.quiet()
    assert [(answer.claim_id, answer.task.spec.id) for answer in again.answers] == [(claim_id, task)]
    assert (await swarm.task(task)).state.attempt == 1
    assert swarm.dispatcher.waiting == 1


@pytest.mark.parametrize("halted", ["there", "back"])
async def test_given_a_claim_under_way_when_the_worker_comes_back_meanwhile_then_the_new_connection_gets_the_answer(
    swarm: Swarm, halted: str
) -> None:
    agent = await swarm.agent()
    ada = swarm.connect(agent)
    [claim_id] = swarm.offer(ada)
    swarm.store.halt(**{halted: True})
    [task] = await swarm.create()
    swarm.dispatcher.leave(ada.seat)
    again = swarm.connect(agent)
    await swarm.dispatcher.redeem(again.seat, [claim_id])
    swarm.store.go_on()
    await swarm.quiet()
    assert (ada.tasks, again.tasks) == ([], [task])
    assert len(swarm.store.claims) == 1
    assert again.settlements == 1


async def test_given_a_busy_store_when_a_lost_answer_is_asked_for_then_a_sweep_brings_it(swarm: Swarm) -> None:
    agent = await swarm.agent()
    ada = swarm.connect(agent)
    [claim_id] = swarm.offer(ada)
    [task] = await swarm.create()
    await swarm.quiet()
    swarm.dispatcher.leave(ada.seat)
    again = swarm.connect(agent)
    swarm.store.is_busy = True
    await swarm.dispatcher.redeem(again.seat, [claim_id])
    await swarm.quiet()
    swarm.store.is_busy = False
    await swarm.dispatcher.sweep()
    await swarm.quiet()
    assert again.tasks == [task]


async def test_given_a_claim_that_has_ended_when_its_credit_is_offered_again_then_it_is_refused_and_the_task_goes_on(
    swarm: Swarm,
) -> None:
    agent = await swarm.agent()
    ada = swarm.connect(agent)
    [claim_id] = swarm.offer(ada)
    [task] = await swarm.create()
    await swarm.quiet()
    await swarm.store.apply(TaskCommand(command=Cancel(task_id=task), actor="operator"))
    again = swarm.connect(agent)
    await swarm.dispatcher.redeem(again.seat, [claim_id])
    bob = await swarm.worker(credits=1)
    [other] = await swarm.create()
    await swarm.quiet()
    assert isinstance(again.refusals[claim_id], StaleLease)
    assert bob.tasks == [other]


async def test_given_a_claim_id_of_another_agent_when_it_is_offered_then_it_is_refused(swarm: Swarm) -> None:
    ada, eve = await swarm.worker(), await swarm.worker()
    claim_ids = swarm.offer(ada, 1)
    swarm.dispatcher.offer(eve.seat, claim_ids)
    assert isinstance(eve.refusals[claim_ids[0]], Denied)
    [task] = await swarm.create()
    await swarm.quiet()
    assert (ada.tasks, eve.tasks) == ([task], [])


async def test_given_a_newer_process_of_an_agent_when_it_registers_then_the_old_one_is_told_and_its_credits_are_dropped(
    swarm: Swarm,
) -> None:
    agent = await swarm.agent()
    old = swarm.connect(agent)
    swarm.offer(old)
    newer = swarm.connect(await swarm.agent(agent_id=agent.profile.id))
    assert old.is_superseded
    await swarm.create()
    await swarm.quiet()
    assert swarm.store.claims == []
    swarm.offer(newer)
    await swarm.quiet()
    assert len(newer.answers) == 1


async def test_given_a_signed_off_process_when_a_newer_one_registers_then_the_old_connection_is_told_too(
    swarm: Swarm,
) -> None:
    agent = await swarm.agent()
    old = swarm.connect(agent)
    await swarm.store.apply(SignOff(agent_id=agent.profile.id, instance_id=agent.instance_id))
    await swarm.agent(agent_id=agent.profile.id)
    assert old.is_superseded


async def test_given_an_agent_that_registers_with_other_tags_then_its_connection_serves_what_they_allow(
    swarm: Swarm,
) -> None:
    ada = await swarm.worker(credits=1, tags=frozenset({"gpu"}))
    swarm.dispatcher.describe(type(ada.seat.agent)(id=ada.seat.agent.id))
    await swarm.create(tags=frozenset({"gpu"}))
    await swarm.quiet()
    assert swarm.store.claims == []
    [task] = await swarm.create()
    await swarm.quiet()
    assert ada.tasks == [task]


async def test_given_a_finished_task_when_the_worker_sends_its_next_credit_then_no_claim_is_made_in_vain(
    swarm: Swarm,
) -> None:
    ada = await swarm.worker(credits=1)
    for _ in range(5):
        [task] = await swarm.create()
        await swarm.quiet()
        state = ada.answers[-1].task.state
        for command in (
            Start(task_id=task, fence=state.fence),
            Complete(task_id=task, fence=state.fence, digest="d"),
        ):
            await swarm.store.apply(TaskCommand(command=command, actor="agent"))
        swarm.offer(ada)
    await swarm.quiet()
    assert len(swarm.store.claims) == 5


async def test_given_too_many_credits_on_one_connection_then_they_are_refused(swarm: Swarm) -> None:
    ada = await swarm.worker(credits=1_000)
    with pytest.raises(TooLarge, match="1000 per connection"):
        swarm.offer(ada)


@pytest.mark.timeout(20)  # it would ask for ever
async def test_given_an_agent_whose_budget_has_no_room_when_tasks_come_then_others_get_them_and_it_asks_again_later(
    swarm: Swarm,
) -> None:
    ada, bob = await swarm.worker(credits=2), await swarm.worker(credits=1)
    own = Budget(id=new_id(), name="b", scope=BudgetScope.AGENT, scope_id=ada.seat.agent.id, cap_micros=EXPECTED.micros)
    await swarm.store.apply(CreateBudget(budget=own, actor="operator"))
    tasks = await swarm.create(3)
    await swarm.quiet()
    assert (len(ada.tasks), len(bob.tasks)) == (1, 1)
    asked = len(swarm.store.claims)
    await swarm.quiet()
    assert len(swarm.store.claims) == asked, "nobody asks on and on"
    await swarm.store.apply(RemoveBudget(budget_id=own.id, actor="operator"))
    await swarm.quiet()
    assert len(ada.tasks) == 2
    assert sorted(ada.tasks + bob.tasks) == sorted(tasks)
