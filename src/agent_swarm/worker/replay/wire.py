"""HTTP/1.1 towards an agent CLI, on asyncio's streams: so much of it as its clients use."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

HEAD_BYTES = 64 * 1024
BODY_BYTES = 64 * 1024 * 1024


class BadRequest(Exception):
    """What came in cannot be read as a request."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; the names of its headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Without the query."""
        return urlsplit(self.target).path


async def receive(reader: asyncio.StreamReader) -> Request:
    """The next request of a connection. Raises IncompleteReadError where there is none, BadRequest for nonsense."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        method, target, _ = first.split(" ", 2)
        fields = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return Request(method, target, headers, await _chunks(reader))
        length = int(headers.get("content-length", 0))
    except (ValueError, asyncio.LimitOverrunError) as exc:
        raise BadRequest(f"no request: {exc}") from exc
    if not 0 <= length <= BODY_BYTES:
        raise BadRequest(f"expected a body of at most {BODY_BYTES} bytes")
    return Request(method, target, headers, await reader.readexactly(length))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if len(body) + size > BODY_BYTES:
            raise BadRequest(f"expected a body of at most {BODY_BYTES} bytes")
        body += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return body


class Answer:
    """The way back for one request: `begin`, then `piece` after `piece`, then `end`; or one of the short forms."""

    def __init__(self, writer: asyncio.StreamWriter, method: str) -> None:
        self._writer = writer
        self._has_body = method != "HEAD"
        self.is_begun = False

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The head. What is known of the length of the body is not passed on: it goes out in chunks."""
        self.is_begun = True
        self._has_body = self._has_body and status not in (204, 304)
        phrase = HTTPStatus(status).phrase if status in _STATUSES else "Answer"
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {text}" for name, text in headers.items())]
        lines += ["transfer-encoding: chunked"] if self._has_body else []
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
        await self._writer.drain()

    async def piece(self, content: bytes) -> None:
        """Sent at once."""
        if content and self._has_body:
            self._writer.write(b"%x\r\n%s\r\n" % (len(content), content))
            await self._writer.drain()

    async def end(self) -> None:
        """The body is complete."""
        if self._has_body:
            self._writer.write(b"0\r\n\r\n")
            await self._writer.drain()

    async def send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """A whole answer."""
        await self.begin(status, headers)
        await self.piece(body)
        await self.end()

    async def send_json(self, status: int, body: Mapping[str, Any]) -> None:
        """A whole answer in JSON."""
        await self.send(status, json.dumps(body).encode(), {"content-type": "application/json"})


Handle = Callable[[Request, Answer], Awaitable[None]]
_STATUSES = frozenset(status.value for status in HTTPStatus)


class LoopbackServer:
    """Serves `handle` on a free port of loopback. `stop` breaks every connection; idempotent."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD_BYTES)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Serve no longer."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                request = await receive(reader)
                await self._handle(request, Answer(writer, request.method))
        except BadRequest as exc:
            await Answer(writer, "POST").send_json(400, {"error": {"type": "badRequest", "message": str(exc)}})
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has left, or the answer broke off: so does the connection
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()
