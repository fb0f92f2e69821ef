"""How long runs may take, on every store: the server ends those that their workers do not, and pauses do not count."""

import pytest

from agent_swarm.domain import commands, deadlines
from agent_swarm.domain.deadlines import GRACE
from agent_swarm.domain.errors import StaleLease
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import PauseReason, TaskState, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.records import TaskSpec
from agent_swarm.testing.driver import LEASE, Driver

TIMEOUT = 100 * SECOND


def file(swarm: Driver, *, timeout: int | None = TIMEOUT, tries: int = 3) -> str:
    spec = TaskSpec(id=new_id(), title="t", prompt="p", timeout=timeout)
    swarm.do(ops.CreateTasks(tasks=(ops.NewTask(spec=spec, max_attempts=tries),), actor="operator"))
    return spec.id


def pass_by(swarm: Driver, agent_id: str, held: ops.Held, span: int) -> None:
    """Time in which the worker renews its lease, and the server looks at its timers."""
    until = swarm.now + span
    while swarm.now < until:
        swarm.now = min(until, swarm.now + LEASE // 3)
        swarm.beat(agent_id, held)
        swarm.timers()


def test_given_a_run_that_its_worker_does_not_end_when_its_time_and_the_grace_are_over_then_it_fails(
    swarm: Driver,
) -> None:
    ada, task_id = swarm.register("ada"), file(swarm)
    held = swarm.take(ada)
    pass_by(swarm, ada, held, TIMEOUT + GRACE - 1)
    assert swarm.state(task_id).status is TaskStatus.RUNNING
    pass_by(swarm, ada, held, 1)
    task = swarm.task(task_id)
    assert (task.state.status, task.state.failures, task.state.losses) == (TaskStatus.PENDING, 1, 0)
    assert task.failure is not None
    assert (task.failure["class"], task.failure["code"]) == ("agent", "timeout")
    with pytest.raises(StaleLease):
        swarm.complete(held)


def test_given_the_last_try_when_it_takes_too_long_then_the_task_fails_for_good(swarm: Driver) -> None:
    ada, task_id = swarm.register("ada"), file(swarm, tries=1)
    held = swarm.take(ada)
    pass_by(swarm, ada, held, TIMEOUT + GRACE)
    task = swarm.task(task_id)
    assert task.state.status is TaskStatus.FAILED
    assert task.failure is not None
    assert "not done after 100 s" in task.failure["message"]
    assert swarm.beat(ada, held)[0].renewed is False


def test_given_a_run_without_a_bound_when_time_passes_then_it_goes_on(swarm: Driver) -> None:
    ada, task_id = swarm.register("ada"), file(swarm, timeout=None)
    held = swarm.take(ada)
    pass_by(swarm, ada, held, 3 * TIMEOUT)
    assert swarm.state(task_id).status is TaskStatus.RUNNING


def test_given_a_run_that_was_paused_when_it_goes_on_then_it_has_the_time_that_was_left(swarm: Driver) -> None:
    ada, task_id = swarm.register("ada"), file(swarm)
    held = swarm.take(ada)
    pass_by(swarm, ada, held, 60 * SECOND)
    swarm.pause(held, PauseReason.PERSON)
    swarm.now += 10 * TIMEOUT
    swarm.command(commands.Resume(task_id=task_id))
    held = swarm.take(ada)
    assert deadlines.left(swarm.state(task_id)) == 40 * SECOND
    pass_by(swarm, ada, held, 40 * SECOND + GRACE - 1)
    assert swarm.state(task_id).status is TaskStatus.RUNNING
    pass_by(swarm, ada, held, 1)
    assert swarm.state(task_id).failures == 1


def test_given_a_run_that_failed_when_it_is_tried_again_then_it_has_its_whole_time(swarm: Driver) -> None:
    ada, task_id = swarm.register("ada"), file(swarm)
    held = swarm.take(ada)
    pass_by(swarm, ada, held, 60 * SECOND)
    swarm.pause(held, PauseReason.PERSON)
    swarm.command(commands.Resume(task_id=task_id))
    swarm.fail(swarm.take(ada))
    assert deadlines.left(swarm.state(task_id)) == TIMEOUT


def test_given_an_attempt_that_prepares_when_time_passes_then_its_run_has_not_begun_to_count(swarm: Driver) -> None:
    ada, task_id = swarm.register("ada"), file(swarm)
    claimed = swarm.claim(ada)
    assert claimed is not None
    held = ops.Held(task_id=task_id, fence=claimed.task.state.fence)
    pass_by(swarm, ada, held, 2 * TIMEOUT + GRACE)
    assert swarm.state(task_id).status is TaskStatus.CLAIMED
    swarm.start(held)
    assert swarm.state(task_id).overdue_at == swarm.now + TIMEOUT + GRACE


def test_given_a_lease_that_lapses_in_a_bounded_run_then_the_agent_is_not_blamed(swarm: Driver) -> None:
    ada, task_id = swarm.register("ada"), file(swarm)
    swarm.take(ada)
    swarm.now += TIMEOUT + GRACE
    swarm.timers()
    state = swarm.state(task_id)
    assert (state.failures, state.losses) == (0, 1)


def test_given_a_server_that_leaves_leases_alone_when_a_run_is_overdue_then_it_leaves_that_alone_too(
    swarm: Driver,
) -> None:
    ada, task_id = swarm.register("ada"), file(swarm)
    held = swarm.take(ada)
    pass_by(swarm, ada, held, TIMEOUT + GRACE - 1)
    swarm.now += 1
    swarm.timers(leases=False)
    assert swarm.state(task_id).status is TaskStatus.RUNNING


def test_given_leases_that_were_renewed_when_timers_are_asked_for_then_the_earlier_end_is_told(swarm: Driver) -> None:
    ada, task_id = swarm.register("ada"), file(swarm)
    held = swarm.take(ada)
    pass_by(swarm, ada, held, TIMEOUT + GRACE - SECOND)
    assert swarm.engine.read(lambda queries: queries.next_timer()) == swarm.state(task_id).overdue_at


def test_given_a_run_paused_at_its_very_end_then_the_next_one_has_a_moment() -> None:
    state = TaskState(id="t", status=TaskStatus.PAUSED, timeout=TIMEOUT, time_used=TIMEOUT)
    assert deadlines.left(state) == SECOND
