"""Removes once an hour what can no longer matter, a bounded number of rows at a time."""

from agent_swarm.domain.errors import ShuttingDown
from agent_swarm.server.service import Service
from agent_swarm.store.base import Store
from agent_swarm.store.families.kv import KV_EXPIRIES, ExpireValues, due_expiries
from agent_swarm.store.families.login_failures import PruneFailures
from agent_swarm.store.families.sessions import PruneSessions
from agent_swarm.store.operations import Prune

INTERVAL_SECONDS = 3600.0
VALUES_SECONDS = 30.0  # values that have run out are not shown, removed or not
AGAIN_SECONDS = 1.0  # while there is more
LIMIT = 1_000


class Housekeeping(Service):
    """Prunes idempotency keys and tokens of ended attempts after their day."""

    def __init__(self, store: Store) -> None:
        super().__init__("housekeeping")
        self._store = store

    async def run_once(self) -> float:
        """Prune; answers the seconds until it is worth while again."""
        try:
            pruned = await self._store.apply(Prune(limit=LIMIT))
        except ShuttingDown:
            return INTERVAL_SECONDS
        return AGAIN_SECONDS if pruned >= LIMIT else INTERVAL_SECONDS


class SessionKeeping(Service):
    """Removes sessions that have run out, and failed log-ins that count no more."""

    def __init__(self, store: Store) -> None:
        super().__init__("session-keeping")
        self._store = store

    async def run_once(self) -> float:
        """Look through all of them, a page at a time; answers the seconds until it is worth while again."""
        try:
            for prune in (PruneSessions, PruneFailures):
                place: tuple[str, str] | None = ("", "")
                while place is not None:
                    place = await self._store.apply(prune(limit=LIMIT, after=place))
        except ShuttingDown:
            pass
        return INTERVAL_SECONDS


class ValueKeeping(Service):
    """Removes values under keys that have run out, in sets."""

    def __init__(self, store: Store) -> None:
        super().__init__("value-keeping")
        self._store = store

    async def run_once(self) -> float:
        """Remove what is due; writes nothing where nothing is."""
        try:
            first = await self._store.read(lambda queries: queries.scan(KV_EXPIRIES, limit=1))
            if not due_expiries(first, self._store.now()):
                return VALUES_SECONDS
            removed = await self._store.apply(ExpireValues(limit=LIMIT))
        except ShuttingDown:
            return VALUES_SECONDS
        return AGAIN_SECONDS if removed >= LIMIT else VALUES_SECONDS
