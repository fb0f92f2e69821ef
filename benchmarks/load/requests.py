"""Requests one after the other, each timed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.load.http import Client
from benchmarks.load.scenario import Scenario


@dataclass(frozen=True, kw_only=True)
class Requests(Scenario):
    """GETs of each of `paths` in turn, `rounds` times."""

    paths: tuple[str, ...]
    rounds: int

    async def run(self) -> Mapping[str, Any]:
        times: dict[str, list[float]] = {path: [] for path in self.paths}
        async with Client(self.port, self.key, connections=1) as client:
            for _ in range(self.rounds):
                for path in self.paths:
                    since = time.perf_counter()
                    await client.get(path)
                    times[path].append(1000 * (time.perf_counter() - since))
        return {"milliseconds": times}
