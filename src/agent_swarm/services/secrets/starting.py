"""Whether a server may start with the keys it found, and what it does about them first.

With encrypted values in the database it starts with the key that opens all of them, or not at all: it makes no other
key, and changes nothing before it knows. A server that has its database to itself makes a key where none is given and
none is needed yet. One that shares it does not: the others could not have it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from agent_swarm.domain.errors import Conflict, EncryptionKeyMissing, SecretUnreadable
from agent_swarm.services.secrets.resealing import seal_older
from agent_swarm.services.secrets.vault import Vault, unwrapped
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.data_keys import (
    DATA_KEYS,
    MOST,
    AddWraps,
    DataKeyRecord,
    EstablishDataKey,
    SettleWraps,
    active_of,
)
from agent_swarm.store.families.sealed import ReplaceDataKeys, SealedText, sealed_texts
from agent_swarm.vault import keyfile
from agent_swarm.vault.datakeys import wrap
from agent_swarm.vault.finding import FoundKeys
from agent_swarm.vault.keys import MasterKey, Origin, new_key
from agent_swarm.vault.sealing import new_data_key

log = structlog.get_logger()

REMOVE = "remove what cannot be opened, with the server stopped: agent-swarm config rm --undecryptable"
_NAMED = 3  # of the values that do not open


@dataclass(frozen=True, slots=True)
class _State:
    """What is encrypted in the database."""

    records: Sequence[DataKeyRecord]
    texts: Sequence[SealedText]


async def open_vault(store: Store, found: FoundKeys, *, is_shared: bool) -> tuple[Vault, tuple[str, ...]]:
    """The vault of this start, and the secrets in it; `is_shared`: others may work on the database.

    Raises EncryptionKeyMissing or SecretUnreadable, having changed nothing, where the keys are not those of the
    database.
    """
    state = await store.read(_state)
    found = _carried_on(found, state.records)
    master = found.master or _made(found, state, is_shared=is_shared)
    if master is None:
        return Vault(), ()
    vault = Vault(master)
    vault.take(await _data_keys(store, master, found.previous, state, is_shared=is_shared))
    secrets = await _all_open(store, vault)
    if sealed := await seal_older(store, vault):
        log.info("signing_keys_sealed", keys=sealed)
    if not is_shared and master.id == active_of(vault.records).next_master:
        vault.take(await store.apply(SettleWraps(keep=master.id, actor=SYSTEM)))
        log.info("master_key_changed", master_key=master.id)
    return vault, secrets


async def _data_keys(
    store: Store, master: MasterKey, previous: MasterKey | None, state: _State, *, is_shared: bool
) -> Sequence[DataKeyRecord]:
    """Data keys that the master key opens, one of them active."""
    records = state.records
    if records and not _opens(master, records):
        if previous is not None and _opens(previous, records):
            return await _changed(store, master, previous, records)
        if state.texts or is_shared:
            raise _wrong(master, state)
        key = new_data_key()
        return await store.apply(ReplaceDataKeys(id=key.id, wrapped=wrap(key, master)))
    if any(record.is_active for record in records):
        return records
    if state.texts and not records:
        raise _no_data_keys(state)
    key = new_data_key()
    established = await store.apply(EstablishDataKey(id=key.id, wrapped=wrap(key, master)))
    if not _opens(master, established):  # another server came first, with another key
        raise _wrong(master, _State(established, state.texts))
    return established


def _state(queries: Queries) -> _State:
    return _State(queries.scan(DATA_KEYS, limit=MOST), list(sealed_texts(queries)))


def _carried_on(found: FoundKeys, records: Sequence[DataKeyRecord]) -> FoundKeys:
    """A change of the key file that was cut off: the database says whether it had begun."""
    staged, master = found.staged, found.master
    if staged is not None and any(record.next_master == staged.id for record in records):
        if master is not None and master.origin is not Origin.DATA_DIR:
            return found
        keyfile.install(found.own_file)
        log.info("key_file_changed", master_key=staged.id)
        return FoundKeys(found.own_file, staged, found.previous)
    keyfile.unstage(found.own_file)
    return found


def _made(found: FoundKeys, state: _State, *, is_shared: bool) -> MasterKey | None:
    """A key for a database that needs none yet; None where the others of a shared one could not have it."""
    if state.texts or (is_shared and state.records):
        raise EncryptionKeyMissing(
            f"the encryption key is missing: {_values(state)} in the database cannot be opened without it; looked in "
            f"SECRETS_ENCRYPTION_KEY, its _FILE and _REF, and {found.own_file}",
            hint=f"restore the key{_which(state.records)}, or {REMOVE}",
        )
    if is_shared:
        return None
    made = new_key(place=str(found.own_file), origin=Origin.DATA_DIR)
    keyfile.stage(found.own_file, made)
    keyfile.install(found.own_file)
    log.info("encryption_key_made", path=str(found.own_file), master_key=made.id)
    return made


async def _changed(
    store: Store, master: MasterKey, previous: MasterKey, records: Sequence[DataKeyRecord]
) -> Sequence[DataKeyRecord]:
    """The master key before is given as well: have the data keys wrapped by both."""
    old = Vault(previous)
    old.take(records)
    wraps = {record.id: wrap(old.key(record.id), master) for record in records}
    try:
        changed: Sequence[DataKeyRecord] = await store.apply(AddWraps(wraps=wraps, actor=SYSTEM))
    except Conflict:
        changed = (await store.read(_state)).records  # another server did it in the same moment
        if not _opens(master, changed):
            raise
    log.info("master_key_changing", master_key=previous.id, next_master_key=master.id)
    return changed


async def _all_open(store: Store, vault: Vault) -> tuple[str, ...]:
    """The values of all secrets; raises SecretUnreadable where one was changed behind our back."""
    opened = await store.read(lambda queries: vault.opened(queries, sealed_texts(queries)))
    closed = [one for one in opened if one.value is None]
    if closed:
        names = ", ".join(one.sealed.shown for one in closed[:_NAMED]) + (", …" if len(closed) > _NAMED else "")
        raise SecretUnreadable(
            f"{len(closed)} of {len(opened)} encrypted values cannot be opened, though the key is the right one: "
            f"{names}: {closed[0].why}",
            hint=f"restore the database from a backup, or {REMOVE}",
        )
    return tuple(one.value for one in opened if one.value is not None)


def _opens(master: MasterKey, records: Sequence[DataKeyRecord]) -> bool:
    try:
        return all(unwrapped(record, master) for record in records)
    except SecretUnreadable:
        return False


def _wrong(master: MasterKey, state: _State) -> SecretUnreadable:
    return SecretUnreadable(
        f"the encryption key in {master.place} is the wrong one (id {master.id}): {_values(state)} in the database "
        "cannot be opened with it",
        hint=f"restore the key{_which(state.records)}, or {REMOVE}",
    )


def _values(state: _State) -> str:
    kinds = Counter(text.noun for text in state.texts)
    told = ", ".join(_counted(number, noun) for noun, number in sorted(kinds.items(), reverse=True))
    return _counted(len(state.texts), "encrypted value") + (f" ({told})" if told else "")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _which(records: Sequence[DataKeyRecord]) -> str:
    try:
        ids = sorted({master for record in records for master in (record.master, record.next_master) if master})
    except SecretUnreadable:
        return ""
    return f" whose id is {' or '.join(ids)}" if ids else ""


def _no_data_keys(state: _State) -> SecretUnreadable:
    return SecretUnreadable(
        f"{_values(state)} in the database cannot be opened: the data keys are gone from it",
        hint=f"restore the database from a backup, or {REMOVE}",
    )
