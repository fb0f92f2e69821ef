"""A full queue refuses and says when to come again; what was accepted is done, and what comes again is done once."""

import asyncio
import threading
from pathlib import Path

import httpx2
import pytest
from tests.server.jam import jammed
from tests.server.world import World, opened

from agent_swarm.store import batcher
from agent_swarm.store.base import Queries
from agent_swarm.store.records import TaskFilter
from agent_swarm.store.sql.sqlite import READERS
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio
LIMIT = 3


async def filed(world: World, number: int) -> httpx2.Response:
    """File task number so-and-so, under a key of its own."""
    headers = {"idempotency-key": f"key-{number}"}
    return await world.call("POST", "/api/tasks", json={"prompt": f"task {number}"}, headers=headers)


async def test_given_a_full_queue_when_more_is_asked_then_it_is_refused_at_once_and_nothing_is_lost(
    world: World,
) -> None:
    async with jammed(world.store, queue_limit=LIMIT) as jam:
        accepted = [asyncio.create_task(filed(world, 0))]
        await jam.until_queued(0)
        accepted += [asyncio.create_task(filed(world, number)) for number in range(1, LIMIT + 1)]
        await jam.until_queued(LIMIT)

        async with asyncio.timeout(10):
            refused = [await filed(world, number) for number in range(10, 15)]

        for answer in refused:
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
            assert int(answer.headers["retry-after"]) >= 1
        assert jam.queued == LIMIT
        assert (await world.call("GET", "/api/tasks")).status_code == 200  # who only reads is not held up
        jam.release()
        assert [answer.status_code for answer in await asyncio.gather(*accepted)] == [201] * (LIMIT + 1)

    again = [await filed(world, number) for number in (*range(10, 15), 0)]
    assert [answer.status_code for answer in again] == [201] * 6
    assert [answer.headers.get("idempotency-replayed") for answer in again] == [None] * 5 + ["true"]
    tasks = await world.store.read(lambda queries: queries.list_tasks(TaskFilter(), after=None, limit=100))
    prompts = sorted(task.spec.prompt for task in tasks)
    assert prompts == sorted(f"task {number}" for number in (*range(LIMIT + 1), *range(10, 15)))


async def test_given_a_client_that_gives_up_when_the_queue_moves_again_then_its_task_is_there_when_it_asks_again(
    world: World,
) -> None:
    async with jammed(world.store, queue_limit=LIMIT) as jam:
        impatient = asyncio.create_task(filed(world, 1))
        await jam.until_queued(0)
        impatient.cancel()
        await asyncio.wait({impatient})
        jam.release()

    again = await filed(world, 1)

    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")


async def test_given_a_full_queue_when_everything_is_to_stop_then_that_is_taken_and_goes_before_all_that_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with jammed(world.store, queue_limit=LIMIT) as jam:
        waiting = [asyncio.create_task(filed(world, 0))]
        await jam.until_queued(0)
        waiting += [asyncio.create_task(filed(world, number)) for number in range(1, LIMIT + 1)]
        await jam.until_queued(LIMIT)

        killing = asyncio.create_task(world.call("POST", "/api/kill-switch"))
        await jam.until_queued(LIMIT + 1)
        monkeypatch.setattr(batcher, "BATCH_WEIGHT", 1)  # in one batch with the others it would come first anyway
        jam.release()

        assert (await killing).status_code == 200
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [201] + [503] * LIMIT


async def test_given_readings_that_take_all_readers_when_others_ask_then_health_is_told_and_a_task_is_filed(
    tmp_path: Path,
) -> None:
    over, begun = threading.Event(), threading.Semaphore(0)

    def takes_long(_: Queries) -> None:
        begun.release()
        assert over.wait(60)

    async with opened(tmp_path, address=tmp_path / "swarm.sqlite") as world:
        await filed(world, 0)  # from now on the token is known
        slow = [asyncio.create_task(world.store.read(takes_long)) for _ in range(2 * READERS)]
        try:
            await until(lambda: begun._value == READERS)
            async with asyncio.timeout(30):
                assert (await world.call("GET", "/health")).status_code == 200
                assert (await filed(world, 1)).status_code == 201
        finally:
            over.set()
            await asyncio.gather(*slow)
