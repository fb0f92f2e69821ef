"""`GET /v1/pool/socket`: one WebSocket per worker, one frame a message.

A plain ASGI endpoint without a task of its own besides the server's: it reads in one loop, and sends from a task that
lives as long as there is something to send. Ten thousand idle workers cost little more than their connections.
"""

import asyncio
from collections import deque

import structlog
from starlette.types import Receive, Scope, Send

from agent_swarm.domain.errors import InvalidInput, ShuttingDown, Superseded, SwarmError, Unauthenticated, Unavailable
from agent_swarm.protocol.limits import FRAME_BYTES
from agent_swarm.protocol.pool import CLOSE_PROTOCOL, CLOSE_SUPERSEDED, CLOSE_UNAUTHENTICATED, Frame, FrameType
from agent_swarm.server.pool import wire
from agent_swarm.server.pool.context import PoolContext
from agent_swarm.server.pool.exchange import Exchange
from agent_swarm.server.pool.presence import Presence

log = structlog.get_logger()

HELLO_SECONDS = 10.0
FRAMES_UNDER_WAY = 256  # taken and not yet answered, or answered and not yet sent
BYTES_UNDER_WAY = 2 * FRAME_BYTES  # of frames taken; counted until all of them are answered
OUTBOX_BYTES = 64 * 1024 * 1024  # of what the worker does not read
CLOSE_NORMAL = 1000  # RFC 6455 §7.4.1
CLOSE_POLICY = 1008
CLOSE_TOO_BIG = 1009
CLOSE_RESTART = 1012
CLOSE_AGAIN_LATER = 1013


class SocketEndpoint:
    """The ASGI app of the route; refuses before the handshake is over where it can."""

    def __init__(self, pool: PoolContext) -> None:
        self._pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire.require_version(scope)
        if self._pool.stopping.is_set:
            raise ShuttingDown("the server is shutting down", hint="connect again in a moment")
        connection = Connection(self._pool, scope, receive, send)
        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        await connection.serve()


