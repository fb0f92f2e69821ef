"""Has checkpoints signed while the server runs, and at its end; and has them taken to another place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from agent_swarm.audit.publishing import NotPublished, Publisher
from agent_swarm.domain.errors import NoNotary, ShuttingDown, SwarmError
from agent_swarm.server.service import Service
from agent_swarm.services.notary import Notary
from agent_swarm.store.base import Committed, Store

log = structlog.get_logger()

FOLLOW_SECONDS = 60.0  # where another server signs


class Checkpointer(Service):
    """Signs a checkpoint after so many events, after so many seconds with any, and when the server ends."""

    def __init__(self, store: Store, notary: Notary, *, events: int, seconds: float) -> None:
        super().__init__("checkpoints")
        self._store = store
        self._notary = notary
        self._events = events
        self._seconds = seconds
        self._told: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sign as long as this lasts; around everything else that writes, so that the last word is signed, too."""
        await self._notary.open()
        unsubscribe = self._store.subscribe(self._look)
        await self.start()
        try:
            yield
        finally:
            unsubscribe()
            await self.stop()
            try:
                await self.run_once()
            except (
                Exception
            ):  # whatever keeps the last checkpoint from being signed must not keep the server from ending
                log.exception("no_last_checkpoint")

    async def run_once(self) -> float:
        """Sign what is not signed yet; answers the seconds until it is worth while again."""
        try:
            await self._notary.checkpoint()
        except ShuttingDown:
            return self._seconds
        except NoNotary as exc:
            self._say(exc)
            await self._notary.follow()
            return min(self._seconds, FOLLOW_SECONDS)
        except SwarmError as exc:
            self._say(exc)
        return self._seconds

    def _look(self, committed: Committed) -> None:
        if committed.events and committed.events[-1].seq - self._notary.signed_seq >= self._events:
            self.hurry()

    def _say(self, exc: SwarmError) -> None:
        if exc.message != self._told:  # once, not every minute
            self._told = exc.message
            log.warning("no_checkpoint", reason=exc.message, hint=exc.hint)


class Publishing(Service):
    """Takes checkpoints to another place as they are written; tries again where that fails."""

    def __init__(self, publisher: Publisher) -> None:
        super().__init__("publishing")
        self._publisher = publisher

    async def run_once(self) -> float:
        """Send what waits."""
        try:
            while await asyncio.to_thread(self._publisher.run):
                pass
        except NotPublished as exc:
            log.warning("checkpoint_not_published", reason=exc.message)
        return FOLLOW_SECONDS

    async def stop(self) -> None:
        """Send what the end of the server has left, as far as that goes at once."""
        await super().stop()
        await self.run_once()


@asynccontextmanager
async def nothing_signed() -> AsyncIterator[None]:
    """For a server without a notary."""
    yield
