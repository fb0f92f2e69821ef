"""Collects what comes in while a batch is written, and hands out what was claimed."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.prototype.table import Table, Work

AT_MOST = 256  # operations per batch, as ours

Give = Callable[[tuple[str, int, str, str]], None]


class Hub:
    """One flush in flight; answers leave after the commit."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._writer = ThreadPoolExecutor(1)
        self._asked: deque[tuple[str, Any, Callable[[], None]]] = deque()
        self._idle: deque[Give] = deque()
        self._ready = 0
        self._flushing = False

    def ask(self, kind: str, row: Any, answer: Callable[[], None]) -> None:
        """Have `row` written; `answer` is called after the commit."""
        self._asked.append((kind, row, answer))
        self._flush_soon()

    def offer(self, give: Give) -> None:
        """A free slot."""
        self._idle.append(give)
        if self._ready:
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(self._flush_all()))

    async def _flush_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._asked or (self._ready and self._idle):
            work, answers = self._take()
            claimed = await loop.run_in_executor(self._writer, self._table.apply, work)
            self._ready += len(work.new) - len(claimed)
            for answer in answers:
                answer()
            for task in claimed:
                self._idle.popleft()(task)
            await asyncio.sleep(0)
        self._flushing = False

    def _take(self) -> tuple[Work, list[Callable[[], None]]]:
        work, answers = Work(lease_until=time.time_ns() // 1000 + 30_000_000), []
        into = {"progress": work.progress, "complete": work.finished}
        weight = 0
        while self._asked and weight < AT_MOST:
            kind, row, answer = self._asked.popleft()
            if kind == "create":
                work.new.extend(row)
            else:
                into[kind].append(row)
            weight += len(row) if kind == "create" else 1
            answers.append(answer)
        work.claims = min(len(self._idle), self._ready + len(work.new), AT_MOST)
        return work, answers
