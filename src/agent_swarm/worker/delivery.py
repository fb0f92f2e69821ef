"""Brings a spool to the server: in order, at least once, for as long as it takes."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Set
from contextlib import closing
from enum import Enum
from typing import Any, Protocol

import structlog
from pydantic import BaseModel

from agent_swarm.domain.backoff import Backoff
from agent_swarm.domain.errors import Conflict, NotFound, StaleLease, SwarmError, UnknownTask
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.domain.time import SECOND
from agent_swarm.faults import crash_point
from agent_swarm.protocol.errors import TranscriptGap, is_retryable
from agent_swarm.protocol.pool import Events, FrameType
from agent_swarm.worker.link import LinkLost
from agent_swarm.worker.spool import Kind, Spool
from agent_swarm.worker.windows import EVERYTHING, OF_NO_LEASE, Outgoing, Window, next_window

log = structlog.get_logger(__name__)

BUSY = Backoff(base=SECOND // 5, cap=10 * SECOND)
STUMBLES = 8  # some 30 s
LINGER_SECONDS = 0.05  # between two frames of lines: a talkative agent fills frames instead of making many
_ENDINGS = frozenset({FrameType.COMPLETE, FrameType.FAIL, FrameType.PAUSE, FrameType.RELEASE})

Request = Callable[[FrameType, BaseModel], Awaitable[dict[str, Any]]]


class Verdict(Enum):
    """What an answer means for the frame, and for what comes after it."""

    TAKEN = "taken"
    AGAIN = "again"
    REFUSED = "refused"  # this frame never; what comes after it may be taken
    OVER = "over"  # nothing more of this attempt, save what happened and what it cost
    MISSING = "missing"  # earlier transcript lines did not arrive


def judge(kind: FrameType, error: SwarmError, tries: int = 0) -> Verdict:
    """What it means that the server refused a frame with `error`, after as many `tries` before.

    A frame over which the server stumbles again and again is given up, lest it hold up all that follow it.
    """
    if error.code == SwarmError.code and tries >= STUMBLES:
        return Verdict.REFUSED
    if isinstance(error, LinkLost) or is_retryable(error):
        return Verdict.AGAIN
    if isinstance(error, TranscriptGap):
        return Verdict.MISSING
    if kind in (FrameType.USAGE, FrameType.RECEIVED):
        return Verdict.REFUSED
    if isinstance(error, StaleLease | UnknownTask) or kind is FrameType.START:
        return Verdict.OVER
    return Verdict.REFUSED


class Observer(Protocol):
    """Who wants to know how a delivery goes."""

    def refused(self, kind: FrameType, error: SwarmError) -> None:
        """The server will never take this."""
        ...

    def over(self, error: SwarmError) -> None:
        """The server takes nothing more of this attempt."""
        ...


class Delivery:
    """One spool's way to the server."""

    def __init__(
        self,
        spool: Spool,
        request: Request,
        wait_connected: Callable[[], Awaitable[None]],
        observer: Observer,
        *,
        busy: Backoff = BUSY,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        self._spool = spool
        self._request = request
        self._wait_connected = wait_connected
        self._observer = observer
        self._busy = busy
        self._linger_seconds = linger_seconds
        self._wanted: Set[Kind] = EVERYTHING

    async def run(self) -> None:
        """Deliver until the server has everything and no more will come."""
        while not self._spool.is_delivered:
            if not await self.run_once():
                await self._spool.more()
            else:
                await self._spool.wait_closed(self._linger_seconds)

    async def run_once(self) -> bool:
        """Deliver the next window; False where there was none."""
        spool = self._spool
        with closing(spool.records(spool.position)) as records:
            window = next_window(spool.head, records, wanted=self._wanted)
        if window is None:
            return False
        if await self._deliver(window):
            crash_point("delivery.answered")
            spool.acknowledge(window.end)
        return True

    async def _deliver(self, window: Window) -> bool:
        """Send until every frame has a final answer; False where the window has to be made anew."""
        pending, tries = window.frames, 0
        while pending:
            verdicts = await asyncio.gather(*(self._send(frame, tries) for frame in pending))
            if Verdict.MISSING in verdicts or (Verdict.OVER in verdicts and len(window.frames) > 1):
                return False
            pending = tuple(frame for frame, verdict in zip(pending, verdicts, strict=True) if verdict is Verdict.AGAIN)
            if pending:
                tries += 1
                jitter = random.uniform(0.5, 1)  # noqa: S311 - spreads repetitions, guards nothing
                await asyncio.sleep(self._busy.delay(tries, jitter) / SECOND)
                await self._wait_connected()
        return True

    async def _send(self, frame: Outgoing, tries: int) -> Verdict:
        try:
            await self._request(frame.kind, frame.body)
        except SwarmError as error:
            verdict = judge(frame.kind, error, tries)
            if verdict is Verdict.MISSING and not self._rewind(frame, error):
                verdict = Verdict.REFUSED
            await self._tell(frame, error, verdict)
            return verdict
        return Verdict.TAKEN

    def _rewind(self, frame: Outgoing, error: SwarmError) -> bool:
        """Go back to the line the server misses; False where that would lead nowhere."""
        expected = error.details.get("expected")
        if not isinstance(expected, int) or not isinstance(frame.body, Events) or not 0 <= expected < frame.body.first:
            return False
        return self._spool.rewind(expected)

    async def _tell(self, frame: Outgoing, error: SwarmError, verdict: Verdict) -> None:
        if verdict is Verdict.OVER:
            if self._wanted is EVERYTHING:
                self._observer.over(error)
            self._wanted = OF_NO_LEASE - ({Kind.LINE} if frame.kind is FrameType.EVENTS else set())
        elif (
            verdict is Verdict.REFUSED
            and frame.kind is FrameType.COMPLETE
            and not isinstance(error, Conflict | NotFound)
        ):
            await self._fail_instead(error)
        if verdict is Verdict.REFUSED or (verdict is Verdict.OVER and frame.kind in _ENDINGS):
            self._observer.refused(frame.kind, error)

    async def _fail_instead(self, error: SwarmError) -> None:
        """A result that the server cannot take must not leave the attempt without an end."""
        body = {
            "failure": FailureClass.AGENT.value,
            "code": "resultRefused",
            "message": f"the server did not take the result: {error.message}",
        }
        await self._spool.end(Kind.FAIL, body)
