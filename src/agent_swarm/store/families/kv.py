"""Values under keys. One that has run out is as good as gone, whether it was removed yet or not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from agent_swarm.domain.errors import Conflict, NotFound
from agent_swarm.domain.kv import counted, expiry, next_version, require_key, require_value
from agent_swarm.store.events import SYSTEM, Draft
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class KvEntry:
    """A value, as JSON text."""

    namespace: str
    key: str
    value: str
    version: int
    expires_at: int | None
    created_at: int
    updated_at: int
    updated_by: str

    def is_there(self, now: int) -> bool:
        """Whether it has not run out."""
        return self.expires_at is None or self.expires_at > now


@dataclass(frozen=True, slots=True, kw_only=True)
class KvExpiry:
    """When a value runs out, first ones first."""

    expires_at: int
    namespace: str
    key: str


KV = Family("kv_entry", KvEntry, key=("namespace", "key"))
KV_EXPIRIES = Family("kv_expiry", KvExpiry, key=("expires_at", "namespace", "key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnEntry(RecordOperation[KvEntry]):
    """Something about the value under one key."""

    namespace: str
    key: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"kv:{self.namespace}/{self.key}",)

    def _stored(self, desk: Desk) -> tuple[KvEntry | None, KvEntry | None]:
        """What is stored, and the same where it still counts."""
        stored = desk.get(KV, self.namespace, self.key)
        return stored, stored if stored is not None and stored.is_there(desk.now) else None

    def _put(self, desk: Desk, stored: KvEntry | None, value: str, expires_at: int | None) -> KvEntry:
        require_key(self.key)
        require_value(value)
        is_new = stored is None or not stored.is_there(desk.now)
        put = KvEntry(
            namespace=self.namespace,
            key=self.key,
            value=value,
            version=next_version(None if stored is None else stored.version, now=desk.now),
            expires_at=expires_at,
            created_at=desk.now if stored is None or is_new else stored.created_at,
            updated_at=desk.now,
            updated_by=self.actor,
        )
        _forget_expiry(desk, stored)
        desk.put(KV, put)
        if expires_at is not None:
            desk.put(KV_EXPIRIES, KvExpiry(expires_at=expires_at, namespace=put.namespace, key=put.key))
        desk.say(_told("kv.set", self.actor, put, version=put.version, isNew=is_new))
        return put


@dataclass(frozen=True, slots=True, kw_only=True)
class SetValue(_OnEntry):
    """Put a value under a key, for `ttl` microseconds or for good.

    With `if_version` only where that is the version there, 0: where nothing is. Raises Conflict.
    """

    value: str
    ttl: int | None = None
    if_version: int | None = None

    def carry_out(self, desk: Desk) -> KvEntry:
        """The same value again is a new version all the same: somebody may compare with it."""
        stored, there = self._stored(desk)
        _require_version(self.if_version, there)
        return self._put(desk, stored, self.value, expiry(self.ttl, now=desk.now))


@dataclass(frozen=True, slots=True, kw_only=True)
class AddToValue(_OnEntry):
    """Add to the number under a key, which is 0 where nothing is; `ttl` counts for a new one. Raises InvalidInput."""

    by: int
    ttl: int | None = None

    def carry_out(self, desk: Desk) -> KvEntry:
        """Whoever counts at the same time is before or after."""
        stored, there = self._stored(desk)
        total = counted(None if there is None else json.loads(there.value), self.by)
        expires_at = expiry(self.ttl, now=desk.now) if there is None else there.expires_at
        return self._put(desk, stored, str(total), expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveValue(_OnEntry):
    """Remove the value under a key; answers what it was. Raises NotFound, and Conflict for another version."""

    if_version: int | None = None

    def carry_out(self, desk: Desk) -> KvEntry:
        """One that has run out is not there."""
        _, there = self._stored(desk)
        if there is None:
            raise NotFound(f"nothing is stored under {self.key!r}", hint="see: agent-swarm kv list")
        _require_version(self.if_version, there)
        _remove(desk, there, self.actor, reason="removed")
        return there


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireValues(RecordOperation[int]):
    """Remove the first `limit` values that have run out; answers how many."""

    limit: int

    @property
    def keys(self) -> tuple[str, ...]:
        return ("expireValues",)

    def carry_out(self, desk: Desk) -> int:
        """In the order in which they ran out."""
        due = due_expiries(desk.scan(KV_EXPIRIES, limit=self.limit), desk.now)
        for one in due:
            entry = desk.get(KV, one.namespace, one.key)
            if entry is not None and entry.expires_at == one.expires_at:
                _remove(desk, entry, SYSTEM, reason="expired")
            else:  # it was written meanwhile, by another server
                desk.remove(KV_EXPIRIES, *KV_EXPIRIES.key_of(one))
        return len(due)


def due_expiries(found: Sequence[KvExpiry], now: int) -> list[KvExpiry]:
    """Those that are over."""
    return [one for one in found if one.expires_at <= now]


def _require_version(wanted: int | None, there: KvEntry | None) -> None:
    version = 0 if there is None else there.version
    if wanted is not None and wanted != version:
        raise Conflict(
            f"the value has version {version}, expected {wanted}: somebody changed it",
            hint="read it again and decide anew; version 0 is no value",
            details={"version": version, "expected": wanted},
        )


def _remove(desk: Desk, entry: KvEntry, actor: str, *, reason: str) -> None:
    desk.remove(KV, entry.namespace, entry.key)
    _forget_expiry(desk, entry)
    desk.say(_told("kv.removed", actor, entry, reason=reason))


def _forget_expiry(desk: Desk, entry: KvEntry | None) -> None:
    if entry is not None and entry.expires_at is not None:
        desk.remove(KV_EXPIRIES, entry.expires_at, entry.namespace, entry.key)


def _told(event: str, actor: str, entry: KvEntry, **more: object) -> Draft:
    data = {"namespace": entry.namespace, "key": entry.key, **more}
    return Draft(type=event, actor=actor, subject_kind="kv", subject_id=f"{entry.namespace}/{entry.key}", data=data)
