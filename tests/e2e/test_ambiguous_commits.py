"""The server dies at a commit, and nobody hears whether it happened: the same again acts once and answers the same."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.domain.ids import new_id
from agent_swarm.faults import Point
from agent_swarm.testing.faults.crash import Crash
from agent_swarm.testing.faults.house import House, new_server_folder
from agent_swarm.testing.faults.nursery import Nursery
from agent_swarm.testing.faults.operator import Operator

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

GONE = (OSError, EOFError)


@dataclass
class Bench:
    """A server that dies at its next commit once `armed` is there, and a worker's process that speaks by long poll."""

    house: House
    armed: Path
    crash: Crash
    agent_id: str = ""
    instance_id: str = ""
    token: str = ""

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        return await self.house.operator.call(self.house.address, method, path, body, **more)

    async def register(self) -> Any:
        profile = {"agent_id": self.agent_id, "instance_id": self.instance_id, "name": "ada", "slots": 1}
        answer = await self.call("POST", "/v1/pool/register", profile | {"capabilities": ["harness.noop"]})
        self.token = answer["token"]
        return answer

    async def poll(self, *frames: tuple[str, Any], wait: float = 0) -> list[Any]:
        sent = [{"v": 1, "id": str(n), "type": kind, "body": body} for n, (kind, body) in enumerate(frames)]
        body = {"frames": sent, "wait_seconds": wait}
        answer = await Operator(self.token).call(self.house.address, "POST", "/v1/pool/poll", body)
        return list(answer["frames"])

    async def claim(self, claim_id: str) -> Any:
        """Greet with an open credit, and wait for the claim."""
        hello = {"instance_id": self.instance_id, "held": [], "claim_ids": [claim_id]}
        told = [*await self.poll(("hello", hello), wait=1)]
        while not (claims := [frame["body"] for frame in told if frame["type"] == "claimed"]):
            told = await self.poll(wait=1)
        return claims[0]

    async def file(self, key: str = "") -> Any:
        task = {"title": "one", "prompt": '{"steps": 0}', "harness": "noop"}
        return await self.call("POST", "/api/tasks", task, idempotency=key)

    async def started(self) -> dict[str, Any]:
        """A task that runs; its lease."""
        await self.register()
        await self.file()
        claim = await self.claim(new_id())
        lease = {"task_id": claim["task_id"], "fence": claim["fence"]}
        await self.poll(("start", lease))
        return lease


Act = Callable[[], Awaitable[Any]]


async def create(bench: Bench) -> Act:
    async def act() -> Any:
        return (await bench.file("the-key"))["id"]

    return act


async def register(bench: Bench) -> Act:
    async def act() -> Any:
        answer = await bench.register()
        return answer["agent_id"], answer["instance_id"]

    return act


async def claim(bench: Bench) -> Act:
    await bench.register()
    await bench.file()
    claim_id = new_id()

    async def act() -> Any:
        claimed = await bench.claim(claim_id)
        return claimed["task_id"], claimed["fence"], claimed["attempt"]

    return act


async def cancel(bench: Bench) -> Act:
    task_id = (await bench.file())["id"]

    async def act() -> Any:
        return (await bench.call("POST", f"/api/tasks/{task_id}/cancel"))["status"]

    return act


def frame(kind: str, more: dict[str, Any]) -> Callable[[Bench], Awaitable[Act]]:
    """A frame about a running attempt."""

    async def prepare(bench: Bench) -> Act:
        lease = await bench.started()

        async def act() -> Any:
            (answer,) = await bench.poll((kind, lease | more))
            assert answer["type"] == "reply", answer
            return {name: value for name, value in answer["body"].items() if name not in ("repeated", "booked")}

        return act

    return prepare


LINES: list[dict[str, Any]] = [
    {"at": "2026-01-01T00:00:00.000Z", "kind": "text", "data": {"text": f"line {number}"}} for number in range(3)
]
# What is done, and which events say that it was; each once, however often it is sent.
ACTS: dict[str, tuple[Callable[[Bench], Awaitable[Act]], dict[str, int]]] = {
    "create": (create, {"task.created": 1}),
    "register": (register, {"agent.registered": 1}),
    "claim": (claim, {"task.claimed": 1}),
    "cancel": (cancel, {"task.cancelled": 1}),
    "start": (frame("start", {}), {"task.started": 1}),
    "usage": (frame("usage", {"attempt": 1, "seq": 0, "input_tokens": 5}), {"task.usageBooked": 1}),
    "events": (frame("events", {"attempt": 1, "first": 0, "lines": LINES}), {}),
    "complete": (frame("complete", {"text": "done"}), {"task.completed": 1}),
    "fail": (frame("fail", {"failure": "agent", "code": "no", "message": "no"}), {"task.requeued": 1}),
    "pause": (frame("pause", {"reason": "shutdown"}), {"task.paused": 1}),
    "release": (frame("release", {}), {"task.requeued": 1}),
}
POINTS = (Point.STORE_DECIDED, Point.STORE_COMMITTED, Point.STORE_TOLD)


@pytest.mark.parametrize("what", ACTS)
async def test_given_a_server_that_dies_at_a_commit_when_the_same_is_sent_again_then_it_acts_once(
    what: str, nursery: Nursery, tmp_path: Path
) -> None:
    template = await new_server_folder(nursery, tmp_path / "template")
    points = (Point.TRANSCRIPT_TORN, Point.TRANSCRIPT_WRITTEN) if what == "events" else POINTS
    await asyncio.gather(
        *(
            die_and_do_again(what, House(nursery, tmp_path / point, random.Random(0)), point, template)
            for point in points
        )
    )


async def die_and_do_again(what: str, house: House, point: Point, template: Path) -> None:
    prepare, expected = ACTS[what]
    armed = house.folder / "armed"
    bench = Bench(house, armed, Crash(point=point, armed_by=str(armed)), new_id(), new_id())
    try:
        server = await house.start_server(template, bench.crash)
        act = await prepare(bench)
        armed.touch()
        with pytest.raises(GONE):
            await act()
        assert await server.wait() < 0
        await house.start_server()
        first = await act()
        assert await act() == first
        await check(bench, expected, what)
    finally:
        await house.close()


async def check(bench: Bench, expected: dict[str, int], what: str) -> None:
    """It happened once; what it left is whole."""
    events = (await bench.call("GET", "/api/events?limit=200"))["events"]
    told = {kind: sum(event["type"] == kind for event in events) for kind in expected}
    assert told == expected
    assert bench.house.reached.read_text().split() == [str(bench.crash.point)]
    if what == "events":
        (task,) = (await bench.call("GET", "/api/tasks"))["tasks"]
        page = await bench.call("GET", f"/api/tasks/{task['id']}/attempts/1/transcript?limit=200")
        assert [line["data"]["text"] for line in page["lines"]] == [line["data"]["text"] for line in LINES]
