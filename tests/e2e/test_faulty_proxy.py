"""What the proxy between workers and their server does to what they say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from agent_swarm.testing.faults.messages import read_http, read_websocket
from agent_swarm.testing.faults.proxy import Fault, FaultyProxy

pytestmark = pytest.mark.anyio

UPGRADE = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
BROKEN = (asyncio.IncompleteReadError, OSError)


@dataclass
class Echo:
    """A server that answers a request with how many it has had, and a frame of a WebSocket with itself."""

    heard: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not (request := await read_http(reader)).is_upgrade:
                self.heard.append(request.body)
                body = str(len(self.heard)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            writer.write(UPGRADED)
            while True:
                frame = (await read_websocket(reader)).raw
                self.heard.append(frame)
                writer.write(frame)
        except BROKEN:
            writer.close()


class Planned(FaultyProxy):
    """Does to the messages that pass what is planned for each; None is nothing."""

    plan: list[Fault | None]

    def draw(self) -> Fault | None:
        return self.plan.pop(0) if self.plan else None


@dataclass
class Line:
    """A connection through the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    echo: Echo
    proxy: Planned

    async def ask(self, body: bytes) -> bytes:
        self.writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        return (await read_http(self.reader)).body

    async def upgrade(self) -> None:
        self.writer.write(UPGRADE)
        assert (await read_http(self.reader)).is_upgrade

    def say(self, text: bytes) -> None:
        self.writer.write(frame(text))

    async def hear(self) -> bytes:
        async with asyncio.timeout(5):
            return (await read_websocket(self.reader)).raw


def frame(text: bytes) -> bytes:
    """A text frame without a mask, as servers send it."""
    return bytes((0x81, len(text))) + text


@asynccontextmanager
async def line(*plan: Fault | None) -> AsyncIterator[Line]:
    """A connection through a proxy to an echo."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy = Planned(lambda: ("127.0.0.1", port), Random(0), {}, latest=0.02)
    proxy.plan = list(plan)
    await proxy.start()
    reader, writer = await asyncio.open_connection(*proxy.address)
    try:
        yield Line(reader, writer, echo, proxy)
    finally:
        writer.close()
        await proxy.close()
        server.close()


async def test_given_no_fault_then_requests_and_frames_pass_as_they_are() -> None:
    async with line() as through:
        assert [await through.ask(b"one"), await through.ask(b"two")] == [b"1", b"2"]
        await through.upgrade()
        through.say(b"three")
        assert await through.hear() == frame(b"three")


async def test_given_a_doubled_request_then_the_server_acts_twice_and_one_answer_comes() -> None:
    async with line(Fault.DOUBLE) as through:
        assert await through.ask(b"one") == b"2"
        assert through.echo.heard == [b"one", b"one"]
        assert await through.ask(b"two") == b"3"


@pytest.mark.parametrize(("plan", "heard"), [((Fault.LOSE,), []), ((None, Fault.LOSE), [b"one"]), ((Fault.CUT,), [])])
async def test_given_a_lost_request_or_answer_then_the_connection_breaks(
    plan: tuple[Fault | None, ...], heard: list[bytes]
) -> None:
    async with line(*plan) as through:
        with pytest.raises(BROKEN):
            await through.ask(b"one")
        assert through.echo.heard == heard


async def test_given_a_doubled_frame_then_it_arrives_twice() -> None:
    async with line(None, None, Fault.DOUBLE) as through:
        await through.upgrade()
        through.say(b"one")
        assert [await through.hear(), await through.hear()] == [frame(b"one")] * 2


async def test_given_a_frame_that_others_overtake_then_it_arrives_after_them() -> None:
    async with line(None, None, Fault.OVERTAKE) as through:
        await through.upgrade()
        through.say(b"one")
        through.say(b"two")
        assert [await through.hear(), await through.hear()] == [frame(b"two"), frame(b"one")]


@pytest.mark.parametrize("fault", [Fault.LOSE, Fault.RESET, Fault.CUT, Fault.ANSWER_LOST])
async def test_given_a_frame_that_does_not_get_through_then_the_connection_breaks(fault: Fault) -> None:
    async with line(None, None, fault) as through:
        await through.upgrade()
        through.say(b"one")
        with pytest.raises(BROKEN):
            await through.hear()
        assert through.echo.heard == ([frame(b"one")] if fault is Fault.ANSWER_LOST else [])


async def test_given_a_silent_connection_when_faults_are_over_then_it_breaks() -> None:
    async with line(None, None, Fault.SILENCE) as through:
        await through.upgrade()
        through.say(b"one")
        hearing = asyncio.create_task(through.hear())
        done, _ = await asyncio.wait([hearing], timeout=0.05)
        assert not done
        through.proxy.calm()
        with pytest.raises(BROKEN):
            await hearing
        assert through.echo.heard == []
