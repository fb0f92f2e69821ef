"""Clients of the event stream, and tasks that give them something to see."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from benchmarks import processes
from benchmarks.load.http import Client
from benchmarks.load.pace import pace
from benchmarks.load.scenario import Scenario

EVENT = b"\ndata: "
EACH = 20  # events per request
WATCHED = 25  # clients that look at every event; the others count
LATE_SECONDS = 3.0
_SENT = re.compile(rb'"title":"(\d+)"')


@dataclass(frozen=True, kw_only=True)
class Followers(Scenario):
    """`clients` follow the events of tasks created at `rate` per second for `seconds`.

    A delivery's time runs from the writing of the POST that creates the task, so it includes the commit.
    """

    clients: int
    rate: float
    seconds: float

    async def run(self) -> Mapping[str, Any]:
        expected = int(self.rate / EACH * self.seconds) * EACH
        followers = [_Follower(self.key, expected, watches=number < WATCHED) for number in range(self.clients)]
        loop = asyncio.get_running_loop()
        for follower in followers:
            await loop.create_connection(lambda one=follower: one, "127.0.0.1", self.port)  # type: ignore[misc]
            await follower.opened
        used, since = processes.cpu_seconds(self.pid), time.perf_counter()
        async with Client(self.port, self.key, connections=8) as client:
            await pace(self.rate / EACH, self.seconds, lambda _: self._create(client))
        await asyncio.wait([follower.done for follower in followers], timeout=LATE_SECONDS)
        seconds = max(follower.latest for follower in followers) - since
        delivered = sum(follower.seen for follower in followers)
        return {
            "deliveredPerSecond": delivered / seconds,
            "missing": expected * self.clients - delivered,
            "cpuMicros": 1e6 * (processes.cpu_seconds(self.pid) - used) / max(1, delivered),
            "milliseconds": [1000 * late for follower in followers for late in follower.times],
        }

    async def _create(self, client: Client) -> None:
        now = time.perf_counter_ns()
        await client.post("/api/tasks/batch", {"tasks": [{"prompt": "see", "title": str(now)}] * EACH})


class _Follower(asyncio.Protocol):
    """One client; done when it has seen as many events as expected."""

    def __init__(self, key: str, expected: int, *, watches: bool) -> None:
        self._request = (
            f"GET /api/events HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
            "accept: text/event-stream\r\n\r\n"
        ).encode()
        self._expected = expected
        self._watches = watches
        self._rest = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seen = 0
        self.latest = 0.0
        self.times: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            if not data.startswith(b"HTTP/1.1 200"):
                self.opened.set_exception(RuntimeError(data[:300].decode(errors="replace")))
                return
            self.opened.set_result(None)
        data = self._rest + data
        found = data.count(EVENT)
        self._rest = data[1 - len(EVENT) :]
        if not found:
            return
        self.seen += found
        self.latest = time.perf_counter()
        if self._watches:
            self.times.extend(self.latest - int(sent) / 1e9 for sent in _SENT.findall(data))
        if self.seen >= self._expected and not self.done.done():
            self.done.set_result(None)
