"""Requests that are held open, and the server's end announced to them, so that a shutdown waits for none."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Self

from agent_swarm.domain.errors import SwarmError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Stopping:
    """Set once, on the event loop, when the server begins to shut down."""

    def __init__(self) -> None:
        self.is_set = False
        self.failure: SwarmError | None = None
        self._listeners: set[Callable[[], None]] = set()
        self._on_failure: Callable[[], None] = lambda: None

    def set(self) -> None:
        """Begin the shutdown; again is fine."""
        self.is_set = True
        for listener in tuple(self._listeners):
            listener()

    def fail(self, reason: SwarmError) -> None:
        """Have the server end because of this; the first reason counts."""
        self.failure = self.failure or reason
        self._on_failure()

    def on_failure(self, listener: Callable[[], None]) -> None:
        """Have `listener`, of whoever runs the server, called when it has to end."""
        self._on_failure = listener

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called when the shutdown begins; answers a function that ends it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)


class HeldRequest:
    """A request that waits for something to happen.

    It sleeps on one future of its own, woken by whatever it waits for, by the client's going and by the server's end: a
    handler that only waited would learn of neither. Whoever wakes says nothing about why: look at the
    state and sleep again.
    """

    def __init__(self, receive: Receive, stopping: Stopping) -> None:
        self._receive = receive
        self._stopping = stopping
        self._has_left = False
        self._sleep: asyncio.Future[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        self._unsubscribe = self._stopping.subscribe(self.wake)
        self._watch = asyncio.create_task(self._until_client_leaves())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._unsubscribe()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})

    @property
    def is_over(self) -> bool:
        """Nobody waits for the answer any more, or nobody shall: the server stops."""
        return self._has_left or self._stopping.is_set

    def wake(self, _: object = None) -> None:
        """End the present sleep, if there is one. Also fits as the callback of a future."""
        if self._sleep is not None and not self._sleep.done():
            self._sleep.set_result(None)

    async def sleep(self, seconds: float | None = None) -> None:
        """Return when woken, or after `seconds`; at once where the request is over."""
        if self.is_over:
            return
        loop = asyncio.get_running_loop()
        self._sleep = loop.create_future()
        alarm = None if seconds is None else loop.call_later(max(0.0, seconds), self.wake)
        try:
            await self._sleep
        finally:
            self._sleep = None
            if alarm is not None:
                alarm.cancel()

    async def sleep_until(self, event: "asyncio.Future[None]", seconds: float) -> None:
        """Sleep until `event`, which others may wait for too."""
        event.add_done_callback(self.wake)
        try:
            if not event.done():
                await self.sleep(seconds)
        finally:
            event.remove_done_callback(self.wake)

    async def _until_client_leaves(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._has_left = True
        self.wake()
