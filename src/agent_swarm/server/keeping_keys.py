"""Keeps a server's keys those of the database.

It takes in what other servers changed, and does what a change of the data key left to do.
"""

import structlog

from agent_swarm.domain.errors import EncryptionKeyMissing, SecretUnreadable, ShuttingDown
from agent_swarm.server.service import Service
from agent_swarm.server.stopping import Stopping
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.secrets.resealing import reseal_all, seal_older
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.store.base import Committed, Store
from agent_swarm.store.families.sealed import sealed_texts

log = structlog.get_logger()

INTERVAL_SECONDS = 3600.0
_WITH_SEALED = frozenset({"config.set", "signingKey.created"})


class KeepingKeys(Service):
    """Follows the events about keys and secrets. A server that cannot open what is stored any more ends itself."""

    def __init__(self, store: Store, vault: Vault, redactor: Redactor, stopping: Stopping) -> None:
        super().__init__("keeping keys")
        self._store = store
        self._vault = vault
        self._redactor = redactor
        self._stopping = stopping

    def hear(self, committed: Committed) -> None:
        """A batch was committed, here or elsewhere."""
        for event in committed.events:
            if event.type.startswith("key.") or (committed.is_foreign and event.type in _WITH_SEALED):
                self.hurry()

    async def run_once(self) -> float:
        """Take in the keys and secrets that there are by now, and bring values under the active data key."""
        try:
            await self._vault.refresh(self._store)
            await seal_older(self._store, self._vault)  # what a server stored that had no key yet
            opened = await self._store.read(lambda queries: self._vault.opened(queries, sealed_texts(queries)))
            self._redactor.register(one.value for one in opened if one.value is not None)
            resealed = await reseal_all(self._store, self._vault)
        except ShuttingDown:
            return INTERVAL_SECONDS
        except (EncryptionKeyMissing, SecretUnreadable) as exc:
            self._end(exc)
            return INTERVAL_SECONDS
        if resealed.values or resealed.dropped or resealed.closed:
            log.info("resealed", values=resealed.values, dropped=resealed.dropped, unreadable=resealed.closed)
        return INTERVAL_SECONDS

    def _end(self, reason: EncryptionKeyMissing | SecretUnreadable) -> None:
        log.error("encryption_key_outdated", reason=reason.message)
        self._stopping.fail(
            type(reason)(
                f"this server's encryption key does not open what is stored in the database: {reason.message}",
                hint="give it the key that the other servers have, and start it again",
            )
        )
