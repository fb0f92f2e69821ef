"""Connections of a guest, many on one channel, each handed to the proxy as if it had been accepted here.

Each way at most STREAM_WINDOW bytes of a connection are under way, so one that nobody reads holds up no other. Each
side says GONE once, as its last word on a connection; its number is free when both have.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from agent_swarm.sandbox.proxy import HEAD_BYTES
from agent_swarm.sandbox.relay import Peer
from agent_swarm.vm.guest.frames import (
    HEADER,
    REQUEST_BYTES,
    STREAM_BYTES,
    STREAM_WINDOW,
    BrokenStream,
    FrameType,
    encoded,
)

Serve = Callable[[Peer], Awaitable[None]]

_ID_BYTES = 2


@dataclass(slots=True)
class _Stream:
    """One connection. `inbox` holds what came from the guest; None says that it has ended."""

    room: int = STREAM_WINDOW
    unread_bytes: int = 0
    inbox: "asyncio.Queue[bytes | None]" = field(default_factory=asyncio.Queue)
    may_send: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None
    has_sent_gone: bool = False
    has_got_gone: bool = False


class Streams:
    """All connections of one guest."""

    def __init__(self, guest: Peer, unread: bytes, serve: Serve) -> None:
        self._guest = guest
        self._unread = unread
        self._serve = serve
        self._streams: dict[int, _Stream] = {}

    async def run(self) -> None:
        """Until the guest, or the VM, goes away. Raises BrokenStream for what is no frame of ours."""
        try:
            while True:
                length, kind = HEADER.unpack(await self._exactly(HEADER.size))
                if not _ID_BYTES <= length <= REQUEST_BYTES:
                    raise BrokenStream(f"a frame of {length} bytes")
                payload = await self._exactly(length)
                self._take(bytes([kind]), int.from_bytes(payload[:_ID_BYTES], "little"), payload[_ID_BYTES:])
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            tasks = [stream.task for stream in self._streams.values() if stream.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _exactly(self, count: int) -> bytes:
        known, self._unread = self._unread[:count], self._unread[count:]
        return known + (await self._guest.reader.readexactly(count - len(known)) if len(known) < count else b"")

    def _take(self, kind: bytes, number: int, data: bytes) -> None:
        if kind == FrameType.STREAM_OPEN.value:
            if number in self._streams:
                raise BrokenStream(f"connection {number} is opened twice")
            stream = self._streams[number] = _Stream()
            stream.task = asyncio.create_task(self._carry(number, stream))
            return
        found = self._streams.get(number)
        if found is None:
            raise BrokenStream(f"a frame of connection {number}, which there is not")
        if kind == FrameType.STREAM_DATA.value:
            found.unread_bytes += len(data)
            if found.unread_bytes > STREAM_WINDOW:
                raise BrokenStream(f"connection {number} sends more than it may")
            found.inbox.put_nowait(data)
        elif kind == FrameType.STREAM_END.value:
            found.inbox.put_nowait(None)
        elif kind == FrameType.STREAM_USED.value and len(data) == 4:
            found.room += int.from_bytes(data, "little")
            found.may_send.set()
        elif kind == FrameType.STREAM_GONE.value:
            found.has_got_gone = True
            if found.task is not None:
                found.task.cancel()
            self._forget(number, found)
        else:
            raise BrokenStream(f"a frame of type {kind!r}")

    async def _carry(self, number: int, stream: _Stream) -> None:
        """One connection, from its opening to our last word on it."""
        ours, the_proxys = socket.socketpair()
        near = Peer(*await asyncio.open_connection(sock=ours))
        far = Peer(*await asyncio.open_connection(sock=the_proxys, limit=HEAD_BYTES))
        onward = asyncio.create_task(self._onward(number, stream, near))
        serving = asyncio.create_task(self._served(far))
        try:
            await self._back(number, stream, near)
            await serving
        except OSError:
            pass
        finally:
            for task in (onward, serving):
                task.cancel()
            await asyncio.gather(onward, serving, return_exceptions=True)
            near.writer.close()
            far.writer.close()
            self._say(FrameType.STREAM_GONE, number)
            stream.has_sent_gone = True
            self._forget(number, stream)

    async def _served(self, far: Peer) -> None:
        try:
            await self._serve(far)
        finally:
            far.writer.close()

    async def _onward(self, number: int, stream: _Stream, near: Peer) -> None:
        """From the guest to the proxy; what is passed on is told, so that more may come."""
        with suppress(OSError):
            while (data := await stream.inbox.get()) is not None:
                near.writer.write(data)
                await near.writer.drain()
                stream.unread_bytes -= len(data)
                self._say(FrameType.STREAM_USED, number, len(data).to_bytes(4, "little"))
            near.writer.write_eof()

    async def _back(self, number: int, stream: _Stream, near: Peer) -> None:
        """From the proxy to the guest, as far as it has room."""
        while True:
            while stream.room <= 0:
                stream.may_send.clear()
                await stream.may_send.wait()
            data = await near.reader.read(min(stream.room, STREAM_BYTES))
            if not data:
                break
            stream.room -= len(data)
            self._say(FrameType.STREAM_DATA, number, data)
            await self._guest.writer.drain()
        self._say(FrameType.STREAM_END, number)

    def _say(self, kind: FrameType, number: int, data: bytes = b"") -> None:
        if not self._guest.writer.is_closing():
            self._guest.writer.write(encoded(kind, number.to_bytes(_ID_BYTES, "little") + data))

    def _forget(self, number: int, stream: _Stream) -> None:
        if stream.has_sent_gone and stream.has_got_gone and self._streams.get(number) is stream:
            del self._streams[number]
