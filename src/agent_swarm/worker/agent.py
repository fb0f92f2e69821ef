"""Follows one agent to its end, and brings that about where somebody wants the run stopped."""

import asyncio

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.harness.base import Emit, Outcome, Session
from agent_swarm.worker.stops import Stop

log = structlog.get_logger(__name__)

INTERRUPT_SECONDS = 7.0  # a harness's own ladder takes up to 6 s; this is for one that hangs
CLOSE_SECONDS = 5.0


class StopSignal:
    """Why a run is to stop; weightier reasons may come while it is being stopped."""

    def __init__(self) -> None:
        self.reason = Stop.NONE
        self._any = asyncio.Event()
        self._hard = asyncio.Event()

    def give(self, reason: Stop) -> None:
        """Stop the run; a reason that weighs less than an earlier one changes nothing."""
        self.reason = max(self.reason, reason)
        if self.reason is not Stop.NONE:
            self._any.set()
        if self.reason.is_hard:
            self._hard.set()

    async def wait(self, *, hard: bool = False) -> None:
        """Wait until there is a reason, or a hard one."""
        await (self._hard if hard else self._any).wait()


async def follow(session: Session, emit: Emit, stop: StopSignal, *, limit: float | None) -> Outcome | None:
    """How the agent's run ended, after at most `limit` seconds; None where it was killed and said nothing more."""
    running = asyncio.create_task(session.run(emit))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            stop.give(stop.reason or Stop.TIMEOUT)
            if not stop.reason.is_hard:
                await _interrupt(session, running, stop)
            await session.close()
            await asyncio.wait({running}, timeout=CLOSE_SECONDS)
        return running.result() if running.done() else None
    finally:
        for task in (running, stopping):
            task.cancel()
        await asyncio.gather(running, stopping, return_exceptions=True)


async def _interrupt(session: Session, running: asyncio.Task[Outcome], stop: StopSignal) -> None:
    """Ask the agent to stop, and give it the harness's grace for that; a hard reason cuts it short."""
    asking = asyncio.create_task(_ask(session))
    hard = asyncio.create_task(stop.wait(hard=True))
    try:
        await asyncio.wait({running, hard}, timeout=INTERRUPT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (asking, hard):
            task.cancel()
        await asyncio.gather(asking, hard, return_exceptions=True)


async def _ask(session: Session) -> None:
    try:
        await session.interrupt()
    except SwarmError as exc:
        log.warning("interrupt_failed", reason=exc.message)  # `close` comes next
