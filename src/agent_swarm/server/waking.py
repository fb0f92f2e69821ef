"""Wakes idle agents that are written to: soon after a message, and after whatever kept them busy has ended.

Correctness rests on the sweep: who is called is on record, so a restart forgets nobody, and several servers make one
task. What is heard in between only has the next look come sooner.
"""

from contextlib import suppress
from functools import partial

from agent_swarm.domain.budgets import RootCaps
from agent_swarm.domain.errors import Busy, ShuttingDown
from agent_swarm.protocol.limits import SWEEP_SECONDS
from agent_swarm.server.service import ListeningService
from agent_swarm.services import waking
from agent_swarm.store.base import Committed, Store

NEWS = frozenset(
    {
        "message.posted",
        "task.completed",
        "task.failed",
        "task.cancelled",
        "task.paused",
        "task.requeued",
        "killSwitch.lifted",
    }
)


class Waking(ListeningService):
    """Opens conversations with those who are called."""

    def __init__(self, store: Store, caps: RootCaps) -> None:
        super().__init__("waking", store)
        self._caps = caps
        self._is_anybody_called = True  # until a look finds nobody

    async def run_once(self) -> float:
        """Wake everybody who is called and idle; answers the seconds until the next look."""
        after: str | None = None
        self._is_anybody_called = False
        while True:
            found = await self._store.read(partial(waking.called, after=after))
            self._is_anybody_called = self._is_anybody_called or found.has_any
            for agent in found.idle:
                with suppress(Busy, ShuttingDown):  # it is looked at again soon
                    await self._store.apply(waking.conversation(agent, self._caps))
            if found.following is None:
                return SWEEP_SECONDS
            after = found.following

    def _hear(self, committed: Committed) -> None:
        for event in committed.events:
            if event.type == "message.posted":
                self._is_anybody_called = True
            if self._is_anybody_called and event.type in NEWS:
                self.hurry()
                return
