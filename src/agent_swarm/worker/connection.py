"""The one conversation with the server, over as many connections as it takes.

Whoever uses it sees `request` and what the server sends on its own; connecting, registering, greeting and coming back
after a loss happen here. A request whose answer does not come in time ends the connection: every frame may be sent
again, so a new connection is the one remedy for everything.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog
from pydantic import BaseModel

from agent_swarm.domain.backoff import Backoff
from agent_swarm.domain.errors import Superseded, SwarmError, Unauthenticated
from agent_swarm.domain.time import SECOND
from agent_swarm.faults import crash_point
from agent_swarm.protocol.errors import ProtocolVersion, error_from_wire
from agent_swarm.protocol.pool import Frame, FrameType, Hello
from agent_swarm.worker.clock import Clock
from agent_swarm.worker.link import KeyRefused, Link, LinkLost, ProfileRefused, Unreachable

log = structlog.get_logger(__name__)

RECONNECT = Backoff(base=SECOND // 4, cap=15 * SECOND)
_FINAL = (Superseded, ProtocolVersion, KeyRefused, ProfileRefused)


class Listener(Protocol):
    """Who uses the conversation."""

    def greeting(self) -> Hello:
        """What is held and waited for right now."""
        ...

    def connected(self) -> None:
        """The server has answered the greeting."""
        ...

    def received(self, frame: Frame) -> None:
        """The server sent this on its own. Must not block."""
        ...


class Connection:
    """Keeps one link up. `dial` opens a new one, registering first where that is needed."""

    def __init__(
        self,
        dial: Callable[[], Awaitable[Link]],
        forget_token: Callable[[], None],
        listener: Listener,
        clock: Clock,
        *,
        reply_seconds: float,
        give_up_after: float = 0,
    ) -> None:
        self._dial = dial
        self._forget_token = forget_token
        self._listener = listener
        self._clock = clock
        self._give_up_after = give_up_after
        self.reply_seconds = reply_seconds
        self._link: Link | None = None
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._is_greeted = asyncio.Event()
        self._loss: SwarmError | None = None
        self._failures = 0
        self._was_connected = False

    @property
    def is_connected(self) -> bool:
        """Whether `request` can be used now."""
        return self._is_greeted.is_set()

    async def wait_connected(self) -> None:
        """Wait until `request` can be used."""
        await self._is_greeted.wait()

    async def request(self, kind: FrameType, body: BaseModel) -> dict[str, Any]:
        """Send a frame and wait for the body of its reply. Raises LinkLost, or what the server refused with."""
        if self._link is None or not self._is_greeted.is_set():
            raise LinkLost("there is no connection to the server now")
        return await self._exchange(self._link, kind, body)

    async def drop(self, reason: SwarmError) -> None:
        """End the current link; a new one is opened."""
        self._loss = self._loss or reason
        if self._link is not None:
            await self._link.close()

    async def run(self) -> None:
        """Stay connected, until something is wrong that no further try can help; raises that."""
        began = self._clock()
        while True:
            try:
                await self._converse()
            except _FINAL:
                raise
            except Unauthenticated as exc:
                self._forget_token()
                self._note(exc)
            except SwarmError as exc:
                self._note(exc)
            self._failures += 1
            if not self._was_connected and 0 < self._give_up_after <= self._clock() - began:
                raise Unreachable(
                    f"no server could be reached within {self._give_up_after:g} s",
                    hint="check MCP_BASE_URL and the server",
                )
            jitter = random.uniform(0.5, 1)  # noqa: S311 - spreads reconnections, guards nothing
            await asyncio.sleep(RECONNECT.delay(self._failures, jitter) / SECOND)

    async def _converse(self) -> None:
        """Over one link, until it breaks; always raises."""
        link = self._link = await self._dial()
        self._loss = None
        reading = asyncio.create_task(self._read(link))
        greeting = asyncio.create_task(self._greet(link))
        try:
            await asyncio.wait({reading, greeting}, return_when=asyncio.FIRST_COMPLETED)
            if greeting.done():
                greeting.result()
                await reading
            reading.result()
        except SwarmError as exc:
            raise (self._loss or exc) from exc
        finally:
            self._is_greeted.clear()
            self._link = None
            for task in (reading, greeting):
                task.cancel()
            await link.close()
            await asyncio.gather(reading, greeting, return_exceptions=True)
            self._fail_waiting()

    async def _greet(self, link: Link) -> None:
        await self._exchange(link, FrameType.HELLO, self._listener.greeting())
        self._failures = 0
        self._was_connected = True
        self._is_greeted.set()
        log.info("connected", link=link.kind)
        self._listener.connected()

    async def _read(self, link: Link) -> None:
        while True:
            for frame in await link.receive():
                await self._take(frame)

    async def _take(self, frame: Frame) -> None:
        if frame.type not in (FrameType.REPLY, FrameType.ERROR):
            self._listener.received(frame)
            return
        answer = self._waiting.pop(frame.id, None)
        error = error_from_wire(frame.body) if frame.type is FrameType.ERROR else None
        if isinstance(error, Superseded | Unauthenticated):
            raise error  # it is about this process, not about the frame
        if answer is None or answer.done():
            if error is not None:
                self._listener.received(frame)
            return  # a reply that came twice, or too late
        if error is None:
            answer.set_result(frame.body)
        else:
            answer.set_exception(error)

    async def _exchange(self, link: Link, kind: FrameType, body: BaseModel) -> dict[str, Any]:
        frame = Frame(id=str(next(self._numbers)), type=kind, body=body.model_dump(mode="json"))
        answer = self._waiting[frame.id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self.reply_seconds):
                await link.send((frame,))
                crash_point("link.sent")
                told: dict[str, Any] = await answer
                return told
        except TimeoutError:
            lost = LinkLost(f"the server did not answer {kind.value!r} within {self.reply_seconds:g} s")
            if link is self._link:
                await self.drop(lost)
            raise lost from None
        finally:
            self._waiting.pop(frame.id, None)

    def _fail_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(LinkLost("the connection broke before the answer came"))

    def _note(self, exc: SwarmError) -> None:
        """Say in one line why there is no connection; `failures` counts those in a row before this one."""
        log.warning("not_connected", reason=exc.message, code=exc.code, failures=self._failures)
