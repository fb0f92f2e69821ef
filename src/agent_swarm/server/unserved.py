"""Looks now and then for tasks that nobody could take, so that a queue does not stand still unnoticed.

What it finds is on record in the store: a restart forgets no wait, and several servers tell of it once.
"""

from contextlib import suppress

from agent_swarm.domain.errors import Busy, ShuttingDown
from agent_swarm.domain.time import SECOND
from agent_swarm.server.service import Service
from agent_swarm.services.views import SILENCE
from agent_swarm.store.base import Store
from agent_swarm.store.operations import FindUnserved

INTERVAL_SECONDS = 15.0  # half of what an agent may be silent: none that comes and stays is missed


class UnservedWatch(Service):
    """Tells of requirement classes whose tasks have waited for `minutes` without an agent that could take them."""

    def __init__(self, store: Store, *, minutes: float) -> None:
        super().__init__("unserved")
        self._store = store
        self._patience = int(minutes * 60 * SECOND)

    async def run_once(self) -> float:
        """Look once; answers the seconds until the next look."""
        with suppress(Busy, ShuttingDown):  # it is looked at again soon
            await self._store.apply(FindUnserved(patience=self._patience, silence=SILENCE))
        return INTERVAL_SECONDS
