"""HTTP/1.1 in as few steps as a keep-alive connection needs."""

import asyncio
import re
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

import orjson

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")


class Answer(NamedTuple):
    """Status and body."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._answer: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._answer is None:
            return
        head = bytes(self._buffer[:end]).lower()
        length = _LENGTH.search(head)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) >= whole:
            body = bytes(self._buffer[end + 4 : whole])
            del self._buffer[:whole]
            self._answer.set_result(Answer(int(head[9:12]), body))
            self._answer = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))

    async def send(self, request: bytes) -> Answer:
        """The answer to a whole request."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()


class Client:
    """Several connections to one server; whoever asks waits for a free one."""

    def __init__(self, port: int, key: str, *, connections: int) -> None:
        self._port = port
        self._head = f"host: 127.0.0.1\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        self._number = connections
        self._all: list[Connection] = []
        self._free: asyncio.Queue[Connection] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for _ in range(self._number):
            _, connection = await loop.create_connection(Connection, "127.0.0.1", self._port)
            self._all.append(connection)
            self._free.put_nowait(connection)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._all:
            connection.close()

    async def post(self, path: str, body: object) -> Any:
        """The JSON answered to `body`; raises where it was refused."""
        content = orjson.dumps(body)
        request = f"POST {path} HTTP/1.1\r\n{self._head}content-length: {len(content)}\r\n\r\n".encode() + content
        return await self._ask(path, request)

    async def get(self, path: str) -> Any:
        """The JSON at `path`; raises where it was refused."""
        return await self._ask(path, f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())

    async def _ask(self, path: str, request: bytes) -> Any:
        connection = await self._free.get()
        try:
            answer = await connection.send(request)
        finally:
            self._free.put_nowait(connection)
        if answer.status >= 300:
            raise RuntimeError(f"{path} answered {answer.status}: {answer.body[:300].decode(errors='replace')}")
        return orjson.loads(answer.body)
