"""Whole lives of tasks, as many as the server manages."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks import processes
from benchmarks.load.fleet import Fleet, Worker
from benchmarks.load.http import Client
from benchmarks.load.scenario import Scenario

WARM_UP_SECONDS = 0.7


@dataclass(frozen=True, kw_only=True)
class Cycles(Scenario):
    """`creators` file tasks, `batch` per request, as long as fewer than `unfinished` are in the works; `workers` with
    `slots` each claim, report progress and complete them.

    Counted are tasks whose ending was acknowledged within `seconds`, after a warm-up. The prototype has no `start`.
    """

    seconds: float
    creators: int
    batch: int = 1
    workers: int = 200
    slots: int = 4
    unfinished: int = 2000
    starts: bool = True

    async def run(self) -> Mapping[str, Any]:
        works = _Works(self.unfinished)

        def claimed(worker: Worker, task: dict[str, Any]) -> None:
            worker.send(*worker.finish(task, progress=True, starts=self.starts))

        fleet = Fleet(self.port, self.key, claimed)
        fleet.on_completed = works.completed
        await fleet.register(self.workers)
        await fleet.connect(credits=self.slots)
        fleet.keep_alive()
        async with Client(self.port, self.key, connections=self.creators) as client:
            creators = [asyncio.create_task(self._create(client, works)) for _ in range(self.creators)]
            found = await self._measure(works)
            works.stop()
            await asyncio.gather(*creators)
        fleet.close()
        return {**found, "refused": dict(fleet.refused)}

    async def _measure(self, works: "_Works") -> dict[str, float]:
        await asyncio.sleep(WARM_UP_SECONDS)
        done, used, since = works.done, processes.cpu_seconds(self.pid), time.perf_counter()
        await asyncio.sleep(self.seconds)
        number = works.done - done
        return {
            "perSecond": number / (time.perf_counter() - since),
            "cpuMicros": 1e6 * (processes.cpu_seconds(self.pid) - used) / max(1, number),
        }

    async def _create(self, client: Client, works: "_Works") -> None:
        task = {"prompt": "Do what has to be done, then say so.", "title": "a task"}
        while await works.may_create(self.batch):
            if self.batch == 1:
                await client.post("/api/tasks", task)
            else:
                await client.post("/api/tasks/batch", {"tasks": [task] * self.batch})


@dataclass
class _Works:
    """How many tasks are under way."""

    limit: int
    under_way: int = 0
    done: int = 0
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _is_over: bool = False

    async def may_create(self, number: int) -> bool:
        """Wait for room; False when it is over."""
        while self.under_way >= self.limit and not self._is_over:
            self._room.clear()
            await self._room.wait()
        self.under_way += number
        return not self._is_over

    def completed(self) -> None:
        """One has ended."""
        self.done += 1
        self.under_way -= 1
        self._room.set()

    def stop(self) -> None:
        """Create no more."""
        self._is_over = True
        self._room.set()
