"""Take away what nobody can open any more, so that a server can start again."""

from dataclasses import dataclass

from agent_swarm.domain.errors import SecretUnreadable
from agent_swarm.services.secrets.vault import Opened, unwrapped
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.data_keys import DATA_KEYS, MOST, DataKeyRecord, ForgetDataKeys
from agent_swarm.store.families.sealed import RemoveSealed, SealedText, sealed_texts
from agent_swarm.vault.finding import FoundKeys
from agent_swarm.vault.keys import MasterKey
from agent_swarm.vault.sealing import DataKey, Sealer

BATCH = 200


@dataclass(frozen=True, slots=True)
class Lost:
    """Values that do not open, and data keys that no key at hand opens."""

    values: tuple[Opened, ...]
    data_keys: tuple[DataKeyRecord, ...]

    @property
    def ends_sessions(self) -> bool:
        """Whether somebody who is logged in has to log in again."""
        return any(one.sealed.is_signing_key for one in self.values)


async def find_lost(store: Store, found: FoundKeys) -> Lost:
    """What the keys at hand do not open."""
    masters = [key for key in (found.master, found.previous, found.staged) if key is not None]

    def reading(queries: Queries) -> Lost:
        records = queries.scan(DATA_KEYS, limit=MOST)
        keys = {record.id: key for record in records for key in [_unwrapped(record, masters)] if key is not None}
        sealer = Sealer(keys.values()) if keys else None
        values = tuple(one for text in sealed_texts(queries) if (one := _closed(sealer, text)) is not None)
        return Lost(values, tuple(record for record in records if record.id not in keys))

    return await store.read(reading)


async def remove_lost(store: Store, lost: Lost, *, actor: str) -> int:
    """Remove it; answers how many values went."""
    removed = 0
    for start in range(0, len(lost.values), BATCH):
        texts = tuple(one.sealed for one in lost.values[start : start + BATCH])
        removed += await store.apply(RemoveSealed(texts=texts, actor=actor))
    if lost.data_keys:
        await store.apply(ForgetDataKeys(versions=tuple(key.version for key in lost.data_keys), actor=actor))
    return removed


def _unwrapped(record: DataKeyRecord, masters: list[MasterKey]) -> DataKey | None:
    for master in masters:
        try:
            return unwrapped(record, master)
        except SecretUnreadable:
            continue
    return None


def _closed(sealer: Sealer | None, text: SealedText) -> Opened | None:
    if sealer is None:
        return Opened(text, None, "no key at hand opens its data key")
    try:
        sealer.open(text.identity, text.text)
    except SecretUnreadable as exc:
        return Opened(text, None, exc.message)
    return None
