"""The transcript of a part of a workflow, written in pieces while it goes on."""

import asyncio
from collections.abc import Callable
from typing import Any

from agent_swarm.domain.time import to_wire
from agent_swarm.services.transcripts import AGENT_ENDED, Transcripts

LINE_CHARS = 16_000
_PIECE = 200  # lines that are written together
_MOST = 20_000  # lines that wait; a script that prints faster than a disk writes loses the rest


class Recording:
    """Lines of one attempt; use it in `async with`, which writes what is left."""

    def __init__(self, transcripts: Transcripts, task_id: str, attempt: int, now: Callable[[], int]) -> None:
        self._transcripts = transcripts
        self._place = (task_id, attempt)
        self._now = now
        self._next = 0
        self._waiting: list[dict[str, Any]] = []
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Recording":
        self._writing = asyncio.create_task(self._write_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})
        await self._write()

    def log(self, stream: str, line: bytes) -> None:
        """Something was printed."""
        text = line.decode("utf-8", errors="replace").replace("\0", "�")[:LINE_CHARS]
        self.note("log", stream=stream, text=text)

    def note(self, kind: str, **data: Any) -> None:
        """Something happened."""
        if len(self._waiting) < _MOST or kind == AGENT_ENDED:
            self._waiting.append({"at": to_wire(self._now()), "kind": kind, "data": data})
            self._wake.set()

    async def _write_on(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.shield(self._write())

    async def _write(self) -> None:
        async with self._turn:
            while self._waiting:
                piece, self._waiting = self._waiting[:_PIECE], self._waiting[_PIECE:]
                first, self._next = self._next, self._next + len(piece)
                await self._transcripts.append(*self._place, first, piece, now=self._now())
