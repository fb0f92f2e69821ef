"""Fetching secrets for a server that must not be held up.

Backends block, so each look-up has a thread, which does not keep the process from ending. A secret is remembered for a
while, and a failure for a moment, so that a hundred claims ask once; who asks for what is being asked for waits for the
one answer. All of it is in memory, bounded, and gone with the process.
"""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from agent_swarm.domain.errors import SwarmError
from agent_swarm.vault.backends.errors import BackendUnavailable
from agent_swarm.vault.backends.reading import Reads
from agent_swarm.vault.backends.references import Reference

REMEMBERED = 256
FAILURE_SECONDS = 5.0
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Known:
    until: float
    value: str = field(default="", repr=False)
    failure: SwarmError | None = None


class SecretResolver:
    """What a server asks for secrets; lives in one event loop."""

    def __init__(
        self,
        read: Reads,
        *,
        timeout_seconds: float,
        cache_seconds: float,
        remembered: int = REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._timeout = timeout_seconds
        self._cache_seconds = cache_seconds
        self._remembered = remembered
        self._clock = clock
        self._known: OrderedDict[Reference, _Known] = OrderedDict()
        self._asking: dict[Reference, asyncio.Task[str]] = {}
        self._running: dict[Reference, Future[str]] = {}  # also those that nobody waits for any more
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def resolve(self, reference: Reference) -> str:
        """The secret. Raises what `reading` raises, and BackendUnavailable where no answer comes in time."""
        known = self._known.get(reference)
        if known is not None and self._clock() < known.until:
            self._known.move_to_end(reference)
            return _told(known)
        asking = self._asking.get(reference)
        if asking is None:
            asking = self._asking[reference] = asyncio.create_task(self._ask(reference))
            asking.add_done_callback(lambda _: self._asking.pop(reference))
        return await asyncio.shield(asking)

    def forget(self) -> None:
        """Remember nothing any more: what is asked for next is fetched."""
        self._known.clear()

    async def _ask(self, reference: Reference) -> str:
        try:
            async with asyncio.timeout(self._timeout), self._turns:
                value = await asyncio.shield(asyncio.wrap_future(self._start(reference)))
        except TimeoutError:
            late = BackendUnavailable(
                f"the secret backend did not answer for {reference} within {self._timeout:g} s",
                hint="look at the backend; AGENT_SWARM_SECRET_TIMEOUT_SECONDS is how long it may take",
            )
            self._remember(reference, _Known(self._clock() + FAILURE_SECONDS, failure=late))
            raise late from None
        except SwarmError as refusal:
            self._remember(reference, _Known(self._clock() + FAILURE_SECONDS, failure=refusal))
            raise
        self._remember(reference, _Known(self._clock() + self._cache_seconds, value=value))
        return value

    def _start(self, reference: Reference) -> "Future[str]":
        """A look-up in a thread of its own; the one that still hangs, where there is one."""
        running = self._running.get(reference)
        if running is not None and not running.done():
            return running
        answer: Future[str] = Future()
        self._running[reference] = answer
        answer.add_done_callback(lambda done: self._done(reference, done))
        threading.Thread(target=self._run, args=(reference, answer), name="secret", daemon=True).start()
        return answer

    def _run(self, reference: Reference, answer: "Future[str]") -> None:
        answer.set_running_or_notify_cancel()
        try:
            answer.set_result(self._read(reference, seconds=self._timeout))
        except BaseException as exc:  # whatever it is, who waits has to hear of it
            answer.set_exception(exc)

    def _done(self, reference: Reference, answer: "Future[str]") -> None:
        if self._running.get(reference) is answer:
            del self._running[reference]

    def _remember(self, reference: Reference, known: _Known) -> None:
        self._known[reference] = known
        self._known.move_to_end(reference)
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)


def _told(known: _Known) -> str:
    if known.failure is not None:
        raise known.failure.with_traceback(None)
    return known.value
