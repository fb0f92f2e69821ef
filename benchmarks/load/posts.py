"""The same request from several clients at once, as many as the server manages."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import processes
from benchmarks.load.http import Client
from benchmarks.load.scenario import Scenario

WARM_UP_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Posts(Scenario):
    """`clients` POST `body` to `path` for `seconds`, or GET it where there is no body."""

    path: str
    body: Mapping[str, Any] | None
    clients: int
    seconds: float

    async def run(self) -> Mapping[str, Any]:
        done = 0
        over = False

        async def ask(client: Client) -> None:
            nonlocal done
            while not over:
                await (client.get(self.path) if self.body is None else client.post(self.path, self.body))
                done += 1

        async with Client(self.port, self.key, connections=self.clients) as client:
            asking = [asyncio.create_task(ask(client)) for _ in range(self.clients)]
            await asyncio.sleep(WARM_UP_SECONDS)
            before, used, since = done, processes.cpu_seconds(self.pid), time.perf_counter()
            await asyncio.sleep(self.seconds)
            number, elapsed = done - before, time.perf_counter() - since
            cpu = processes.cpu_seconds(self.pid) - used
            over = True
            await asyncio.gather(*asking)
        return {"perSecond": number / elapsed, "cpuMicros": 1e6 * cpu / max(1, number)}
