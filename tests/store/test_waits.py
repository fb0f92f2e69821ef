"""Tasks that wait for those below them, on every store (rule T6)."""

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.errors import IllegalTransition, StaleLease
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.families.task_waits import TASK_WAITS
from agent_swarm.testing.driver import Driver

HOUR = 3_600 * SECOND


def wait(held: ops.Held) -> ops.WaitForTasks:
    return ops.WaitForTasks(task_id=held.task_id, fence=held.fence, actor="agent:ada")


def ends(swarm: Driver, held: ops.Held) -> bool:
    went_on: bool = swarm.do(ops.EndWait(task_id=held.task_id))
    return went_on


def stands(swarm: Driver, held: ops.Held) -> tuple[TaskStatus, PauseReason | None]:
    record = swarm.engine.read(lambda queries: queries.task(held.task_id))
    assert record is not None
    return record.state.status, record.state.pause_reason


def is_known(swarm: Driver, held: ops.Held) -> bool:
    return swarm.engine.read(lambda queries: queries.record(TASK_WAITS, held.task_id)) is not None


def waiting(swarm: Driver) -> ops.Held:
    """A task that waits, its run stopped."""
    swarm.file()
    held = swarm.take(swarm.register())
    swarm.do(wait(held))
    swarm.pause(held, PauseReason.PERSON)
    return held


def test_given_a_task_that_waits_when_its_wait_ends_twice_then_it_goes_on_once(swarm: Driver) -> None:
    held = waiting(swarm)
    assert stands(swarm, held) == (TaskStatus.PAUSED, PauseReason.TASKS)
    assert is_known(swarm, held)
    assert ends(swarm, held)
    assert stands(swarm, held) == (TaskStatus.PENDING, None)
    assert not is_known(swarm, held)
    assert not ends(swarm, held)


def test_given_a_run_that_has_yet_to_stop_when_its_wait_ends_then_it_waits_on_until_it_has(swarm: Driver) -> None:
    swarm.file()
    held = swarm.take(swarm.register())
    swarm.do(wait(held))
    assert not ends(swarm, held)
    swarm.pause(held, PauseReason.PERSON)
    assert ends(swarm, held)


def test_given_an_attempt_that_is_over_when_it_waits_then_it_is_refused_and_nothing_is_kept(swarm: Driver) -> None:
    swarm.file()
    held = swarm.take(swarm.register())
    swarm.cancel(held.task_id)
    with pytest.raises((StaleLease, IllegalTransition)):
        swarm.do(wait(held))
    assert not is_known(swarm, held)


def test_given_an_attempt_that_lost_its_lease_when_it_waits_then_the_one_that_has_it_goes_on(swarm: Driver) -> None:
    swarm.file()
    ada, bob = swarm.register("ada"), swarm.register("bob")
    lost = swarm.take(ada)
    swarm.fail(lost)
    swarm.now += HOUR
    swarm.do(ops.RunTimers(jitter=0.0))
    held = swarm.take(bob)
    with pytest.raises(StaleLease):
        swarm.do(wait(lost))
    (verdict,) = swarm.beat(bob, held)
    assert (verdict.wants, is_known(swarm, held)) == ("", False)


def test_given_a_wait_when_a_person_pauses_the_task_then_its_end_changes_nothing(swarm: Driver) -> None:
    held = waiting(swarm)
    swarm.command(commands.RequestPause(task_id=held.task_id))
    assert not ends(swarm, held)
    assert stands(swarm, held) == (TaskStatus.PAUSED, PauseReason.PERSON)
    assert not is_known(swarm, held)


def test_given_a_person_who_wants_a_pause_when_the_run_waits_then_the_person_is_heard(swarm: Driver) -> None:
    swarm.file()
    held = swarm.take(swarm.register())
    swarm.command(commands.RequestPause(task_id=held.task_id))
    swarm.do(wait(held))
    swarm.pause(held, PauseReason.PERSON)
    assert stands(swarm, held) == (TaskStatus.PAUSED, PauseReason.PERSON)


def test_given_a_wait_when_the_kill_switch_is_turned_on_then_its_end_does_not_resume_the_task(swarm: Driver) -> None:
    swarm.file()
    held = swarm.take(swarm.register())
    swarm.do(wait(held))
    swarm.kill()
    swarm.lift()
    ends(swarm, held)
    assert stands(swarm, held) == (TaskStatus.PAUSED, PauseReason.KILL)
