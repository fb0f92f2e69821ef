"""Stored configuration: values under a key, each at a place; those of secrets are sealed before they come here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent_swarm.domain.configuration import ENTRIES_PER_PLACE, PLACE_BYTES, ConfigScope, require_storable
from agent_swarm.domain.errors import Conflict, InvalidInput, NotFound
from agent_swarm.store.events import Draft
from agent_swarm.store.families.data_keys import require_active
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigEntry:
    """One value. `text` is the value itself, or sealed where it is a secret."""

    scope: ConfigScope
    scope_id: str  # empty for the global one
    key: str
    id: str
    text: str
    is_secret: bool
    created_at: int = 0
    updated_at: int = 0
    updated_by: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """What a sealed value is bound to."""
        return ("config", self.scope.value, self.scope_id, self.key)

    @property
    def shown(self) -> str:
        """The entry as people name it."""
        place = f"{self.scope.value}:{self.scope_id}" if self.scope_id else self.scope.value
        return f"{self.key} ({place})"


CONFIG = Family("config_entry", ConfigEntry, key=("scope", "scope_id", "key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PutConfig(RecordOperation[ConfigEntry]):
    """Store a value, in the place of the one before; the same plain value again is no event.

    `made_from` is the stored text that the new one was made from, where it was: raises Conflict where another one is
    there by now.
    """

    entry: ConfigEntry
    actor: str
    made_from: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"config:{'/'.join(self.entry.identity[1:3])}",)

    def carry_out(self, desk: Desk) -> ConfigEntry:
        """Names, sizes and the data key are judged again: this is the last way in."""
        entry = self.entry
        require_storable(entry.scope, entry.scope_id, entry.key)
        old = desk.get(CONFIG, entry.scope, entry.scope_id, entry.key)
        if self.made_from is not None and (old is None or old.text != self.made_from):
            raise Conflict(f"{entry.shown} was changed by somebody else just now", hint="look at it and try again")
        if entry.is_secret:
            require_active(desk, entry.text)
        if old is not None and (old.text, old.is_secret) == (entry.text, entry.is_secret):
            return old
        _require_room(desk, entry)
        put = replace(entry, created_at=desk.now, updated_at=desk.now, updated_by=self.actor)
        if old is not None:
            put = replace(put, id=old.id, created_at=old.created_at)
        desk.put(CONFIG, put)
        desk.say(_told("config.set", self.actor, put, {"isSecret": put.is_secret, "isNew": old is None}))
        return put


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveConfig(RecordOperation[ConfigEntry]):
    """Remove an entry; `id` says which one is meant, in case another took its place. Raises NotFound."""

    scope: ConfigScope
    scope_id: str
    key: str
    id: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"config:{self.scope.value}/{self.scope_id}",)

    def carry_out(self, desk: Desk) -> ConfigEntry:
        """What is removed is answered as it was."""
        found = desk.get(CONFIG, self.scope, self.scope_id, self.key)
        if found is None or found.id != self.id:
            raise NotFound(f"no entry of the configuration has the id {self.id!r}", hint="see: agent-swarm config list")
        desk.remove(CONFIG, self.scope, self.scope_id, self.key)
        desk.say(config_removed(found, self.actor))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TellOfReveal(RecordOperation[None]):
    """Write down that somebody is about to see the values of these secrets."""

    entries: tuple[ConfigEntry, ...]
    actor: str

    def carry_out(self, desk: Desk) -> None:
        """One event per secret."""
        for entry in self.entries:
            desk.say(_told("config.revealed", self.actor, entry, {}))


def config_removed(entry: ConfigEntry, actor: str) -> Draft:
    """The event of a removal."""
    return _told("config.removed", actor, entry, {"isSecret": entry.is_secret})


def _require_room(desk: Desk, entry: ConfigEntry) -> None:
    others = [
        one for one in desk.scan(CONFIG, entry.scope, entry.scope_id, limit=ENTRIES_PER_PLACE) if one.key != entry.key
    ]
    used = sum(len(one.text.encode()) for one in (*others, entry))
    if len(others) >= ENTRIES_PER_PLACE or used > PLACE_BYTES:
        place = f"{entry.scope.value} {entry.scope_id}".rstrip()
        raise InvalidInput(
            f"there is no room for {entry.key} in {place}: {len(others) + 1} entries of {used:,} bytes, at most "
            f"{ENTRIES_PER_PLACE} of {PLACE_BYTES:,} together",
            hint="remove what is not used any more: agent-swarm config list",
            details={"field": "value"},
        )


def _told(event: str, actor: str, entry: ConfigEntry, data: Mapping[str, Any]) -> Draft:
    named = {"scope": entry.scope.value, "scopeId": entry.scope_id, "key": entry.key}
    return Draft(type=event, actor=actor, subject_kind="config", subject_id=entry.id, data={**named, **data})
