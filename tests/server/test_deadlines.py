"""How long runs may take, as workers and people are told it."""

import pytest
from tests.server.world import World

from agent_swarm.domain.tasks import PauseReason

pytestmark = pytest.mark.anyio


async def test_given_a_bounded_run_when_it_is_looked_at_then_its_end_is_told(world: World) -> None:
    ada = await world.register()
    task_id = await world.file(timeoutSeconds=90)
    assert (await world.get(f"/api/tasks/{task_id}"))["deadlineAt"] is None
    await world.take(ada)
    task = await world.get(f"/api/tasks/{task_id}")
    assert (task["timeoutSeconds"], task["deadlineAt"]) == (90, "2027-01-15T08:01:30.000Z")
    assert "to be done by 2027-01-15T08:01:30.000Z" in (await world.get(f"/api/tasks/{task_id}/explain"))["summary"]


async def test_given_a_run_that_was_paused_when_it_is_claimed_again_then_its_worker_gets_the_time_left(
    world: World,
) -> None:
    ada = await world.register()
    task_id = await world.file(timeoutSeconds=90)
    claim = await world.take(ada)
    assert (await world.frame_of(claim)).timeout_seconds == 90
    world.clock.advance(20)
    await world.beat(ada, claim)
    await world.pause(claim, PauseReason.PERSON)
    world.clock.advance(1_000)
    await world.post(f"/api/tasks/{task_id}/resume")
    await world.beat(ada)
    assert (await world.frame_of(await world.claim(ada))).timeout_seconds == 70
