"""Timers: what is due is done, and rule T7 leaves leases alone when workers could not renew them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.server.world import World

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.protocol.limits import SWEEP_SECONDS
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.timers import TimerService
from agent_swarm.store.clock import ServerClock
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def timers(world: World) -> AsyncIterator[TimerService]:
    """A service that was ready one full lease ago, and runs when told to."""
    service = TimerService(world.store, world.store.clock, Metrics(), jitter=lambda: 0.5)
    service.grant_grace()
    world.clock.at += 1
    yield service
    await service.stop()


async def status(world: World, task_id: str) -> str:
    found: str = (await world.get(f"/api/tasks/{task_id}"))["status"]
    return found


async def pass_time(world: World, timers: TimerService, seconds: float) -> float:
    """Let time pass as it does, with a sweep every 5 s and one at the end; answers when the next one is due."""
    due = 0.0
    while seconds > 0:
        step = min(seconds, SWEEP_SECONDS)
        world.clock.advance(step)
        seconds -= step
        due = await timers.run_once()
    return due


async def test_given_a_start_time_when_it_is_reached_then_the_task_may_be_claimed(
    world: World, timers: TimerService
) -> None:
    task_id = await world.file(startAt="2027-01-15T08:01:00Z")  # a minute from the start of the clock
    ada = await world.register()

    assert await timers.run_once() == SWEEP_SECONDS
    with pytest.raises(AssertionError, match="nothing to claim"):
        await world.claim(ada)
    assert 2.9 < await pass_time(world, timers, 57) < 3.1
    await pass_time(world, timers, 3)

    assert (await world.claim(ada)).task_id == task_id


async def test_given_a_lapsed_lease_when_the_grace_is_over_then_the_task_is_queued_again(
    world: World, timers: TimerService
) -> None:
    await pass_time(world, timers, 31)
    await world.file()
    attempt = await world.take(await world.register())

    assert await pass_time(world, timers, 29.9) < 0.2
    assert await status(world, attempt.task_id) == "running"
    await pass_time(world, timers, 0.2)

    assert await status(world, attempt.task_id) == "pending"


async def test_given_a_server_that_just_started_when_a_lease_lapses_then_it_is_left_alone_for_one_lease(
    world: World,
) -> None:
    await world.file()
    ada = await world.register()
    attempt = await world.take(ada)
    world.clock.advance(25)
    timers = TimerService(world.store, world.store.clock, Metrics())
    timers.grant_grace()  # as `start` does

    assert await pass_time(world, timers, 20) == SWEEP_SECONDS
    assert await status(world, attempt.task_id) == "running"
    await world.beat(ada, attempt)
    await pass_time(world, timers, 20)
    assert await status(world, attempt.task_id) == "running"
    await pass_time(world, timers, 11)

    assert await status(world, attempt.task_id) == "pending"


async def test_given_a_lapsed_lease_in_the_grace_when_a_start_time_comes_then_that_is_carried_out(
    world: World, timers: TimerService
) -> None:
    await world.file()
    held = await world.take(await world.register())
    waiting = await world.file(startAt="2027-01-15T08:00:40Z")
    await pass_time(world, timers, 29)
    timers.grant_grace()

    await pass_time(world, timers, 12)

    assert await status(world, held.task_id) == "running"
    ready = await world.store.read(lambda queries: queries.task(waiting))
    assert ready is not None and ready.state.ready


async def test_given_a_process_that_stood_still_when_it_goes_on_then_leases_are_left_alone_for_one_lease(
    world: World, timers: TimerService
) -> None:
    await pass_time(world, timers, 31)
    await world.file()
    attempt = await world.take(await world.register())

    world.clock.advance(3600)  # SIGSTOP, say
    await timers.run_once()
    assert await status(world, attempt.task_id) == "running"
    await pass_time(world, timers, 31)

    assert await status(world, attempt.task_id) == "pending"


async def test_given_a_clock_that_leapt_when_leases_seem_lapsed_then_they_are_left_alone_for_one_lease(
    world: World,
) -> None:
    wall, monotonic = world.clock.at, 0
    clock = world.store.clock
    assert isinstance(clock, ServerClock)
    clock._wall = lambda: wall
    clock._monotonic = lambda: monotonic
    clock._last_monotonic = 0
    timers = TimerService(world.store, clock, Metrics())
    timers.grant_grace()
    await world.file()
    attempt = await world.take(await world.register())
    for step in range(7):
        wall += 5_000_000
        monotonic += 5_000_000
        if step == 3:
            await world.beat(world.agents[next(iter(world.agents))], attempt)
        await timers.run_once()
    assert clock.jumps == 0

    wall += 3_600_000_000  # set by somebody
    monotonic += 1_000_000
    await timers.run_once()
    assert clock.jumps == 1
    assert await status(world, attempt.task_id) == "running"

    for _ in range(7):
        wall += 5_000_000
        monotonic += 5_000_000
        await timers.run_once()
    assert await status(world, attempt.task_id) == "pending"


class Outage:
    """A store whose database is away now and then."""

    def __init__(self, world: World) -> None:
        self._store = world.store
        self.is_away = False

    async def apply(self, operation: Any, *, lane: object = None) -> Any:
        if self.is_away:
            raise ConnectionError("the database is away")
        return await self._store.apply(operation, lane=lane)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_given_a_database_that_was_away_when_it_is_back_then_leases_are_left_alone_for_one_lease(
    world: World,
) -> None:
    store = Outage(world)
    timers = TimerService(store, world.store.clock, Metrics())
    timers.grant_grace()
    await pass_time(world, timers, 31)
    await world.file()
    attempt = await world.take(await world.register())
    store.is_away = True
    for _ in range(8):
        world.clock.advance(5)
        with pytest.raises(ConnectionError):
            await timers.run_once()

    store.is_away = False
    await timers.run_once()
    assert await status(world, attempt.task_id) == "running"
    await pass_time(world, timers, 31)

    assert await status(world, attempt.task_id) == "pending"


async def test_given_more_timers_than_a_batch_when_they_are_due_then_one_run_carries_out_all(
    world: World, timers: TimerService
) -> None:
    tasks = [{"prompt": "p", "startAt": "2027-01-15T08:00:10Z"}] * 700
    await world.post("/api/tasks/batch", {"tasks": tasks})

    await pass_time(world, timers, 11)

    assert len(await world.store.read(lambda queries: queries.ready_classes())) == 1
    assert await world.store.read(lambda queries: queries.next_timer()) is None


async def test_given_a_running_service_when_an_earlier_timer_is_set_then_it_wakes_for_it(world: World) -> None:
    woken: list[float] = []

    class Watched(TimerService):
        async def run_once(self) -> float:
            woken.append(await super().run_once())
            return woken[-1]

    service = Watched(world.store, world.store.clock, Metrics())
    await service.start()
    await until(lambda: len(woken) == 1)
    await world.file(startAt="2027-01-15T08:00:01Z")
    await until(lambda: len(woken) >= 2)
    await service.start()  # again is fine

    assert woken[0] == SWEEP_SECONDS
    assert 0.9 < woken[1] <= 1.0
    await service.stop()
    await service.stop()


async def test_given_a_failed_attempt_when_its_back_off_is_over_then_it_may_be_claimed_again(
    world: World, timers: TimerService
) -> None:
    await world.file()
    ada = await world.register()
    attempt = await world.take(ada)
    await world.fail(attempt, FailureClass.AGENT, jitter=0.5)

    assert 0.9 < await timers.run_once() <= 1.0
    await pass_time(world, timers, 1)

    assert (await world.claim(ada)).attempt == 2


async def test_given_a_run_that_fails_when_the_service_goes_on_then_the_next_run_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_swarm.server.service.RETRY_SECONDS", 0.001)
    runs: list[bool] = []

    class Flaky(TimerService):
        async def run_once(self) -> float:
            runs.append(True)
            if len(runs) == 1:
                raise LookupError("no luck")
            return 60.0

    service = Flaky(world.store, world.store.clock, Metrics())
    await service.start()
    await until(lambda: len(runs) == 2)
    await service.stop()


class HaltedReads:
    """A store whose reads have looked, and are held on their way back."""

    def __init__(self, world: World) -> None:
        self._store = world.store
        self.looked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def read(self, query: Any) -> Any:
        found = await self._store.read(query)
        self.looked.set()
        await self.go_on.wait()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_given_a_timer_set_while_the_next_one_is_read_when_the_read_ends_then_it_is_not_overlooked(
    world: World,
) -> None:
    await world.file(startAt="2027-01-15T08:00:03Z")
    store = HaltedReads(world)
    service = TimerService(store, world.store.clock, Metrics())
    unsubscribe = world.store.subscribe(service._rearm)

    run = asyncio.create_task(service.run_once())
    await store.looked.wait()
    await world.file(startAt="2027-01-15T08:00:01Z")
    store.go_on.set()

    assert 0.9 < await run <= 1.0
    unsubscribe()
