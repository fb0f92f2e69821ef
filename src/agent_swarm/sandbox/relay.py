"""Carry bytes between two connections until both are done, or neither has said anything for too long."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

IDLE_SECONDS = 600.0  # a model may think for minutes before it says a word
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def close(self) -> None:
        """Close it, whatever state it is in."""
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


async def relay(one: Peer, other: Peer, *, idle_seconds: float = IDLE_SECONDS) -> None:
    """Until both directions have ended; the end of one is passed on, so a half-closed connection works."""
    conversation = _Conversation(idle_seconds)
    tasks = [
        asyncio.create_task(conversation.carry(one.reader, other.writer)),
        asyncio.create_task(conversation.carry(other.reader, one.writer)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Conversation:
    """Two directions that share one idle time: an answer may stream for long while nothing is asked."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._last_word_at = time.monotonic()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await self._read(reader):
            self._last_word_at = time.monotonic()
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        while True:
            left = self._last_word_at + self._idle_seconds - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                return await asyncio.wait_for(reader.read(_CHUNK_BYTES), left)
            except TimeoutError:
                continue
