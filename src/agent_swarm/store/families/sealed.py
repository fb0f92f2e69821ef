"""Everything that is stored sealed, whichever family it belongs to, and how it gets under another data key.

A family that keeps sealed text is named in `HOLDINGS`; then its values are counted at the start, opened when keys are
verified, sealed anew when the data key changes, and removed when nothing opens them any more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from agent_swarm.domain.errors import Conflict, SecretUnreadable
from agent_swarm.domain.sealed import data_key_of, is_sealed
from agent_swarm.store.events import SYSTEM, Draft
from agent_swarm.store.families.configuration import CONFIG, config_removed
from agent_swarm.store.families.data_keys import (
    DATA_KEYS,
    MOST,
    DataKeyRecord,
    EstablishDataKey,
    active_of,
    remove,
    retired,
)
from agent_swarm.store.families.family import Family, Key
from agent_swarm.store.families.signing_keys import MOST as MOST_SIGNING_KEYS
from agent_swarm.store.families.signing_keys import SIGNING_KEYS, signing_key_removed
from agent_swarm.store.families.triggers import TRIGGER_SECRETS, secret_removed
from agent_swarm.store.operations import Desk, RecordOperation

R = TypeVar("R")

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Holding:
    """A family with sealed text in one column; its records tell their `identity` and how they are `shown`."""

    family: Family[Any]
    column: str
    noun: str  # what people call one
    is_sealed: Callable[[Any], bool]
    removed: Callable[[Any, str], Draft]  # the event of a removal, given the record and who did it


HOLDINGS = (
    Holding(CONFIG, "text", "secret", lambda entry: entry.is_secret, config_removed),
    Holding(SIGNING_KEYS, "sealed", "signing key", lambda key: is_sealed(key.sealed), signing_key_removed),
    Holding(TRIGGER_SECRETS, "sealed", "signing secret of a trigger", lambda _: True, secret_removed),
)
_OF_SIGNING_KEYS = 1


@dataclass(frozen=True, slots=True)
class SealedText:
    """One sealed value, and where it is."""

    holding: int  # its place in HOLDINGS
    key: Key
    identity: tuple[str, ...]
    shown: str
    text: str

    @property
    def noun(self) -> str:
        """What people call such a value."""
        return HOLDINGS[self.holding].noun

    @property
    def is_signing_key(self) -> bool:
        """Whether it is what tokens of sessions are signed with."""
        return self.holding == _OF_SIGNING_KEYS

    @property
    def data_key(self) -> str:
        """The id of the key it is sealed with; empty where its text does not say."""
        try:
            return data_key_of(self.text)
        except SecretUnreadable:
            return ""


class Scanner(Protocol):
    """What can be read page by page: `Queries`, or a `Desk`."""

    def scan(self, family: Family[R], *prefix: Any, after: Key | None = None, limit: int) -> list[R]: ...


Mark = tuple[int, Key | None]  # a holding, and the last key of it that was read
FIRST: Mark = (0, None)


def sealed_page(source: Scanner, mark: Mark, *, limit: int) -> tuple[list[SealedText], Mark | None]:
    """Sealed values among the next `limit` records, and where to go on; None at the end."""
    number, after = mark
    holding = HOLDINGS[number]
    records = source.scan(holding.family, after=after, limit=limit)
    found = [_text(number, record) for record in records if holding.is_sealed(record)]
    if len(records) == limit:
        return found, (number, holding.family.key_of(records[-1]))
    return found, (number + 1, None) if number + 1 < len(HOLDINGS) else None


def sealed_texts(source: Scanner) -> Iterator[SealedText]:
    """All of them."""
    mark: Mark | None = FIRST
    while mark is not None:
        page, mark = sealed_page(source, mark, limit=_PAGE)
        yield from page


def unsealed_texts(source: Scanner) -> list[SealedText]:
    """What should be sealed and is not: it was stored by an older version, or by a server without a key."""
    keys = source.scan(SIGNING_KEYS, limit=2 * MOST_SIGNING_KEYS)
    return [_text(_OF_SIGNING_KEYS, key) for key in keys if not is_sealed(key.sealed)]


def _text(number: int, record: Any) -> SealedText:
    holding = HOLDINGS[number]
    text = getattr(record, holding.column)
    return SealedText(number, holding.family.key_of(record), record.identity, record.shown, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reseal(RecordOperation[int]):
    """Store values anew, each as (where it is, its new text), unless it was changed meanwhile; answers how many."""

    texts: Sequence[tuple[SealedText, str]]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(sorted({f"{HOLDINGS[old.holding].family.name}:{old.key}" for old, _ in self.texts}))

    def carry_out(self, desk: Desk) -> int:
        """The value is the same, so this is no event. Under a key that retired meanwhile it would be left behind."""
        active = active_of(desk.scan(DATA_KEYS, limit=MOST)).id
        if any(data_key_of(new) != active for _, new in self.texts):
            raise retired()
        done = 0
        for old, new in self.texts:
            holding = HOLDINGS[old.holding]
            record = desk.get(holding.family, *old.key)
            if record is not None and getattr(record, holding.column) == old.text:
                desk.put(holding.family, replace(record, **{holding.column: new}))
                done += 1
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDataKey(RecordOperation[bool]):
    """Remove a retired data key that nothing is sealed with; whether it is gone."""

    version: int

    @property
    def keys(self) -> tuple[str, ...]:
        return ("data_key",)

    def carry_out(self, desk: Desk) -> bool:
        """One that is in use, or active, stays."""
        key = desk.get(DATA_KEYS, self.version)
        if key is None:
            return True
        if key.is_active or any(text.data_key == key.id for text in sealed_texts(desk)):
            return False
        remove(desk, key, SYSTEM)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSealed(RecordOperation[int]):
    """Remove values that cannot be opened, unless they were changed meanwhile; answers how many."""

    texts: Sequence[SealedText]
    actor: str

    def carry_out(self, desk: Desk) -> int:
        """Each family tells of it in its own words."""
        done = 0
        for old in self.texts:
            holding = HOLDINGS[old.holding]
            record = desk.get(holding.family, *old.key)
            if record is not None and getattr(record, holding.column) == old.text:
                desk.remove(holding.family, *old.key)
                desk.say(holding.removed(record, self.actor))
                done += 1
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceDataKeys(RecordOperation[tuple[DataKeyRecord, ...]]):
    """Begin anew with this data key, where nothing is sealed. Raises Conflict where something is."""

    id: str
    wrapped: str

    @property
    def keys(self) -> tuple[str, ...]:
        return ("data_key",)

    def carry_out(self, desk: Desk) -> tuple[DataKeyRecord, ...]:
        """Those that nobody can open any more go."""
        if any(True for _ in sealed_texts(desk)):
            raise Conflict("there are sealed values, which need the data keys that are there")
        for key in desk.scan(DATA_KEYS, limit=MOST):
            remove(desk, key, SYSTEM)
        return EstablishDataKey(id=self.id, wrapped=self.wrapped).carry_out(desk)
