"""Counts refused requests and tells them as events, one per subject and reason in a minute.

So a flood of bad tokens costs a counter each, and no row. Subjects are addresses and names of users that exist, never
what somebody typed: a password may have got into the wrong field.
"""

from contextlib import suppress

from agent_swarm.domain.errors import SwarmError
from agent_swarm.server.service import Service
from agent_swarm.store.base import Store
from agent_swarm.store.families.denials import Denied, TellDenials

MINUTE_SECONDS = 60.0
MOST_SUBJECTS = 100  # told by name in a minute; the others are told together
OTHERS = "others"


class Denials(Service):
    """What was refused in this minute."""

    def __init__(self, store: Store) -> None:
        super().__init__("denials")
        self._store = store
        self._counted: dict[tuple[str, str], list[int]] = {}  # (subject, reason) -> [requests, since]

    def count(self, subject: str, reason: str) -> None:
        """One more request of `subject` was refused."""
        counted = self._counted.get((subject, reason))
        if counted is None:
            if len(self._counted) >= MOST_SUBJECTS:
                subject = OTHERS
            counted = self._counted.setdefault((subject, reason), [0, self._store.now()])
        counted[0] += 1

    async def run_once(self) -> float:
        """Tell what was counted; answers the seconds of a minute."""
        counted, self._counted = self._counted, {}
        if counted:
            told = tuple(
                Denied(subject=subject, reason=reason, requests=requests, since=since)
                for (subject, reason), (requests, since) in counted.items()
            )
            await self._store.apply(TellDenials(denied=told))
        return MINUTE_SECONDS

    async def stop(self) -> None:
        """Tell the rest, where the store still takes it."""
        await super().stop()
        with suppress(SwarmError):
            await self.run_once()
