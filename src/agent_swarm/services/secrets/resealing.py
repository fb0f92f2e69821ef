"""Seal anew, with the active data key, what is sealed with those before it; then they go.

It works in small batches, each a transaction, and begins anew wherever it was cut off: what is left to do can be seen
in the database. Several servers may do it at once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agent_swarm.faults import crash_point
from agent_swarm.services.secrets.vault import Opened, Vault
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.data_keys import DataKeyRetired
from agent_swarm.store.families.sealed import FIRST, DropDataKey, Mark, Reseal, sealed_page, unsealed_texts

BATCH = 50
TRIES = 3


@dataclass(frozen=True, slots=True)
class Resealed:
    """What was done: values sealed anew, data keys removed, and values that do not open and so keep theirs."""

    values: int = 0
    dropped: int = 0
    closed: int = 0


async def reseal_all(store: Store, vault: Vault) -> Resealed:
    """Bring every value under the active data key; costs one read where it is so already."""
    await vault.refresh(store)
    retired = {record.id: record.version for record in vault.records if not record.is_active}
    if not retired or vault.master is None:
        return Resealed()
    values = closed = 0
    mark: Mark | None = FIRST
    while mark is not None:
        page, mark = await _page(store, vault, mark, retired.keys())
        open_ones = [one for one in page if one.value is not None]
        closed += len(page) - len(open_ones)
        values += await _reseal(store, vault, open_ones)
    crash_point("keys.resealed")
    dropped = [version for version in retired.values() if await store.apply(DropDataKey(version=version))]
    await vault.refresh(store)
    return Resealed(values, len(dropped), closed)


async def seal_older(store: Store, vault: Vault) -> int:
    """Seal what is stored as it is though it should be sealed; answers how many. One read where there is nothing."""
    for left in reversed(range(TRIES)):
        found = await store.read(unsealed_texts)
        if not found or vault.master is None:
            return 0
        texts = tuple((one, vault.seal(one.identity, one.text)) for one in found)
        try:
            return await store.apply(Reseal(texts=texts))
        except DataKeyRetired:
            if not left:
                raise
            await vault.refresh(store)
    raise AssertionError("the last round returns or raises")


async def _page(store: Store, vault: Vault, mark: Mark, retired: Collection[str]) -> tuple[list[Opened], Mark | None]:
    def reading(queries: Queries) -> tuple[list[Opened], Mark | None]:
        texts, following = sealed_page(queries, mark, limit=BATCH)
        return vault.opened(queries, [text for text in texts if text.data_key in retired]), following

    return await store.read(reading)


async def _reseal(store: Store, vault: Vault, found: Sequence[Opened]) -> int:
    """Store these values anew; a data key that came meanwhile is another change, which starts over."""
    texts = tuple((one.sealed, vault.seal(one.sealed.identity, one.value or "")) for one in found)
    if not texts:
        return 0
    try:
        return await store.apply(Reseal(texts=texts))
    except DataKeyRetired:
        return 0
    finally:
        crash_point("keys.resealing")
