"""How soon a message is with a worker, wakes an idle agent, interrupts one; and a page of a channel with very many.

The worker of the first two speaks the protocol from this process. The steered agent is a real one, of scripts, whose
long step ends by the message; the time runs until the server knows that the agent has it.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import MessageKind
from agent_swarm.store.families.mail import HEAD, MESSAGES, Channel, Message
from agent_swarm.store.opening import open_store
from agent_swarm.store.sql import families, tables
from benchmarks import load, processes, workplace
from benchmarks.figures import median, percentile
from benchmarks.load.http import Client
from benchmarks.load.requests import Requests
from benchmarks.load.socket import Socket
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale
from benchmarks.server import Server, agent_swarm

MESSAGES_OF_CHANNEL = 100_000
STEP = 10_000
QUEUED = 10
PATIENCE = 20.0
LOOK_SECONDS = 0.001


def measure(scale: Scale) -> list[Row]:
    """Medians of messages sent one after the other."""
    number = scale.of(MESSAGES_OF_CHANNEL, 5_000)
    with workplace.folder() as folder:
        asyncio.run(_fill(folder / "agent-swarm-db.sqlite", number))
        with agent_swarm(folder) as server:
            running, idle = asyncio.run(_deliveries(server, scale.of(200, 20), scale.of(50, 5)))
            steered, drained = _by_a_real_worker(server, folder, scale.of(20, 3), scale.of(10, 3))
            pages = _pages(server, number, scale.of(40, 5))
    return [
        row("message → the worker of a running agent has it, p50", median(running), "ms", at_most(20)),
        row("message → the worker of a running agent has it, p99", percentile(running, 0.99), "ms"),
        row("message → an idle agent is woken: its worker has the claim, p50", median(idle), "ms", at_most(100)),
        row("message → an idle agent is woken: its worker has the claim, p99", percentile(idle, 0.99), "ms"),
        row("steer with an interrupt → the agent has it, real worker, p50", median(steered), "ms", at_most(100)),
        row(
            f"{QUEUED} messages at once to a running agent → it has all of them, real worker, p50",
            median(drained),
            "ms",
            at_most(500),
        ),
        *pages,
    ]


class _Agent:
    """A worker's process that is told what to say."""

    def __init__(self, agent_id: str, token: str) -> None:
        self.agent_id = agent_id
        self._came: dict[str, asyncio.Queue[Any]] = {kind: asyncio.Queue() for kind in ("claimed", "message")}
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._socket = Socket("/v1/pool/socket", token, self._take)

    @classmethod
    async def come(cls, client: Client, port: int) -> "_Agent":
        """Register, connect and greet."""
        agent_id, instance_id = new_id(), new_id()
        body = {"agent_id": agent_id, "instance_id": instance_id, "name": "ada"}
        agent = cls(agent_id, (await client.post("/v1/pool/register", body))["token"])
        await asyncio.get_running_loop().create_connection(lambda: agent._socket, "127.0.0.1", port)
        await agent._socket.opened
        await agent.say("hello", instance_id=instance_id, held=[], claim_ids=[])
        return agent

    async def say(self, kind: str, **body: Any) -> Any:
        """Send a frame; its answer."""
        frame_id = new_id()
        answer = self._answers[frame_id] = asyncio.get_running_loop().create_future()
        self._socket.send(orjson.dumps({"v": 1, "id": frame_id, "type": kind, "body": body}))
        return await asyncio.wait_for(answer, PATIENCE)

    async def next(self, kind: str) -> Any:
        """The next frame of this kind."""
        return await asyncio.wait_for(self._came[kind].get(), PATIENCE)

    def leave(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _take(self, content: bytes) -> None:
        frame = orjson.loads(content)
        if frame["type"] in self._came:
            self._came[frame["type"]].put_nowait(frame["body"])
        elif (answer := self._answers.pop(frame["id"], None)) is not None:
            answer.set_result(frame["body"])


async def _deliveries(server: Server, messages: int, wakes: int) -> tuple[list[float], list[float]]:
    async with Client(server.port, server.key, connections=1) as client:
        agent = await _Agent.come(client, server.port)
        try:
            return await _to_a_running_one(client, agent, messages), await _to_an_idle_one(client, agent, wakes)
        finally:
            agent.leave()


async def _to_a_running_one(client: Client, agent: _Agent, number: int) -> list[float]:
    await agent.say("credit", claim_ids=[new_id()])
    await client.post("/api/tasks", {"prompt": "work", "agentId": agent.agent_id})
    lease = await _begun(agent, await agent.next("claimed"))
    times = []
    for _ in range(number):
        since = time.perf_counter()
        posting = asyncio.create_task(_said(client, agent))
        pushed = await agent.next("message")
        times.append(1000 * (time.perf_counter() - since))
        await posting
        await agent.say("received", **lease, acknowledged=[one["id"] for one in pushed["messages"]])
    await agent.say("complete", **lease, text="done")
    return times


async def _to_an_idle_one(client: Client, agent: _Agent, number: int) -> list[float]:
    times = []
    for _ in range(number):
        await agent.say("credit", claim_ids=[new_id()])
        since = time.perf_counter()
        posting = asyncio.create_task(_said(client, agent))
        claim = await agent.next("claimed")
        times.append(1000 * (time.perf_counter() - since))
        await posting
        lease = await _begun(agent, claim)
        await agent.say("received", **lease, acknowledged=[one["id"] for one in claim["messages"]])
        await agent.say("complete", **lease, text="done")
    return times


async def _begun(agent: _Agent, claim: Any) -> dict[str, Any]:
    lease = {"task_id": claim["task_id"], "fence": claim["fence"]}
    await agent.say("start", **lease)
    return lease


async def _said(client: Client, agent: _Agent) -> Any:
    return await client.post("/api/messages", {"to": [agent.agent_id], "text": "how far are you?"})


def _by_a_real_worker(server: Server, folder: Path, steers: int, drains: int) -> tuple[list[float], list[float]]:
    argv = [str(processes.COMMAND), "worker", "--harness", "script", "--workers-dir", str(folder / "workers")]
    env = {"AGENT_SWARM_URL": f"http://127.0.0.1:{server.port}", "API_KEY": server.key, "HOME": str(folder)}
    with processes.running(argv, env=env, log=folder / "worker.log"):
        return asyncio.run(_steer(server, steers)), asyncio.run(_drain(server, drains))


async def _steer(server: Server, number: int) -> list[float]:
    """The agent's script is one long step after the other; the first message, which waits for it, is not counted."""
    script = "sleep 1000\n" * (number + 2)
    async with Client(server.port, server.key, connections=1) as client:
        task = await client.post("/api/tasks", {"prompt": script, "harness": "script"})
        await _until(client, f"/api/tasks/{task['id']}", lambda task: task["status"] == "running")
        times = []
        for _ in range(number + 1):
            since = time.perf_counter()
            said = await client.post(f"/api/tasks/{task['id']}/steer", {"message": "turn", "interrupt": True})
            await _until(client, f"/api/messages/{said['id']}", _is_acknowledged)
            times.append(1000 * (time.perf_counter() - since))
        await client.post(f"/api/tasks/{task['id']}/cancel", {})
    return times[1:]


async def _drain(server: Server, rounds: int) -> list[float]:
    """So many messages, posted side by side while the agent is in the middle of a step."""
    async with Client(server.port, server.key, connections=QUEUED) as client:
        task = await client.post("/api/tasks", {"prompt": "sleep 1000", "harness": "script"})
        await _until(client, f"/api/tasks/{task['id']}", lambda task: task["status"] == "running")
        agent_id = (await client.get(f"/api/tasks/{task['id']}"))["agentId"]
        times = []
        for _ in range(rounds + 1):
            since = time.perf_counter()
            body = {"to": [agent_id], "text": "one more thing"}
            said = await asyncio.gather(*(client.post("/api/messages", body) for _ in range(QUEUED)))
            for one in said:
                await _until(client, f"/api/messages/{one['id']}", _is_acknowledged)
            times.append(1000 * (time.perf_counter() - since))
        await client.post(f"/api/tasks/{task['id']}/cancel", {})
    return times[1:]


def _is_acknowledged(message: Any) -> bool:
    return all(one["status"] == "acknowledged" for one in message["deliveries"])


async def _until(client: Client, path: str, holds: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds(await client.get(path)):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(LOOK_SECONDS)


def _pages(server: Server, number: int, rounds: int) -> Sequence[Row]:
    """The newest page, one from the middle, and one of a channel where little was said."""
    busy = "/api/messages?limit=50&channel=busy"

    async def cursor() -> str:
        async with Client(server.port, server.key, connections=1) as client:
            return str((await client.get(busy))["nextCursor"])

    lists = {"newest": busy, "the next": f"{busy}&cursor={asyncio.run(cursor())}"}
    lists["a quiet channel"] = "/api/messages?limit=50&channel=quiet"
    scenario = Requests(port=server.port, key=server.key, pid=server.pid, paths=tuple(lists.values()), rounds=rounds)
    times = load.run(scenario)["milliseconds"]
    return [
        row(f"channel page of 50 among {number:,} messages, {what}", median(times[path]), "ms", at_most(10))
        for what, path in lists.items()
    ]


async def _fill(path: Path, number: int) -> None:
    """A store with two channels, in one of which nearly everything was said."""
    async with open_store(path):
        pass
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        for name in ("busy", "quiet"):
            channel = Channel(name=name, id=new_id(), created_by="operator")
            row_of = {column: getattr(channel, column) for column in ("name", "id", "description", "created_by")}
            connection.execute(sa.insert(tables.channel), {**row_of, "created_at": 0})
        for first in range(1, number + 1, STEP):
            some = [_message(one) for one in range(first, min(first + STEP, number + 1))]
            connection.execute(sa.insert(tables.message), [families.row_of(MESSAGES, one) for one in some])
        head = tables.message_head
        connection.execute(sa.update(head).where(head.c.name == HEAD).values(number=number))
    engine.dispose()


def _message(number: int) -> Message:
    return Message(
        id=new_id(),
        number=number,
        kind=MessageKind.CHANNEL,
        sender="operator",
        sender_name="operator",
        channel="quiet" if number % 1_000 == 7 else "busy",
        posted_at=number,
        text="the build is red again, and nobody knows why",
    )