class Connection:
    """One WebSocket. Meets `presence.Way`."""

    __slots__ = (
        "_bytes_under_way",
        "_closing",
        "_is_gone",
        "_outbox",
        "_outbox_bytes",
        "_pool",
        "_presence",
        "_receive",
        "_room",
        "_scope",
        "_send",
        "_sending",
    )

    def __init__(self, pool: PoolContext, scope: Scope, receive: Receive, send: Send) -> None:
        self._pool = pool
        self._scope = scope
        self._receive = receive
        self._send = send
        self._presence: Presence | None = None
        self._outbox: deque[bytes] = deque()
        self._outbox_bytes = 0
        self._bytes_under_way = 0
        self._sending: asyncio.Task[None] | None = None
        self._closing: tuple[int, str] | None = None
        self._is_gone = False
        self._room: asyncio.Future[None] | None = None

    async def serve(self) -> None:
        """Greet, then take frames until either side ends it."""
        try:
            hello = await self._first_frame()
            if hello is not None:
                self._presence = await self._come_in()
                exchange = Exchange(self._pool, self._presence, self.push)
                await exchange.take(hello, 0)
                await self._take_frames(exchange)
        except SwarmError as exc:
            self.end(exc)
        finally:
            if self._presence is not None:
                self._presence.get_up()
                self._pool.roster.leave(self._presence)
            if self._sending is not None:
                await asyncio.wait([self._sending])

    # --- Way ------------------------------------------------------------------------------------------------------

    def push(self, frame: bytes) -> None:
        """Send a frame, in order, without waiting for the worker to read it."""
        if self._is_gone or self._closing is not None:
            return
        self._outbox.append(frame)
        self._outbox_bytes += len(frame)
        if self._outbox_bytes > OUTBOX_BYTES:
            self._outbox.clear()
            self.close(CLOSE_POLICY, "the worker does not read what it is sent")
        self._send_soon()

    def settled(self) -> None:
        """Nobody waits for that here."""

    def end(self, reason: SwarmError | None) -> None:
        """Close for `reason`, after what is in the outbox."""
        match reason:
            case None:
                self.close(CLOSE_NORMAL, "goodbye")
            case Superseded():
                self.close(CLOSE_SUPERSEDED, reason.message)
            case Unauthenticated():
                self.close(CLOSE_UNAUTHENTICATED, reason.message)
            case ShuttingDown():
                self.close(CLOSE_RESTART, reason.message)
            case Unavailable():
                self.close(CLOSE_AGAIN_LATER, reason.message)
            case _:
                self.close(CLOSE_NORMAL, reason.message)

    def close(self, code: int, reason: str) -> None:
        """Close after what is in the outbox, however long that takes; the first reason given stands."""
        if self._presence is not None:
            self._presence.get_up()
        if self._closing is None:
            self._closing = (code, reason.encode()[:120].decode(errors="ignore"))  # RFC 6455 §5.5: at most 123 bytes
            self._send_soon()

    # --- reading --------------------------------------------------------------------------------------------------

    async def _first_frame(self) -> Frame | None:
        """The hello; None where none came and the connection is closed."""
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                raw = await self._next()
        except TimeoutError:
            self.close(CLOSE_PROTOCOL, f"no hello within {HELLO_SECONDS:g} s")
            return None
        frame = None if raw is None else self._read(raw)
        if frame is not None and frame.type is not FrameType.HELLO:
            refusal = InvalidInput(f"the first frame is {frame.type.value!r}, expected 'hello'", hint="greet first")
            self.push(wire.error(frame.id, refusal))
            frame = None
        if frame is None:
            self.close(CLOSE_PROTOCOL, "the first frame has to be a hello")
        return frame

    async def _come_in(self) -> Presence:
        presence = await self._pool.meet(self._scope, self)
        self._pool.roster.enter(presence)
        await presence.sit_down()
        return presence

    async def _take_frames(self, exchange: Exchange) -> None:
        while self._closing is None:
            raw = await self._next()
            if raw is None:
                return
            frame = self._read(raw)
            if frame is not None:
                self._bytes_under_way = len(raw) + (self._bytes_under_way if exchange.load else 0)
                await exchange.take(frame, len(raw))
            while self._is_laden(exchange):
                self._room = asyncio.get_running_loop().create_future()
                await self._room

    def _is_laden(self, exchange: Exchange) -> bool:
        """Too much is under way: nothing more is read, and the worker feels it."""
        if self._is_gone or self._closing is not None:
            return False
        too_large = exchange.load > 0 and self._bytes_under_way > BYTES_UNDER_WAY
        return too_large or exchange.load + len(self._outbox) >= FRAMES_UNDER_WAY

    async def _next(self) -> str | bytes | None:
        """The next message; None once the connection is closed."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self._is_gone = True
            return None
        text: str | bytes | None = message.get("text")
        return message["bytes"] if text is None else text

    def _read(self, raw: str | bytes) -> Frame | None:
        """The frame of a message; None where it was refused."""
        if len(raw) > FRAME_BYTES:
            self.close(CLOSE_TOO_BIG, f"a frame has at most {FRAME_BYTES} bytes")
            return None
        try:
            return wire.read_frame(raw)
        except wire.MalformedFrame as exc:
            self.push(wire.error(exc.frame_id, exc.refusal))
        except wire.UnreadableEnvelope as exc:
            self.close(CLOSE_PROTOCOL, exc.message)
        return None

    # --- sending --------------------------------------------------------------------------------------------------

    def _send_soon(self) -> None:
        if self._sending is None and not self._is_gone:
            self._sending = asyncio.ensure_future(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._outbox:
                frame = self._outbox.popleft()
                self._outbox_bytes -= len(frame)
                await self._send({"type": "websocket.send", "text": frame.decode()})
            if self._closing is not None:
                code, reason = self._closing
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):  # the worker has gone; uvloop says so in its own way
            self._is_gone = True
            self._outbox.clear()
        finally:
            self._sending = None
            if self._room is not None and not self._room.done():
                self._room.set_result(None)
