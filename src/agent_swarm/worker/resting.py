"""A worker rests while the provider of its model refuses it: what it would take meanwhile could only be refused, too.

It takes its open credits back and says until when, so that others get the work and people read why it takes none. Runs
that go on are left alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog

from agent_swarm.domain.backoff import PROVIDER_LIMIT
from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.provider_limits import is_limit
from agent_swarm.domain.time import SECOND
from agent_swarm.harness.base import Outcome
from agent_swarm.protocol import limits
from agent_swarm.protocol.pool import FrameType, Withdraw
from agent_swarm.worker.clock import Clock
from agent_swarm.worker.slots import Slots

log = structlog.get_logger(__name__)

LEAST_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 30.0  # a machine may sleep longer than a timer thinks

Request = Callable[[FrameType, Withdraw], Awaitable[dict[str, Any]]]


class Resting:
    """Hears how runs end, and keeps the slots closed as long as that asks for. `offer` sends out what is free."""

    def __init__(self, slots: Slots, request: Request, offer: Callable[[], None], clock: Clock) -> None:
        self._slots = slots
        self._request = request
        self._offer = offer
        self._clock = clock
        self._tries = 0  # refusals in a row
        self._ends = 0.0
        self._reason = ""
        self._is_told = True
        self._changed = asyncio.Event()

    def hear(self, outcome: Outcome, *, now: float) -> None:
        """A run ended so; `now` is the wall clock in seconds, by which agent CLIs tell when limits end."""
        if not is_limit(outcome.failure, outcome.failure_code):
            self._tries = 0 if outcome.ok else self._tries
            return
        self._tries += 1
        told = PROVIDER_LIMIT.delay(self._tries, 1.0) / SECOND if outcome.retry_at is None else outcome.retry_at - now
        seconds = min(max(LEAST_SECONDS, told), limits.RETRY_AFTER_SECONDS)
        self._ends = max(self._ends, self._clock() + seconds)
        self._reason = outcome.failure_code
        self._slots.is_resting = True
        log.warning("resting", reason=self._reason, seconds=round(seconds))
        self._tell_again()

    def connected(self) -> None:
        """On a new connection nobody knows of a rest."""
        if self._slots.is_resting:
            self._tell_again()

    async def run(self) -> None:
        """See to it, for as long as the worker works."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while (left := self._ends - self._clock()) > 0:
                if not self._is_told:
                    await self._tell(left)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), min(left, LOOK_AGAIN_SECONDS))
                self._changed.clear()
            self._slots.is_resting = False
            log.info("rested", reason=self._reason)
            self._offer()

    def _tell_again(self) -> None:
        self._is_told = False
        self._changed.set()

    async def _tell(self, seconds: float) -> None:
        """Take back what is open; what was claimed at the same time is worked on, and sees for itself."""
        self._is_told = True
        open_ = self._slots.open
        try:
            reply = await self._request(
                FrameType.WITHDRAW, Withdraw(claim_ids=open_, rest_seconds=seconds, reason=self._reason)
            )
        except SwarmError as exc:  # said again when it is connected again
            log.warning("rest_not_told", reason=exc.message)
            return
        for claim_id in set(open_).difference(map(str, reply.get("claimed", ()))):
            self._slots.refuse(claim_id)
