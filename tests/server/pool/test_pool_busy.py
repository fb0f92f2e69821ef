"""Workers meet a full queue: their frames are refused as `busy`, and sent again they count once."""

import asyncio
from typing import Any

import pytest
from tests.server.jam import Jam, jammed
from tests.server.pool.house import House, frame

from agent_swarm.domain.tasks import TaskStatus

pytestmark = pytest.mark.anyio


async def full_queue(house: House, jam: Jam) -> list["asyncio.Task[str]"]:
    """One task in the batch that stands still, one behind it."""
    first = asyncio.create_task(house.create())
    await jam.until_queued(0)
    second = asyncio.create_task(house.create())
    await jam.until_queued(1)
    return [first, second]


async def test_given_a_full_queue_when_a_worker_delivers_then_it_is_told_to_come_again_and_its_result_counts_once(
    house: House,
) -> None:
    task_id = await house.create()
    peer = await house.peer(credits=1)
    claim = await peer.run()
    mine: dict[str, Any] = {"task_id": claim.task_id, "fence": claim.fence}
    async with jammed(house.store.inner, queue_limit=1) as jam:
        others = await full_queue(house, jam)

        heartbeat = await peer.refused("heartbeat", leases=[mine])
        progress = await peer.refused("progress", **mine, text="half way")
        result = await peer.refused("complete", **mine, text="done")

        assert [error["code"] for error in (heartbeat, progress, result)] == ["busy"] * 3
        assert all(error["message"] and error["hint"] for error in (heartbeat, progress, result))
        jam.release()
        await asyncio.gather(*others)

    await peer.request("heartbeat", leases=[mine])
    await peer.request("progress", **mine, text="half way")
    first = await peer.request("complete", **mine, text="done")
    second = await peer.request("complete", **mine, text="done")
    task = await house.task(task_id)
    assert (task.state.status, task.state.attempt, (task.result or {})["text"]) == (TaskStatus.COMPLETED, 1, "done")
    assert first["status"] == second["status"] == "completed"


async def test_given_a_full_queue_when_a_worker_polls_then_each_of_its_frames_is_refused_by_itself(
    house: House,
) -> None:
    worker = await house.register()
    async with jammed(house.store.inner, queue_limit=1) as jam:
        others = await full_queue(house, jam)

        frames = await house.poll(worker, frame("heartbeat", "1", leases=[]), frame("heartbeat", "2", leases=[]))

        assert [(one.id, one.body["error"]["code"]) for one in frames] == [("1", "busy"), ("2", "busy")]
        jam.release()
        await asyncio.gather(*others)
    (answer,) = await house.poll(worker, frame("heartbeat", "3", leases=[]))
    assert answer.type.value == "reply"


async def test_given_a_full_queue_when_a_worker_offers_a_slot_then_its_credit_waits_and_gets_the_task(
    house: House,
) -> None:
    peer = await house.peer()
    async with jammed(house.store.inner, queue_limit=1) as jam:
        others = await full_queue(house, jam)
        await peer.credit()
        jam.release()
        filed = await asyncio.gather(*others)
    assert (await peer.claim()).task_id in filed
