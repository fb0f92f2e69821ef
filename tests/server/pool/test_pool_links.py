"""The worker's own links, both of them, against the real server."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.server.pool.house import House, Worker, within

from agent_swarm.domain.errors import Superseded
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol.pool import (
    Claimed,
    Command,
    Complete,
    Credit,
    Events,
    Frame,
    FrameType,
    Heartbeat,
    HeartbeatReply,
    Hello,
    LeaseRef,
    Start,
    Wire,
    Withdraw,
)
from agent_swarm.worker.connection import Connection
from agent_swarm.worker.link import Link
from agent_swarm.worker.longpoll import PollLink
from agent_swarm.worker.websocket import WebSocketLink

pytestmark = pytest.mark.anyio

Dial = Callable[[House, Worker], Awaitable[Link]]


async def dial_socket(house: House, worker: Worker) -> Link:
    return await WebSocketLink.open(house.url, worker.token)


async def dial_poll(house: House, worker: Worker) -> Link:
    return PollLink(house.url, worker.token, wait_seconds=5)


class Ear:
    """Meets `connection.Listener`."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.open: list[str] = []
        self.heard: asyncio.Queue[Frame] = asyncio.Queue()

    def greeting(self) -> Hello:
        return Hello(instance_id=self.worker.instance_id, claim_ids=tuple(self.open))

    def connected(self) -> None:
        pass

    def received(self, frame: Frame) -> None:
        self.heard.put_nowait(frame)

    async def claim(self) -> Claimed:
        frame = await within(self.heard.get())
        assert frame.type is FrameType.CLAIMED, frame
        return Claimed.model_validate(frame.body)


@pytest.mark.parametrize("dial", [dial_socket, dial_poll])
async def test_given_a_link_of_the_worker_when_tasks_come_and_go_then_everything_gets_through(
    house: House, dial: Dial
) -> None:
    worker = await house.register()
    ear = Ear(worker)
    ear.open = [new_id()]
    connection = Connection(
        lambda: dial(house, worker), lambda: None, ear, asyncio.get_running_loop().time, reply_seconds=5
    )
    running = asyncio.create_task(connection.run())
    await within(connection.wait_connected())

    task_id = await house.create()
    first = await ear.claim()
    assert (first.claim_id, first.task_id) == (ear.open[0], task_id)
    lease = LeaseRef(task_id=task_id, fence=first.fence)
    await connection.request(FrameType.START, Start(**lease.model_dump()))
    beat = await connection.request(FrameType.HEARTBEAT, Heartbeat(leases=(lease,)))
    assert [status.status for status in HeartbeatReply.model_validate(beat).leases] == ["ok"]
    events = Events(**lease.model_dump(), attempt=1, first=0, lines=({"kind": "log"},))
    assert await connection.request(FrameType.EVENTS, events) == {"next": 1}
    await connection.request(FrameType.COMPLETE, Complete(**lease.model_dump(), text="done"))
    assert (await house.task(task_id)).state.status is TaskStatus.COMPLETED

    claim_ids = (new_id(), new_id())
    await connection.request(FrameType.CREDIT, Credit(claim_ids=claim_ids))
    other = await house.create()
    second = await ear.claim()
    assert (second.task_id, second.claim_id in claim_ids) == (other, True)
    await house.cancel(other)
    told = Command.model_validate((await within(ear.heard.get())).body)
    assert (told.kind, told.task_id, told.fence) == ("cancel", other, second.fence)
    assert await connection.request(FrameType.WITHDRAW, Withdraw(claim_ids=claim_ids)) == {"claimed": []}

    await house.register(agent_id=worker.agent_id)
    with pytest.raises(Superseded):
        await within(running)


@pytest.mark.parametrize("dial", [dial_socket, dial_poll])
async def test_given_a_link_of_the_worker_when_it_says_goodbye_then_that_is_answered(house: House, dial: Dial) -> None:
    worker = await house.register()
    connection = Connection(
        lambda: dial(house, worker), lambda: None, Ear(worker), asyncio.get_running_loop().time, reply_seconds=5
    )
    running = asyncio.create_task(connection.run())
    await within(connection.wait_connected())
    async with asyncio.timeout(10):
        while not house.pool.dispatcher.seats_of(worker.agent_id):  # noqa: ASYNC110  # until the poll listens
            await asyncio.sleep(0)
    assert await connection.request(FrameType.BYE, Wire()) == {}
    running.cancel()
    await asyncio.wait([running])
