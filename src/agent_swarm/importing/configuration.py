"""Imported configuration, as it is stored here: secrets sealed, names and room judged as everywhere else."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agent_swarm.domain.configuration import (
    ENTRIES_PER_PLACE,
    PLACE_BYTES,
    VALUE_BYTES,
    ConfigScope,
    Place,
    require_storable,
)
from agent_swarm.domain.errors import InvalidInput, SecretUnreadable
from agent_swarm.domain.ids import new_id
from agent_swarm.importing.carrying_out import Configuration
from agent_swarm.importing.foreign import ForeignEntry
from agent_swarm.importing.plan import ACTOR
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.store.base import Queries
from agent_swarm.store.families.configuration import CONFIG, ConfigEntry, PutConfig
from agent_swarm.store.families.data_keys import DATA_KEYS, MOST
from agent_swarm.store.operations import Operation

Problem = Callable[[str], str]  # what is wrong with the text of a setting; empty where nothing is


def configuration_of(vault: Vault, settings: Mapping[str, Problem], *, is_rehearsal: bool = False) -> Configuration:
    """What opens stored configuration and stores into it; `settings` are those that the server reads from there.

    In a rehearsal nothing is sealed, as there may be no key for it yet; what it plans must not be written.
    """

    def made(queries: Queries) -> _Entries:
        vault.take(queries.scan(DATA_KEYS, limit=MOST))
        return _Entries(queries, vault, settings, is_rehearsal=is_rehearsal)

    return made


class _Entries:
    """Meets `entries.EntryStore`."""

    def __init__(
        self, queries: Queries, vault: Vault, settings: Mapping[str, Problem], *, is_rehearsal: bool = False
    ) -> None:
        self._queries = queries
        self._vault = vault
        self._settings = settings
        self._is_rehearsal = is_rehearsal
        self._numbers: Counter[Place] = Counter()
        self._bytes: Counter[Place] = Counter()

    def value_of(self, entry: ForeignEntry) -> str | None:
        """What is stored under its key at its place; one that does not open is another value."""
        found = self._queries.record(CONFIG, ConfigScope(entry.scope), entry.scope_id, entry.key)
        if found is None or not found.is_secret:
            return found.text if found else None
        try:
            return self._vault.open(found.identity, found.text)
        except SecretUnreadable:
            return ""

    def storing(self, entry: ForeignEntry) -> Operation[Any]:
        """What stores it. Raises InvalidInput where it may not be stored, EncryptionKeyMissing where it cannot be."""
        scope = ConfigScope(entry.scope)
        require_storable(scope, entry.scope_id, entry.key)
        self._require_fit(entry, scope)
        put = ConfigEntry(
            scope=scope,
            scope_id=entry.scope_id,
            key=entry.key,
            id=new_id(),
            text=entry.value,
            is_secret=entry.is_secret,
        )
        if put.is_secret and not self._is_rehearsal:
            put = replace(put, text=self._vault.seal(put.identity, entry.value))
        self._take_room(put)
        return PutConfig(entry=put, actor=ACTOR)

    def _require_fit(self, entry: ForeignEntry, scope: ConfigScope) -> None:
        if len(entry.value.encode()) > VALUE_BYTES:
            raise InvalidInput(f"its value has more than {VALUE_BYTES:,} bytes")
        check = self._settings.get(entry.key) if scope is ConfigScope.GLOBAL else None
        if check is not None and check(entry.value):
            raise InvalidInput("it is a setting of the server here, which cannot have that value")

    def _take_room(self, entry: ConfigEntry) -> None:
        """What does not fit is left out, so that it does not keep everything else away."""
        place = (entry.scope, entry.scope_id)
        if place not in self._numbers:
            there = self._queries.scan(CONFIG, *place, limit=ENTRIES_PER_PLACE)
            self._numbers[place] = len(there)
            self._bytes[place] = sum(len(one.text.encode()) for one in there)
        size = len(entry.text.encode())
        if self._numbers[place] >= ENTRIES_PER_PLACE or self._bytes[place] + size > PLACE_BYTES:
            raise InvalidInput(
                f"its place is full: at most {ENTRIES_PER_PLACE} entries of {PLACE_BYTES:,} bytes in all"
            )
        self._numbers[place] += 1
        self._bytes[place] += size
