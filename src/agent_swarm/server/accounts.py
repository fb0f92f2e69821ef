"""Sees to it that accounts of agent CLIs do not run out."""

from contextlib import suppress

from agent_swarm.domain.errors import ShuttingDown
from agent_swarm.server.service import ListeningService
from agent_swarm.services.accounts import Accounts
from agent_swarm.store.base import Committed, Store

INTERVAL_SECONDS = 30.0


class AccountKeeping(ListeningService):
    """Refreshes those that run out soon; one that was just imported at once."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        super().__init__("account-keeping", store)
        self._accounts = accounts

    async def run_once(self) -> float:
        """Refresh what is due; answers the seconds until there may be something again."""
        with suppress(ShuttingDown):
            await self._accounts.refresh_due()
        return INTERVAL_SECONDS

    def _hear(self, committed: Committed) -> None:
        if any(event.type == "config.set" for event in committed.events):
            self.hurry()
