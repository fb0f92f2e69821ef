"""The data keys that values are sealed with, wrapped by the master key, which is not here.

While the master key is being changed, every data key has two wraps: one by the key so far, one by the next. A change
of the active data key writes the row of the one before as well: who waits for that row then sees that it is retired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent_swarm.domain.errors import Conflict
from agent_swarm.domain.sealed import data_key_of, master_key_of
from agent_swarm.store.events import SYSTEM, Draft
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation

MOST = 100  # those that nothing is sealed with any more are removed


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeyRecord:
    """A data key. `next_wrapped` is there while the master key is being changed."""

    version: int
    id: str
    wrapped: str
    next_wrapped: str | None = None
    is_active: bool = True  # new values are sealed with it
    created_at: int = 0

    @property
    def master(self) -> str:
        """The id of the master key so far."""
        return master_key_of(self.wrapped)

    @property
    def next_master(self) -> str | None:
        """The id of the next master key, while there is one."""
        return None if self.next_wrapped is None else master_key_of(self.next_wrapped)


DATA_KEYS = Family("data_key", DataKeyRecord, key=("version",))

Changed = tuple[DataKeyRecord, ...]


class DataKeyRetired(Conflict):
    """A data key is not the active one any more; seal again with the one that is."""


def active_of(keys: Sequence[DataKeyRecord]) -> DataKeyRecord:
    """The key that new values are sealed with; raises DataKeyRetired where another one takes its place just now."""
    for key in keys:
        if key.is_active:
            return key
    raise retired()


def require_active(desk: Desk, sealed: str) -> None:
    """Judge a value at the last way in: raises DataKeyRetired where it is sealed with another key than the active one.

    It would be left behind when its key goes.
    """
    if data_key_of(sealed) != active_of(desk.scan(DATA_KEYS, limit=MOST)).id:
        raise retired()


def retired() -> DataKeyRetired:
    """That another data key took the place of the one used."""
    return DataKeyRetired("the data key was changed just now", hint="try again")


class _KeyOperation(RecordOperation[Changed]):
    """What changes data keys; answers all of them as they then are."""

    __slots__ = ()

    @property
    def keys(self) -> tuple[str, ...]:
        return ("data_key",)


@dataclass(frozen=True, slots=True, kw_only=True)
class EstablishDataKey(_KeyOperation):
    """Have an active data key: this one where there is none."""

    id: str
    wrapped: str

    def carry_out(self, desk: Desk) -> Changed:
        """Whoever comes first brings the key."""
        found = _all(desk)
        if any(key.is_active for key in found):
            return found
        version = max((key.version for key in found), default=0) + 1
        return (*found, _add(desk, DataKeyRecord(version=version, id=self.id, wrapped=self.wrapped), SYSTEM))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetDataKeys(_KeyOperation):
    """Remove data keys that nobody can open any more."""

    versions: tuple[int, ...]
    actor: str

    def carry_out(self, desk: Desk) -> Changed:
        """What is sealed with them is lost, and was before."""
        for key in _all(desk):
            if key.version in self.versions:
                remove(desk, key, self.actor)
        return _all(desk)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddDataKey(_KeyOperation):
    """Seal new values with this data key from now on. Raises Conflict where keys are being changed already."""

    id: str
    wrapped: str
    actor: str

    def carry_out(self, desk: Desk) -> Changed:
        """The active one retires; it stays for what is sealed with it."""
        found = _all(desk)
        active = active_of(found)
        _require_no_change(found)
        if master_key_of(self.wrapped) != active.master:
            raise Conflict("the master key was changed just now", hint="try again")
        desk.put(DATA_KEYS, replace(active, is_active=False))
        _add(desk, DataKeyRecord(version=active.version + 1, id=self.id, wrapped=self.wrapped), self.actor)
        return _all(desk)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddWraps(_KeyOperation):
    """Begin to change the master key: `wraps` are all data keys, by id, wrapped by the next one."""

    wraps: Mapping[str, str]
    actor: str

    def carry_out(self, desk: Desk) -> Changed:
        """From here on either master key opens everything."""
        found = _all(desk)
        active = active_of(found)
        _require_no_change(found)
        if {key.id for key in found} != set(self.wraps):
            raise retired()
        for key in found:
            desk.put(DATA_KEYS, replace(key, next_wrapped=self.wraps[key.id]))
        to = master_key_of(self.wraps[active.id])
        desk.say(_told("key.changing", self.actor, to, {"masterKeyId": active.master, "nextMasterKeyId": to}))
        return _all(desk)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleWraps(_KeyOperation):
    """End the change of the master key: keep the wraps by the master key `keep` alone."""

    keep: str
    actor: str

    def carry_out(self, desk: Desk) -> Changed:
        """By the next key the change is done, by the one so far it is given up; again changes nothing."""
        found = _all(desk)
        to = active_of(found).next_master
        for key in found:
            if self.keep not in (key.master, key.next_master):
                raise Conflict(f"the data keys are not wrapped by the master key {self.keep}", hint="look again")
            kept = key.wrapped if key.master == self.keep else key.next_wrapped
            desk.put(DATA_KEYS, replace(key, wrapped=kept or key.wrapped, next_wrapped=None))
        if to is not None:
            event = "key.changed" if self.keep == to else "key.changeGivenUp"
            desk.say(_told(event, self.actor, self.keep, {"masterKeyId": self.keep}))
        return _all(desk)


def remove(desk: Desk, key: DataKeyRecord, actor: str) -> None:
    """Take a data key away, and tell of it."""
    desk.remove(DATA_KEYS, key.version)
    desk.say(_told("key.removed", actor, key.id, {"version": key.version, "masterKeyId": key.master}))


def _all(desk: Desk) -> Changed:
    return tuple(desk.scan(DATA_KEYS, limit=MOST))


def _require_no_change(found: Changed) -> None:
    to = next((key.next_master for key in found if key.next_master), None)
    if to is not None:
        raise Conflict(
            f"the master key is being changed to {to}",
            hint="end that first: agent-swarm key rotate --finish, or --give-up",
            details={"nextMasterKeyId": to},
        )


def _add(desk: Desk, key: DataKeyRecord, actor: str) -> DataKeyRecord:
    added = replace(key, created_at=desk.now)
    desk.put(DATA_KEYS, added)
    desk.say(_told("key.added", actor, key.id, {"version": key.version, "masterKeyId": key.master}))
    return added


def _told(event: str, actor: str, key_id: str, data: Mapping[str, object]) -> Draft:
    return Draft(type=event, actor=actor, subject_kind="key", subject_id=key_id, data=data)
