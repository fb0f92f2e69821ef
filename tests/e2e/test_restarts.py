"""A server that is restarted every 5 s, 20 times, under 100 attempts: none of them notices."""

import asyncio
import random
import signal
from itertools import cycle, islice
from pathlib import Path

import pytest

from agent_swarm.testing.faults.house import House, new_server_folder
from agent_swarm.testing.faults.nursery import Nursery
from agent_swarm.testing.faults.puppet import Part
from agent_swarm.testing.faults.schedule import SERVER

LEASE = 4.0  # it is judged in the last second before each restart, and after the last one
EVERY_SECONDS = 5.0
RESTARTS = 20
WORKERS, SLOTS = 4, 25
UNDER_WAY = WORKERS * SLOTS
PART = Part(steps=15, pause=1.0)  # an attempt lives through three or four restarts
TASKS = 8 * UNDER_WAY


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.anyio
@pytest.mark.timeout(900)
async def test_given_100_attempts_when_the_server_is_restarted_every_5_s_then_none_of_them_is_lost_or_begun_again(
    tmp_path: Path,
) -> None:
    async with Nursery(lease_seconds=LEASE) as nursery:
        template = await new_server_folder(nursery, tmp_path / "template")
        house = House(nursery, tmp_path / "house", random.Random(0), slots=SLOTS)
        try:
            await house.proxy.start()
            await house.start_server(template)
            for number in range(WORKERS):
                await house.start_worker(f"worker-{number}")
            promised = await file_all(house)
            await until_under_way(house)
            for number in islice(cycle((signal.SIGKILL, signal.SIGTERM)), RESTARTS):
                assert await under_way(house) >= UNDER_WAY  # more, where endings are still on their way
                code = await house.end(SERVER, number)
                assert code == (0 if number is signal.SIGTERM else -number)
                await house.start_server()
                await asyncio.sleep(EVERY_SECONDS)
            await until_completed(house)
            assert not house.complaints()
            assert all(house.processes[name].is_alive for name in house.ids)
            assert await taken_away(house) == [], house.last_words()
            await house.end(SERVER)
            assert await nursery.audit([(house.data_dir, promised)], tmp_path / "audit.log") == [[]]
        finally:
            await house.close()


async def file_all(house: House) -> list[str]:
    promised: list[str] = []
    for start in range(0, TASKS, 400):
        tasks = [{"ref": str(start + n), "harness": "noop", "prompt": PART.prompt()} for n in range(400)]
        answer = await house.operator.insist(
            house.address, "POST", "/api/tasks/batch", {"tasks": tasks}, idempotency=str(start)
        )
        promised += answer["refs"].values()
    return promised


async def under_way(house: House) -> int:
    """How many attempts there are; those that are between two tasks are waited for."""
    running = -1
    for _ in range(40):
        told = (await house.operator.insist(house.address, "GET", "/api/overview"))["tasks"]
        running = told["claimed"] + told["running"]
        if running >= min(UNDER_WAY, TASKS - told["completed"]):
            break
        await asyncio.sleep(0.05)
    return int(running)


async def until_under_way(house: House) -> None:
    async with asyncio.timeout(60):
        while await under_way(house) < UNDER_WAY:  # noqa: ASYNC110 - it is in other processes
            await asyncio.sleep(0.1)


async def until_completed(house: House) -> None:
    completed = 0
    async with asyncio.timeout(180):
        while completed < TASKS:
            await asyncio.sleep(0.2)
            completed = (await house.operator.insist(house.address, "GET", "/api/overview"))["tasks"]["completed"]


async def taken_away(house: House) -> list[object]:
    """The events that end an attempt before its time; none, where every task was completed by its first."""
    found: list[object] = []
    after = 0
    while True:
        page = await house.operator.insist(house.address, "GET", f"/api/events?after={after}&limit=200")
        if not page["events"]:
            return found
        found += [event for event in page["events"] if event["type"] == "task.requeued"]
        after = page["events"][-1]["seq"]
