"""HTTP/1.1 for the stub model, on plain asyncio streams: so much of it as a model's client uses."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

HEAD_BYTES = 64 * 1024
BODY_BYTES = 64 * 1024 * 1024  # twice what the API takes


class BadRequest(Exception):
    """What came in cannot be read as a request."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request, its target split off from its query; `headers` have lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes


async def receive(reader: asyncio.StreamReader) -> Received:
    """The next request of a connection. Raises IncompleteReadError when there is none, BadRequest for nonsense."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        method, target, _ = first.split(" ", 2)
        fields = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        length = int(headers.get("content-length", 0))
    except (ValueError, asyncio.LimitOverrunError) as exc:
        raise BadRequest(f"no request: {exc}") from exc
    if "transfer-encoding" in headers or "content-encoding" in headers or length > BODY_BYTES:
        raise BadRequest(f"expected a plain body with its length, of at most {BODY_BYTES} bytes")
    return Received(method, target.partition("?")[0], headers, await reader.readexactly(length))


class Answer:
    """The way back for one request: either `send` once, or `begin`, then `chunk` after `chunk`, then `end`."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(
        self, status: int, content: bytes, headers: Mapping[str, str], *, content_type: str = "application/json"
    ) -> None:
        """A whole answer."""
        sizes = {"content-type": content_type, "content-length": str(len(content))}
        self._writer.write(_head(status, {**sizes, **headers}) + content)
        await self._writer.drain()

    async def send_json(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """A whole answer in JSON."""
        await self.send(status, json.dumps(body).encode(), headers)

    async def begin(self, headers: Mapping[str, str]) -> None:
        """The head of a stream of events."""
        kind = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}
        self._writer.write(_head(200, {**kind, "cache-control": "no-cache", **headers}))
        await self._writer.drain()

    async def chunk(self, content: bytes) -> None:
        """A piece of the stream, sent at once."""
        self._writer.write(b"%x\r\n%s\r\n" % (len(content), content))
        await self._writer.drain()

    async def end(self) -> None:
        """The stream is complete."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def cut(self) -> None:
        """Close the connection in the middle of the answer; what was written before still arrives."""
        self._writer.close()
        await self._writer.wait_closed()


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    known = {one.value: one.phrase for one in HTTPStatus}
    lines = [f"HTTP/1.1 {status} {known.get(status, 'Answer')}", *(f"{name}: {text}" for name, text in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
