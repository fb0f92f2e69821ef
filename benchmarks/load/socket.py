"""The client end of a WebSocket (RFC 6455), as much of it as a worker needs."""

import asyncio
from collections.abc import Callable
from typing import cast

_MASK = b"\0\0\0\0"  # a mask that changes nothing: loopback has no proxies to protect
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA


class Socket(asyncio.Protocol):
    """One connection; `on_message` gets every text message."""

    def __init__(self, path: str, token: str, on_message: Callable[[bytes], None]) -> None:
        self._request = (
            f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n"
            "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n"
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
        self._on_message = on_message
        self._buffer = b""
        self._is_open = False
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError(self._buffer[:300].decode(errors="replace")))
        elif not self.is_closing:
            raise RuntimeError(f"the server closed the socket of a worker: {self._buffer[:200]!r}")

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._is_open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(RuntimeError(f"no WebSocket: {self._buffer[:500].decode(errors='replace')}"))
                return
            self._is_open, self._buffer = True, rest
            self.opened.set_result(None)
        self._take_frames()

    def send(self, *messages: bytes) -> None:
        """Send messages in one write."""
        assert self._transport is not None
        self._transport.write(b"".join([_frame(_TEXT, message) for message in messages]))

    def close(self) -> None:
        """End it."""
        self.is_closing = True
        if self._transport is not None:
            self._transport.close()

    def _take_frames(self) -> None:
        buffer, place, size = self._buffer, 0, len(self._buffer)
        while size - place >= 2:
            length, start = buffer[place + 1] & 0x7F, place + 2
            if length == 126:
                length, start = int.from_bytes(buffer[start : start + 2], "big"), start + 2
            elif length == 127:
                length, start = int.from_bytes(buffer[start : start + 8], "big"), start + 8
            if size < start + length:
                break
            self._take(buffer[place] & 0x0F, buffer[start : start + length])
            place = start + length
        self._buffer = buffer[place:]

    def _take(self, kind: int, content: bytes) -> None:
        if kind == _TEXT:
            self._on_message(content)
        elif kind == _PING and self._transport is not None:
            self._transport.write(_frame(_PONG, content))
        elif kind == _CLOSE:
            self._buffer = content


def _frame(kind: int, content: bytes) -> bytes:
    length = len(content)
    if length < 126:
        return bytes((0x80 | kind, 0x80 | length)) + _MASK + content
    if length < 65536:
        return bytes((0x80 | kind, 0xFE)) + length.to_bytes(2, "big") + _MASK + content
    return bytes((0x80 | kind, 0xFF)) + length.to_bytes(8, "big") + _MASK + content
