"""Tells subscribers what was committed, in the order of the commits.

A server that has its database to itself tells its own batches. Where others write to it, too, the numbers of the events
show what is missing: they have no gap and grow in commit order, so what comes before an event can be read as soon as
that event can. A batch of one's own waits until what others committed before it is told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from agent_swarm.store.base import Committed, Queries
from agent_swarm.store.records import Event

log = structlog.get_logger()

PAGE = 500  # events read at once

Listener = Callable[[Committed], None]
Read = Callable[[Callable[[Queries], Any]], Awaitable[Any]]


class Telling:
    """The subscribers of one store. `read` reads the database where others write to it; None where nobody else does."""

    def __init__(self, read: Read | None) -> None:
        self._read = read
        self._listeners: list[Listener] = []
        self._order = asyncio.Lock()
        self.told = 0  # the last event that subscribers know of

    async def open(self) -> None:
        """What is there already is news to nobody."""
        if self._read is not None:
            self.told = await self._head()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called after every commit, in commit order; answers a function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def tell(self, committed: Committed) -> None:
        """A batch of this server was committed. Never fails: its answers wait for this."""
        if self._read is None:
            self._call(committed)
            return
        async with self._order:
            missing_up_to = _missing(committed.events)
            if missing_up_to > self.told:
                await self._tell_up_to(missing_up_to)
            up_to = committed.events[-1].seq if committed.events else 0
            self._call(replace(committed, events=self._news_of(committed.events), up_to=up_to))

    async def catch_up(self, *, ready: Mapping[int, int], at_least: int) -> None:
        """Tell what others committed: `ready` is what became claimable, `at_least` an event that is known to exist."""
        if self._read is None:
            return
        async with self._order:
            if at_least > self.told or not at_least:
                await self._tell_up_to(None)
            if ready:
                self._call(Committed(at=0, ready=ready, is_foreign=True))

    async def _tell_up_to(self, last: int | None) -> None:
        """Read and tell what is missing up to `last`; None: all of it."""
        while last is None or self.told < last:
            limit = PAGE if last is None else min(PAGE, last - self.told)
            try:
                page = await self._page(self.told, limit)
            except Exception:  # the next sweep reads it; streams see the gap in the numbers and read by themselves
                log.warning("catching_up_failed", told=self.told, exc_info=True)
                return
            if page:
                self._call(Committed(at=page[-1].at, events=self._news_of(page), is_foreign=True))
            if len(page) < limit:
                return

    async def _page(self, after: int, limit: int) -> list[Event]:
        assert self._read is not None
        page: list[Event] = await self._read(lambda queries: queries.events_after(after, limit=limit))
        return page

    async def _head(self) -> int:
        assert self._read is not None
        head: tuple[int, str] = await self._read(lambda queries: queries.head())
        return head[0]

    def _news_of(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """Those that were not told yet."""
        news = tuple(event for event in events if event.seq > self.told)
        if news:
            self.told = news[-1].seq
        return news

    def _call(self, committed: Committed) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(committed)
            except Exception:  # one listener must not keep the news from the others
                log.exception("listener_failed")


def _missing(own: Sequence[Event]) -> int:
    """The last event before the end of `own` that may be another server's."""
    if not own:
        return 0
    first, last = own[0].seq, own[-1].seq
    has_gap = last - first + 1 != len(own)  # operations that were applied one by one, others in between
    return last if has_gap else first - 1
