"""Stands between workers and their server, and loses, doubles, delays and cuts what they say to each other.

TCP loses nothing as long as a connection lives. So a lost message is followed by the end of its connection, a little
later: in between, others that were sent after it do arrive. A silent connection stays open, as behind a NAT that has
forgotten it.
"""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from enum import Enum
from functools import partial

from agent_swarm.testing.faults.messages import HttpMessage, read_http, read_websocket

_LINGER = struct.pack("ii", 1, 0)  # close by a reset


class Fault(Enum):
    """What happens to a message."""

    LOSE = "it is lost, and soon after it the connection"
    DOUBLE = "it arrives twice"
    DELAY = "it is late, and all that come after it"
    OVERTAKE = "it is late, others are not"
    CUT = "half of its bytes arrive, then the connection is reset"
    RESET = "it does not arrive, the connection is reset"
    ANSWER_LOST = "it arrives, and the connection is reset before an answer can come"
    SILENCE = "nothing arrives any more, either way, and nobody is told"


class _Broken(Exception):
    """The connection ends here."""


class FaultyProxy:
    """`start`, point workers at `port`, and at the end `close`. `odds` are the chances of each fault per message.

    `upstream` is asked for the server's host and port on every connection: it may be another one after each start.
    """

    def __init__(
        self,
        upstream: Callable[[], tuple[str, int]],
        dice: random.Random,
        odds: Mapping[Fault, float],
        *,
        latest: float,
    ) -> None:
        self.port = 0
        self.done: Counter[Fault] = Counter()
        self._upstream = upstream
        self._dice = dice
        self._odds = dict(odds)
        self._latest = latest  # seconds
        self._listener: asyncio.Server | None = None
        self._lines: set[_Line] = set()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=256)
        self.port = self._listener.sockets[0].getsockname()[1]

    def calm(self) -> None:
        """No more faults; connections that suffered one that they cannot get over are ended."""
        self._odds = {}
        for line in tuple(self._lines):
            if line.is_spoilt:
                line.reset()

    def reset_all(self) -> None:
        """End every connection."""
        for line in tuple(self._lines):
            line.reset()

    async def close(self) -> None:
        """Stop listening, end every connection."""
        self.reset_all()
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()
        await asyncio.gather(*(line.task for line in tuple(self._lines)), return_exceptions=True)

    def draw(self) -> Fault | None:
        """What happens to the next message."""
        left = self._dice.random()
        for fault, chance in self._odds.items():
            left -= chance
            if left < 0:
                self.done[fault] += 1
                return fault
        return None

    def draw_seconds(self) -> float:
        """How late a late message is."""
        return self._dice.uniform(0.0, self._latest)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        line = _Line(self, reader, writer, task)
        self._lines.add(line)
        try:
            await line.carry(*self._upstream())
        except (_Broken, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            line.reset()
        finally:
            line.close()
            self._lines.discard(line)


class _Line:
    """One connection of a worker, and the one to the server that belongs to it."""

    def __init__(
        self,
        proxy: FaultyProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        task: "asyncio.Task[None]",
    ) -> None:
        self.task = task
        self.is_spoilt = False
        self._proxy = proxy
        self._reader = reader
        self._writers = [writer]
        self._is_silent = False
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._later: set[asyncio.TimerHandle] = set()

    async def carry(self, host: str, port: int) -> None:
        """Pass on what comes, until either side ends it."""
        reader, writer = await asyncio.open_connection(host, port, limit=64 * 1024)
        self._writers.append(writer)
        while True:
            request = await read_http(self._reader)
            if await self._exchange(request, reader):
                await self._carry_websocket(reader)

    def reset(self) -> None:
        """End both connections as a network does that has broken down."""
        for writer in self._writers:
            held = writer.get_extra_info("socket")
            if held is not None and held.fileno() >= 0:
                with suppress(OSError):
                    held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            writer.transport.abort()
        if not self._broken.done():
            self._broken.set_result(None)

    def close(self) -> None:
        """Nothing more will come of it."""
        for handle in self._later:
            handle.cancel()
        for writer in self._writers:
            writer.close()

    # --- HTTP -----------------------------------------------------------------------------------------------------

    async def _exchange(self, request: HttpMessage, answers: asyncio.StreamReader) -> bool:
        """One request and its answer; whether that was the upgrade to a WebSocket."""
        worker, server = self._writers
        await self._send(request.raw, server, may_repeat=self._again(request, answers))
        answer = await read_http(answers)
        while answer.head.startswith(b"HTTP/1.1 100"):
            answer = await read_http(answers)
        await self._send(answer.raw, worker, may_repeat=None)
        return answer.is_upgrade

    def _again(self, request: HttpMessage, answers: asyncio.StreamReader) -> Callable[[], Awaitable[None]] | None:
        """Have the server act on a request for which the worker will never hear this answer; not for an upgrade."""

        async def again() -> None:
            self._writers[1].write(request.raw)
            await read_http(answers)

        return None if request.is_upgrade else again

    async def _send(
        self, raw: bytes, to: asyncio.StreamWriter, may_repeat: Callable[[], Awaitable[None]] | None
    ) -> None:
        match self._proxy.draw():
            case Fault.LOSE | Fault.RESET:
                raise _Broken
            case Fault.ANSWER_LOST:
                to.write(raw)
                await to.drain()
                await asyncio.sleep(self._proxy.draw_seconds())
                raise _Broken
            case Fault.CUT:
                to.write(raw[: len(raw) // 2])
                await to.drain()
                raise _Broken
            case Fault.SILENCE:
                await self._fall_silent()
            case Fault.DELAY | Fault.OVERTAKE:
                await asyncio.sleep(self._proxy.draw_seconds())
            case Fault.DOUBLE if may_repeat is not None:
                await may_repeat()
        to.write(raw)
        await to.drain()

    async def _fall_silent(self) -> None:
        self.is_spoilt = self._is_silent = True
        await self._broken
        raise _Broken

    # --- WebSockets -----------------------------------------------------------------------------------------------

    async def _carry_websocket(self, from_server: asyncio.StreamReader) -> None:
        worker, server = self._writers
        ways = [
            asyncio.create_task(self._pass_on(self._reader, server)),
            asyncio.create_task(self._pass_on(from_server, worker)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        raise _Broken

    async def _pass_on(self, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        """What one side says to the other."""
        proxy = self._proxy
        while True:
            message = await read_websocket(reader)
            if self._is_silent:
                continue
            match proxy.draw() if message.is_text else None:
                case Fault.LOSE:
                    self.is_spoilt = True
                    self._in_a_while(self.reset)
                    continue
                case Fault.RESET:
                    return
                case Fault.ANSWER_LOST:
                    to.write(message.raw)
                    self.is_spoilt = True
                    self._is_silent = True
                    self._in_a_while(self.reset)
                    continue
                case Fault.CUT:
                    to.write(message.raw[: len(message.raw) // 2])
                    await to.drain()
                    return
                case Fault.SILENCE:
                    self.is_spoilt = self._is_silent = True
                    continue
                case Fault.DELAY:
                    await asyncio.sleep(proxy.draw_seconds())
                case Fault.OVERTAKE:
                    self._in_a_while(partial(to.write, message.raw))
                    continue
                case Fault.DOUBLE:
                    to.write(message.raw)
            to.write(message.raw)
            await to.drain()

    def _in_a_while(self, act: Callable[[], object]) -> None:
        self._later.add(asyncio.get_running_loop().call_later(self._proxy.draw_seconds(), act))
