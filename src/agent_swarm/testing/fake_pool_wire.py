"""HTTP and WebSocket for `fake_pool`, on plain asyncio streams: so much of them as a worker uses."""

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from agent_swarm.domain.errors import Conflict, InvalidInput, SwarmError, Unauthenticated
from agent_swarm.protocol import limits, pool
from agent_swarm.protocol.errors import ProtocolVersion, error_body, status_of
from agent_swarm.protocol.pool import Frame, FrameType

if TYPE_CHECKING:
    from agent_swarm.testing.fake_pool import FakeAgent, FakePool


class Drop(Exception):
    """The connection is to break here."""


class Client(Protocol):
    """A worker's end of the line."""

    def push(self, frame: Frame) -> None: ...

    def close(self, code: int) -> None: ...

    def abort(self) -> None: ...


class Wire:
    """Listens, and hands to the pool what arrives."""

    def __init__(self, server: "FakePool") -> None:
        self._server = server
        self._listener: asyncio.Server | None = None
        self._port = 0
        self._handlers: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen, on the port of the last time if there was one."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=64 * 1024)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break every connection and stop listening."""
        if self._listener is not None:
            self._listener.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            while await self._handle(reader, writer):
                pass
        except (Drop, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._handlers.discard(task)
            writer.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether another one may follow on the same connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, headers = _parsed_head(head)
        try:
            if self._server.is_unavailable:
                return await _respond(writer, 503, {"note": "down for a moment"})
            if headers.get("asp-version") != str(pool.VERSION):
                raise ProtocolVersion("expected ASP-Version: 1")
            token = headers.get("authorization", "").removeprefix("Bearer ")
            if (method, path) == ("GET", "/v1/pool/socket"):
                if self._server.refuses_upgrade:
                    return await _respond(writer, 400, {"note": "a proxy that knows no upgrades"})
                agent = self._server.agent_of(token)
                await Socket(self._server, agent, reader, writer).run(head)
                return False
            body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))))
            return await _respond(writer, 200, await self._post(path, token, body))
        except ValidationError as exc:
            refusal: SwarmError = InvalidInput(f"{exc.error_count()} fields are not acceptable")
        except SwarmError as exc:
            refusal = exc
        return await _respond(writer, status_of(refusal), error_body(refusal))

    async def _post(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "/v1/pool/register":
            if token != self._server.api_key:
                raise Unauthenticated("this token is not known")
            return self._server.register(pool.RegisterRequest.model_validate(body)).model_dump(mode="json")
        if path != "/v1/pool/poll":
            raise InvalidInput(f"no such path: {path}")
        agent = self._server.agent_of(token)
        request = pool.PollRequest.model_validate(body)
        is_greeting = bool(request.frames) and request.frames[0].type is FrameType.HELLO
        poller = agent.client if isinstance(agent.client, Poller) and not is_greeting else None
        if poller is None:
            if not is_greeting:
                raise Conflict("this server does not know the connection", hint="greet it with `hello`")
            if agent.client is not None:
                agent.client.abort()  # what still waits there waits for an earlier conversation
            poller = agent.client = Poller(self._server, agent)
        return {"frames": [frame.model_dump(mode="json") for frame in await poller.exchange(request)]}


class Poller:
    """A worker that polls. Meets `Client`."""

    def __init__(self, server: "FakePool", agent: "FakeAgent") -> None:
        self._server = server
        self._agent = agent
        self._outbox: list[Frame] = []
        self._has_outgoing = asyncio.Event()
        self._is_broken = False

    async def exchange(self, request: pool.PollRequest) -> list[Frame]:
        """Apply what came, wait for something to answer."""
        answers = [answer for frame in request.frames for answer in self._server.take(self._agent, frame)]
        if not answers and request.wait_seconds:
            try:
                async with asyncio.timeout(request.wait_seconds):
                    await self._has_outgoing.wait()
            except TimeoutError:
                pass
        if self._is_broken:
            raise Drop
        if request.wait_seconds:
            answers, self._outbox = [*answers, *self._outbox], []
            self._has_outgoing.clear()
        return answers

    def push(self, frame: Frame) -> None:
        """Goes out with the next answer."""
        self._outbox.append(frame)
        self._has_outgoing.set()

    def close(self, code: int) -> None:
        """There is nothing to close; the next poll is refused by its token."""
        self._has_outgoing.set()

    def abort(self) -> None:
        """Break the poll that waits."""
        self._is_broken = True
        self._server.gone(self._agent, self)
        self._has_outgoing.set()


class Socket:
    """A worker on a WebSocket. Meets `Client`."""

    def __init__(
        self, server: "FakePool", agent: "FakeAgent", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._agent = agent
        self._reader = reader
        self._writer = writer
        self._protocol = ServerProtocol(max_size=limits.FRAME_BYTES)

    async def run(self, head: bytes) -> None:
        """Speak until either side ends it."""
        self._protocol.receive_data(head)
        try:
            while self._protocol.close_expected() is False:
                for event in self._protocol.events_received():
                    self._take(event)
                self._flush()
                received = await self._reader.read(256 * 1024)
                if not received:
                    return
                self._protocol.receive_data(received)
        finally:
            self._server.gone(self._agent, self)

    def push(self, frame: Frame) -> None:
        """Send a frame."""
        if not self._protocol.close_expected():
            self._protocol.send_text(frame.model_dump_json().encode())
            self._flush()

    def close(self, code: int) -> None:
        """Close the WebSocket with a code."""
        self._protocol.send_close(code, "closed by the pool")
        self._flush()

    def abort(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()

    def _take(self, event: object) -> None:
        if isinstance(event, Request):
            self._protocol.send_response(self._protocol.accept(event))
            self._agent.client = self
        elif isinstance(event, WebSocketFrame) and event.opcode is Opcode.TEXT:
            try:
                frame = Frame.model_validate_json(bytes(event.data))
            except ValidationError:
                self.close(pool.CLOSE_PROTOCOL)
                return
            for answer in self._server.take(self._agent, frame):
                self.push(answer)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)
            else:
                self._writer.write_eof()


def _parsed_head(head: bytes) -> tuple[str, str, Mapping[str, str]]:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    fields = (line.partition(":") for line in lines)
    path = path.removeprefix("http://pool.invalid")  # what a proxy is asked for
    return method, path, {name.strip().lower(): value.strip() for name, _, value in fields}


async def _respond(writer: asyncio.StreamWriter, status: int, body: Mapping[str, Any]) -> bool:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()
    return True
