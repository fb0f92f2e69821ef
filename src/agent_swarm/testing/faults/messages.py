"""Cuts the bytes between a worker and its server into messages: HTTP requests and answers, frames of a WebSocket.

So much of both as these two speak: bodies have a length, and a WebSocket message is one frame. A message is kept as
the bytes it came in, so it can be sent on, late, twice, or in part, and is what its sender meant.
"""

import asyncio
from dataclasses import dataclass

_HEAD_END = b"\r\n\r\n"
_TEXT = 0x1


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """A request or an answer."""

    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        """As it travels."""
        return self.head + self.body

    @property
    def is_upgrade(self) -> bool:
        """It asks for a WebSocket, or agrees to it."""
        return b"\r\nupgrade: websocket\r\n" in self.head.lower()


@dataclass(frozen=True, slots=True)
class WebSocketMessage:
    """One frame with what it carries."""

    raw: bytes

    @property
    def is_text(self) -> bool:
        """It carries a frame of the worker protocol; others keep the connection."""
        return self.raw[0] & 0x0F == _TEXT


async def read_http(reader: asyncio.StreamReader) -> HttpMessage:
    """The next request or answer; raises IncompleteReadError at the end of the connection."""
    head = await reader.readuntil(_HEAD_END)
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    return HttpMessage(head, await reader.readexactly(length))


async def read_websocket(reader: asyncio.StreamReader) -> WebSocketMessage:
    """The next frame (RFC 6455 §5.2); raises IncompleteReadError at the end of the connection."""
    head = await reader.readexactly(2)
    length = head[1] & 0x7F
    extension = await reader.readexactly({126: 2, 127: 8}.get(length, 0))
    if extension:
        length = int.from_bytes(extension, "big")
    mask = await reader.readexactly(4 if head[1] & 0x80 else 0)
    return WebSocketMessage(head + extension + mask + await reader.readexactly(length))
