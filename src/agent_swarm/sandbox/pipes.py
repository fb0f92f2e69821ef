"""A process's standard streams as plain pipes on the event loop.

`asyncio.subprocess` would do most of this, but gives the child a socket for its standard input before Python 3.12,
which cannot be opened as /dev/stdin, and ties the end of the process to the end of its streams.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from agent_swarm.sandbox.lines import LineSplitter, Tail

_CHUNK_BYTES = 64 * 1024


class InputPipe(asyncio.BaseProtocol):
    """The end we write to. What is sent after the reader has gone is dropped."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._has_room = asyncio.Event()
        self._has_room.set()

    @classmethod
    async def open(cls, writer_fd: int) -> Self:
        """Take over `writer_fd`."""
        _, pipe = await asyncio.get_running_loop().connect_write_pipe(cls, os.fdopen(writer_fd, "wb", buffering=0))
        return pipe

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the reader is behind."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        await self._has_room.wait()

    def close(self) -> None:
        """Let the reader see the end of its input once it has read what was sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close without sending what is still waiting."""
        if self._transport is None:
            return
        is_ending = self._transport.is_closing() and not self._transport.get_write_buffer_size()
        if not is_ending:  # asyncio would end it a second time, and trip over that
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the reader is gone, or after `close`."""
        self._transport = None
        self._has_room.set()

    def pause_writing(self) -> None:
        """Called by the loop."""
        self._has_room.clear()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._has_room.set()


class OutputPipe:
    """The end we read from. A writer that is ahead of us has to wait."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        self._reader = reader
        self._transport = transport

    @classmethod
    async def open(cls, reader_fd: int) -> Self:
        """Take over `reader_fd`."""
        reader = asyncio.StreamReader(limit=4 * _CHUNK_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reader_fd, "rb", buffering=0)
        )
        return cls(reader, transport)

    async def lines(self) -> AsyncIterator[bytes]:
        """Line by line, without the newline, to the end of the stream."""
        splitter = LineSplitter()
        while chunk := await self._reader.read(_CHUNK_BYTES):
            for line in splitter.feed(chunk):
                yield line
        if (rest := splitter.finish()) is not None:
            yield rest

    async def read_into(self, tail: Tail) -> None:
        """To the end of the stream, keeping only the last of it."""
        while chunk := await self._reader.read(_CHUNK_BYTES):
            tail.feed(chunk)

    def close(self) -> None:
        """Stop reading; who waits for more sees the end."""
        self._transport.close()


@dataclass(frozen=True, slots=True)
class Streams:
    """Our ends of the three pipes, and the numbers of the child's ends."""

    input: InputPipe
    output: OutputPipe
    errors: OutputPipe
    child_fds: tuple[int, int, int]

    @classmethod
    async def open(cls, child_ends: ExitStack) -> Self:
        """Three new pipes. `child_ends` closes the child's ends, once it has them; OSError when there are no more."""
        with ExitStack() as on_failure:
            pipes = [_pipe(child_ends, on_failure, child_reads=reads) for reads in (True, False, False)]
            (stdin, to_child), (stdout, from_child), (stderr, errors) = pipes
            on_failure.pop_all()  # from here on the transports own our ends
        return cls(
            await InputPipe.open(to_child),
            await OutputPipe.open(from_child),
            await OutputPipe.open(errors),
            (stdin, stdout, stderr),
        )

    def close(self) -> None:
        """Drop what was not sent, do not read any further."""
        self.input.abort()
        self.output.close()
        self.errors.close()


def _pipe(child_ends: ExitStack, on_failure: ExitStack, *, child_reads: bool) -> tuple[int, int]:
    """The child's end and ours."""
    reader, writer = os.pipe()
    child, ours = (reader, writer) if child_reads else (writer, reader)
    child_ends.callback(os.close, child)
    on_failure.callback(os.close, ours)
    return child, ours
