"""The keys that a server holds open: it seals what is stored and opens what was.

Data keys come from the database as they are met, so that a server which did not hear of a new one opens its values all
the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent_swarm.domain.errors import EncryptionKeyMissing, SecretUnreadable
from agent_swarm.domain.sealed import data_key_of
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.data_keys import DATA_KEYS, MOST, DataKeyRecord
from agent_swarm.store.families.sealed import SealedText
from agent_swarm.vault.datakeys import unwrap
from agent_swarm.vault.keys import MasterKey
from agent_swarm.vault.sealing import DataKey, Identity, Sealer

NO_KEY_HINT = (
    "set SECRETS_ENCRYPTION_KEY (make one with: openssl rand -base64 32), the same for every server of the database, "
    "and start again"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A sealed value, opened; `value` is None where it does not open, and `why` says why."""

    sealed: SealedText
    value: str | None
    why: str = ""


class Vault:
    """Seals and opens with the data keys that `master` opens; without one it can do neither."""

    def __init__(self, master: MasterKey | None = None) -> None:
        self.master = master
        self.records: tuple[DataKeyRecord, ...] = ()
        self._keys: dict[str, DataKey] = {}
        self._sealer: Sealer | None = None

    def take(self, records: Sequence[DataKeyRecord]) -> None:
        """Hold these data keys, and no others; raises SecretUnreadable where the master key does not open one."""
        if self.master is None:
            if records:
                raise EncryptionKeyMissing("this server has no encryption key", hint=NO_KEY_HINT)
            return
        self._keys = {record.id: self._keys.get(record.id) or unwrapped(record, self.master) for record in records}
        active = [record.id for record in records if record.is_active]
        oldest_first = [key for key in self._keys if key not in active] + active
        self._sealer = Sealer(self._keys[key] for key in oldest_first) if active else None
        self.records = tuple(records)

    def key(self, key_id: str) -> DataKey:
        """One of the data keys."""
        return self._keys[key_id]

    def seal(self, identity: Identity, value: str) -> str:
        """`value` as it may be stored; raises EncryptionKeyMissing."""
        if self._sealer is None:
            raise EncryptionKeyMissing("secrets cannot be stored: this server has no encryption key", hint=NO_KEY_HINT)
        return self._sealer.seal(identity, value)

    def open(self, identity: Identity, text: str) -> str:
        """The value; raises SecretUnreadable or EncryptionKeyMissing."""
        if self._sealer is None:
            raise EncryptionKeyMissing("secrets cannot be read: this server has no encryption key", hint=NO_KEY_HINT)
        return self._sealer.open(identity, text)

    def open_at(self, queries: Queries, identity: Identity, text: str) -> str:
        """The value, with the data keys of the same moment; raises SecretUnreadable or EncryptionKeyMissing."""
        if data_key_of(text) not in self._keys:
            self.take(queries.scan(DATA_KEYS, limit=MOST))
        return self.open(identity, text)

    def opened(self, queries: Queries, texts: Iterable[SealedText]) -> list[Opened]:
        """Values as far as they open, with the data keys of the same moment."""
        wanted = list(texts)
        if {text.data_key for text in wanted} - set(self._keys) - {""}:
            self.take(queries.scan(DATA_KEYS, limit=MOST))
        return [self._opened(text) for text in wanted]

    async def refresh(self, store: Store) -> None:
        """Hold the data keys that there are by now."""
        self.take(await store.read(lambda queries: queries.scan(DATA_KEYS, limit=MOST)))

    def _opened(self, text: SealedText) -> Opened:
        try:
            return Opened(text, self.open(text.identity, text.text))
        except SecretUnreadable as exc:
            return Opened(text, None, exc.message)


def unwrapped(record: DataKeyRecord, master: MasterKey) -> DataKey:
    """The data key, by whichever of its wraps the master key opens; raises SecretUnreadable where it opens none."""
    if record.next_wrapped is not None and record.next_master == master.id:
        return unwrap(record.id, record.next_wrapped, master)
    return unwrap(record.id, record.wrapped, master)
