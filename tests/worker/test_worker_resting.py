"""A worker whose provider refuses it takes nothing until it may ask again, and says so."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.worker.crew import StartWorker

from agent_swarm.domain.tasks import FailureClass, TaskStatus
from agent_swarm.harness.base import Outcome
from agent_swarm.protocol.pool import FrameType, Withdraw
from agent_swarm.testing.fake_pool import FakePool
from agent_swarm.testing.waiting import until
from agent_swarm.worker.resting import Resting
from agent_swarm.worker.slots import Slots

pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_given_a_provider_that_refuses_when_there_is_more_work_then_it_rests_and_then_works_on(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url, slots=2):
        refused = server.add_task("limit 3 used up", harness="script")
        await server.until(lambda: any(frame.type is FrameType.WITHDRAW for frame in server.frames))
        told = next(frame for frame in server.frames if frame.type is FrameType.WITHDRAW)
        rest = Withdraw.model_validate(told.body)
        assert rest.reason == "rateLimit"
        assert 0 < rest.rest_seconds <= 3
        assert len(rest.claim_ids) <= 1
        waiting = server.add_task("say hello", harness="script")
        assert server.tasks[waiting].status is TaskStatus.PENDING
        before = sum(frame.type is FrameType.CREDIT for frame in server.frames)
        await server.until_status(waiting, TaskStatus.COMPLETED)
        assert sum(frame.type is FrameType.CREDIT for frame in server.frames) > before
        assert (server.tasks[refused].state.failures, server.tasks[refused].state.losses) == (0, 0)


class Quiet:
    """A server, and a clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[Withdraw] = []
        self.offers = 0
        self.slots = Slots(2)
        self.resting = Resting(self.slots, self.request, self.offer, lambda: self.now)

    async def request(self, kind: FrameType, body: Withdraw) -> dict[str, object]:
        assert kind is FrameType.WITHDRAW
        self.told.append(body)
        return {"claimed": list(body.claim_ids[:1])}

    def offer(self) -> None:
        self.offers += 1


def refusal(retry_at: float | None = None, code: str = "overloaded") -> Outcome:
    return Outcome(ok=False, failure=FailureClass.INFRASTRUCTURE, failure_code=code, message="no", retry_at=retry_at)


@pytest.fixture
async def quiet() -> AsyncIterator[Quiet]:
    quiet = Quiet()
    quiet.slots.offer()
    running = asyncio.create_task(quiet.resting.run())
    yield quiet
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_given_a_refusal_when_it_is_heard_then_open_credits_are_taken_back_until_it_is_over(quiet: Quiet) -> None:
    first, second = quiet.slots.open
    quiet.resting.hear(refusal(retry_at=1060.0), now=1000.0)
    await until(lambda: quiet.told)

    assert quiet.slots.offer() == ()
    assert (quiet.told[0].claim_ids, quiet.told[0].rest_seconds, quiet.told[0].reason) == (
        (first, second),
        60.0,
        "overloaded",
    )
    await until(lambda: quiet.slots.open == (first,))  # it was claimed at the same time

    quiet.now += 60
    quiet.resting.hear(refusal(retry_at=1001.0), now=1000.0)  # a shorter one, by which it looks at its clock
    quiet.now += 1
    quiet.resting.connected()
    await until(lambda: quiet.offers == 1)
    assert len(quiet.slots.offer()) == 1


async def test_given_nobody_says_how_long_when_it_is_refused_again_then_rests_grow_and_a_good_run_ends_that(
    quiet: Quiet,
) -> None:
    rests: list[float] = []
    for outcome in (refusal(), refusal(), refusal(), Outcome(ok=True), refusal(code="rateLimit")):
        quiet.resting.hear(outcome, now=0.0)
        if not outcome.ok:
            await until(lambda: len(quiet.told) > len(rests))
            rests.append(quiet.told[-1].rest_seconds)
        quiet.now += 600
        quiet.resting.connected()
        await until(lambda: not quiet.slots.is_resting)
    assert rests == [15, 30, 60, 15]


async def test_given_a_new_connection_when_it_rests_then_it_says_so_again(quiet: Quiet) -> None:
    quiet.resting.connected()
    quiet.resting.hear(refusal(retry_at=1060.0), now=1000.0)
    await until(lambda: quiet.told)
    quiet.now += 20
    quiet.resting.connected()
    await until(lambda: len(quiet.told) == 2)
    assert quiet.told[1].rest_seconds == 40


async def test_given_a_failure_of_the_agent_when_it_is_heard_then_nobody_rests(quiet: Quiet) -> None:
    for failure, code in ((FailureClass.AGENT, "rateLimit"), (FailureClass.INFRASTRUCTURE, "authentication")):
        quiet.resting.hear(Outcome(ok=False, failure=failure, failure_code=code, message="no"), now=0.0)
    assert not quiet.slots.is_resting
