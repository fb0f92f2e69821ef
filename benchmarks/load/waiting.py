"""Workers that wait, and now and then a task for one of them."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import processes
from benchmarks.load.fleet import Fleet, Worker
from benchmarks.load.http import Client
from benchmarks.load.pace import pace
from benchmarks.load.scenario import Scenario

WARM_UP = 100  # tasks that are not counted
LATE_SECONDS = 5.0  # how long the last tasks may take


@dataclass(frozen=True, kw_only=True)
class Waiting(Scenario):
    """`workers` with one slot each; tasks come one by one at `rate` for `seconds`.

    The time of a task runs from the moment its POST is written to the moment a worker has read its `claimed` frame;
    both are in this process. `settle_seconds` lie between the last connection and the first task: what the connections
    cost is measured at their end.
    """

    workers: int
    rate: float
    seconds: float
    settle_seconds: float

    async def run(self) -> Mapping[str, Any]:
        before = processes.rss(self.pid)
        tasks = _Tasks()
        fleet = Fleet(self.port, self.key, tasks.claimed)
        since = time.perf_counter()
        await fleet.register(self.workers)
        registered = time.perf_counter() - since
        since = time.perf_counter()
        await fleet.connect(credits=1)
        connected = time.perf_counter() - since
        idle_cpu = await self._settle(fleet)
        connected_rss = processes.rss(self.pid)
        async with Client(self.port, self.key, connections=64) as client:
            tasks.client = client
            await pace(self.rate, self.seconds, tasks.create)
            await tasks.until_all_claimed()
        fleet.close()
        return {
            "milliseconds": [1000 * tasks.times[number] for number in sorted(tasks.times) if number >= WARM_UP],
            "unclaimed": tasks.unclaimed,
            "refused": dict(fleet.refused),
            "registerSeconds": registered,
            "connectSeconds": connected,
            "idleCpuShare": idle_cpu,
            "rssBefore": before,
            "rssConnected": connected_rss,
        }

    async def _settle(self, fleet: Fleet) -> float:
        """Let the connections be; answers the share of a processor that the server needs for them."""
        fleet.keep_alive()
        used, since = processes.cpu_seconds(self.pid), time.perf_counter()
        await asyncio.sleep(self.settle_seconds)
        return (processes.cpu_seconds(self.pid) - used) / (time.perf_counter() - since)


class _Tasks:
    """What was created when, and how long it took."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.times: dict[int, float] = {}
        self._created_at: dict[int, float] = {}
        self._news = asyncio.Event()

    async def create(self, number: int) -> None:
        """File a task that carries its number."""
        assert self.client is not None
        self._created_at[number] = time.perf_counter()
        await self.client.post("/api/tasks", {"prompt": "wait for it", "title": str(number)})

    def claimed(self, worker: Worker, claimed: dict[str, Any]) -> None:
        """A worker has it, and is done with it at once."""
        now, number = time.perf_counter(), int(claimed["title"])
        self.times[number] = now - self._created_at[number]
        self._news.set()
        worker.send(*worker.finish(claimed, progress=False))

    @property
    def unclaimed(self) -> int:
        """How many nobody has."""
        return len(self._created_at) - len(self.times)

    async def until_all_claimed(self) -> None:
        """Wait for those on their way, for a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LATE_SECONDS):
                while self.unclaimed:
                    self._news.clear()
                    await self._news.wait()
