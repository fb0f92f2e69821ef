"""Workers that speak the worker protocol and run nothing: each claim is answered at once."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson

from benchmarks.load.http import Client
from benchmarks.load.socket import Socket

HEARTBEAT_SECONDS = 10.0  # protocol.limits
TICK_SECONDS = 0.02
AT_ONCE = 32

Claimed = Callable[["Worker", dict[str, Any]], None]


class Worker:
    """One connection of an agent of its own."""

    __slots__ = ("agent_id", "fleet", "instance_id", "leases", "number", "socket", "token")

    def __init__(self, fleet: "Fleet") -> None:
        self.fleet = fleet
        self.agent_id = str(uuid.uuid4())
        self.instance_id = str(uuid.uuid4())
        self.token = ""
        self.number = 0
        self.leases: dict[str, int] = {}  # task -> fence
        self.socket: Socket | None = None

    def send(self, *frames: bytes) -> None:
        """Send frames in one write."""
        if self.socket is not None:
            self.socket.send(*frames)

    def frame(self, kind: str, body: object) -> bytes:
        """A frame; its id tells what the answer is about."""
        self.number += 1
        return orjson.dumps({"v": 1, "id": f"{kind}-{self.number}", "type": kind, "body": body})

    def credit(self, slots: int) -> bytes:
        """A frame that offers free slots."""
        return self.frame("credit", {"claim_ids": [str(uuid.uuid4()) for _ in range(slots)]})

    def finish(self, claimed: dict[str, Any], *, progress: bool, starts: bool = True) -> list[bytes]:
        """The frames of a run that ends at once, and the credit for the next one."""
        lease = {"task_id": claimed["task_id"], "fence": claimed["fence"]}
        self.leases.pop(claimed["task_id"], None)
        frames = [self.frame("start", lease)] if starts else []
        if progress:
            frames.append(self.frame("progress", {**lease, "text": "half way"}))
        return [*frames, self.frame("complete", {**lease, "text": "done"}), self.credit(1)]

    def heartbeat(self) -> bytes:
        """A frame that renews the leases held, if any."""
        leases = [{"task_id": task_id, "fence": fence} for task_id, fence in self.leases.items()]
        return self.frame("heartbeat", {"leases": leases})

    def take(self, message: bytes) -> None:
        """A frame from the server."""
        frame = orjson.loads(message)
        match frame["type"]:
            case "claimed":
                self.leases[frame["body"]["task_id"]] = frame["body"]["fence"]
                self.fleet.on_claimed(self, frame["body"])
            case "reply":
                self.fleet.answered(frame["id"])
            case "error":
                self.fleet.refused[frame["body"]["error"]["code"]] += 1


class Fleet:
    """Many workers on one server. `refused` counts the codes of error frames."""

    def __init__(self, port: int, key: str, on_claimed: Claimed) -> None:
        self._port = port
        self._key = key
        self._beating: asyncio.Task[None] | None = None
        self.on_claimed = on_claimed
        self.on_completed: Callable[[], None] = lambda: None
        self.workers: list[Worker] = []
        self.refused: Counter[str] = Counter()
        self._ungreeted = 0
        self._all_greeted = asyncio.Event()

    async def register(self, number: int) -> None:
        """Make workers known to the server."""
        self.workers = [Worker(self) for _ in range(number)]
        waiting = iter(self.workers)
        async with Client(self._port, self._key, connections=AT_ONCE) as client, asyncio.TaskGroup() as group:

            async def register_some() -> None:
                for worker in waiting:
                    body = {"agent_id": worker.agent_id, "instance_id": worker.instance_id, "name": "bench"}
                    worker.token = (await client.post("/v1/pool/register", {**body, "slots": 8}))["token"]

            for _ in range(AT_ONCE):
                group.create_task(register_some())

    async def connect(self, *, credits: int) -> None:
        """Open every worker's socket, greet, and offer so many slots each."""
        waiting, self._ungreeted = iter(self.workers), len(self.workers)
        async with asyncio.TaskGroup() as group:

            async def connect_some() -> None:
                for worker in waiting:
                    await self._connect(worker, credits)

            for _ in range(AT_ONCE):
                group.create_task(connect_some())
        await self._all_greeted.wait()

    async def _connect(self, worker: Worker, credits: int) -> None:
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(
            lambda: Socket("/v1/pool/socket", worker.token, worker.take), "127.0.0.1", self._port
        )
        await socket.opened
        worker.socket = socket
        worker.send(worker.frame("hello", {"instance_id": worker.instance_id}), worker.credit(credits))

    def answered(self, frame_id: str) -> None:
        """A frame was taken."""
        if frame_id.startswith("complete"):
            self.on_completed()
        elif frame_id.startswith("hello"):
            self._ungreeted -= 1
            if not self._ungreeted:
                self._all_greeted.set()

    def keep_alive(self) -> None:
        """Have every worker send its heartbeat, evenly spread."""
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        share, debt, place = len(self.workers) * TICK_SECONDS / HEARTBEAT_SECONDS, 0.0, 0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            debt += share
            while debt >= 1:
                worker = self.workers[place % len(self.workers)]
                worker.send(worker.heartbeat())
                place, debt = place + 1, debt - 1

    def close(self) -> None:
        """End every connection."""
        if self._beating is not None:
            self._beating.cancel()
        for worker in self.workers:
            if worker.socket is not None:
                worker.socket.close()
