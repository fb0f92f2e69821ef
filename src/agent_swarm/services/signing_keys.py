"""The keys that sign tokens of sessions, as a server works with them: stored through its vault, opened when used.

A server without an encryption key (several share its database, and nobody gave it one) stores them as they are; the
first start with a key seals them. With a key nothing is believed that is not sealed.
"""

import base64
import os
from collections.abc import Callable

from agent_swarm.domain.errors import EncryptionKeyMissing, SecretUnreadable, Unauthenticated
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.sealed import is_sealed
from agent_swarm.services.jwts import KEY_BYTES, SigningKey
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.data_keys import DataKeyRetired
from agent_swarm.store.families.signing_keys import SIGNING_KEYS, PutSigningKey, SigningKeyRecord

TRIES = 3
REMEDY = "make another one: agent-swarm user rotate-keys --at-once"


class SigningKeys:
    """The keys of a store, sealed and opened by `vault`."""

    def __init__(self, vault: Vault, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._vault = vault
        self._random = random

    async def signing(self, store: Store) -> SigningKey:
        """The key that signs; the first one is made where there is none. Raises SecretUnreadable, with the remedy."""
        if (key := await store.read(self._newest)) is not None:
            return key
        record = await self.put_new(store, actor=SYSTEM, overlap=0, only_first=True)
        return await store.read(lambda queries: self._opened(queries, record))

    async def put_new(self, store: Store, *, actor: str, overlap: int, only_first: bool = False) -> SigningKeyRecord:
        """Have a fresh key sign from now on, or the one that signs already, where only a first one is wanted.

        `overlap` says how long the old keys are believed: 0 ends them at once, with everything they signed.
        """
        for left in reversed(range(TRIES)):
            put = PutSigningKey(key=self._fresh(), actor=actor, overlap=overlap, only_first=only_first)
            try:
                return await store.apply(put)
            except DataKeyRetired:
                if not left:
                    raise
                await self._vault.refresh(store)
        raise AssertionError("the last round returns or raises")

    def believed(self, queries: Queries, key_id: str, *, now: int) -> SigningKey:
        """The key of a token; raises Unauthenticated where what it signed does not count."""
        record = queries.record(SIGNING_KEYS, key_id)
        if record is None or (record.ends_at is not None and record.ends_at <= now):
            raise Unauthenticated(
                "this token does not count: the key that signed it is not in use", hint="log in again"
            )
        try:
            return self._opened(queries, record)
        except (SecretUnreadable, EncryptionKeyMissing):
            raise Unauthenticated(
                "this token does not count: the key that signed it cannot be opened", hint="log in again"
            ) from None

    def _newest(self, queries: Queries) -> SigningKey | None:
        signing = [key for key in queries.scan(SIGNING_KEYS, limit=100) if key.ends_at is None]
        return self._opened(queries, signing[-1]) if signing else None

    def _fresh(self) -> SigningKeyRecord:
        secret = self._random(KEY_BYTES)
        assert len(secret) == KEY_BYTES
        record = SigningKeyRecord(id=new_id(), sealed=base64.b64encode(secret).decode())
        if self._vault.master is None:
            return record
        return SigningKeyRecord(id=record.id, sealed=self._vault.seal(record.identity, record.sealed))

    def _opened(self, queries: Queries, record: SigningKeyRecord) -> SigningKey:
        text = record.sealed
        try:
            if is_sealed(text):
                text = self._vault.open_at(queries, record.identity, text)
            elif self._vault.master is not None:
                raise SecretUnreadable("it is not sealed")
        except SecretUnreadable as exc:
            raise SecretUnreadable(
                f"the {record.shown}, which signs tokens of sessions, cannot be opened: {exc.message}", hint=REMEDY
            ) from None
        return SigningKey(id=record.id, secret=base64.b64decode(text, validate=True))
