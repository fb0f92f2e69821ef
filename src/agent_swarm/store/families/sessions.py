"""Sessions begin, go on, and end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from agent_swarm.domain.errors import Unauthenticated
from agent_swarm.domain.roles import Role
from agent_swarm.store.events import SYSTEM, Draft
from agent_swarm.store.families.accounts import (
    EPOCH_NAME,
    EPOCHS,
    SESSIONS,
    USERS,
    SessionEpoch,
    SessionRecord,
    UserRecord,
)
from agent_swarm.store.operations import Desk, RecordOperation

MOST_PER_OWNER = 100  # one more ends the one that was not refreshed for longest


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSession(RecordOperation[SessionRecord]):
    """Begin a session, of a user whose password hash is still `checked_hash`, or of an API key (None).

    Raises Unauthenticated where the user was changed since the password was checked.
    """

    session: SessionRecord
    checked_hash: str | None

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"sessions:{self.session.owner}",)

    def carry_out(self, desk: Desk) -> SessionRecord:
        """Add the session; where its owner has too many, the stalest one ends."""
        if self.checked_hash is not None:
            user = desk.get(USERS, self.session.user_name)
            if user is None or user.disabled_at is not None or user.password_hash != self.checked_hash:
                raise Unauthenticated("the user was changed meanwhile", hint="log in again")
        began = replace(self.session, epoch=_epoch(desk), created_at=desk.now, refreshed_at=desk.now)
        others = desk.scan(SESSIONS, began.owner, limit=2 * MOST_PER_OWNER)
        stalest_first = sorted(others, key=lambda other: (other.refreshed_at, other.id))
        for other in stalest_first[: max(0, len(others) + 1 - MOST_PER_OWNER)]:
            _end(desk, other, actor=began.owner, reason="tooMany")
        desk.put(SESSIONS, began)
        began_with = "apiKey" if began.key_hash else "password"
        data = {"owner": began.owner, "with": began_with, "address": began.address}
        desk.say(_about("session.started", began.owner, began.id, data))
        return began


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What became of a refresh: the session as it goes on and its user's role, or None where the token was used."""

    session: SessionRecord | None
    role: Role = Role.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSession(RecordOperation[Refreshed]):
    """Let a session go on until `expires_at`, by its refresh token with this number.

    A number that was used before ends the session: two have the token, and nobody can tell who stole it. Raises
    Unauthenticated where the session is over.
    """

    owner: str
    session_id: str
    number: int
    expires_at: int

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"sessions:{self.owner}",)

    def carry_out(self, desk: Desk) -> Refreshed:
        """Count the token as used."""
        user = desk.get(USERS, self.owner.removeprefix("user:")) if self.owner.startswith("user:") else None
        session = desk.get(SESSIONS, self.owner, self.session_id)
        why_not = flaw(session, user, epoch=_epoch(desk), now=desk.now)
        if session is None or why_not:
            raise Unauthenticated(f"this refresh token does not count: {why_not}", hint="log in again")
        if self.number != session.number:
            _end(desk, session, actor=SYSTEM, reason="reused")
            return Refreshed(session=None)
        on = replace(session, number=session.number + 1, refreshed_at=desk.now, expires_at=self.expires_at)
        desk.put(SESSIONS, on)
        return Refreshed(session=on, role=user.role if user else Role.ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession(RecordOperation[bool]):
    """End one session; answers whether there was one."""

    owner: str
    session_id: str
    actor: str
    reason: str = "revoked"

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"sessions:{self.owner}",)

    def carry_out(self, desk: Desk) -> bool:
        """Its tokens count no more."""
        session = desk.get(SESSIONS, self.owner, self.session_id)
        if session is not None:
            _end(desk, session, actor=self.actor, reason=self.reason)
        return session is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessionsOf(RecordOperation[bool]):
    """End all sessions of an owner; answers whether there were any."""

    owner: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"sessions:{self.owner}",)

    def carry_out(self, desk: Desk) -> bool:
        """An event each."""
        return end_all_of(desk, self.owner, actor=self.actor, reason="revoked") > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseSessionEpoch(RecordOperation[int]):
    """End every session there is; answers the new epoch."""

    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return ("sessionEpoch",)

    def carry_out(self, desk: Desk) -> int:
        """One number, however many sessions there are; what is left of them is pruned."""
        epoch = _epoch(desk) + 1
        desk.put(EPOCHS, SessionEpoch(name=EPOCH_NAME, epoch=epoch))
        desk.say(_about("session.allEnded", self.actor, EPOCH_NAME, {"epoch": epoch}, kind="sessions"))
        return epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneSessions(RecordOperation[tuple[str, str] | None]):
    """Look at `limit` sessions from `after` on and remove what has run out; answers where to go on, or None."""

    limit: int
    after: tuple[str, str] = ("", "")

    @property
    def keys(self) -> tuple[str, ...]:
        return ("pruneSessions",)

    def carry_out(self, desk: Desk) -> tuple[str, str] | None:
        """No event: nothing has changed for anybody."""
        epoch = _epoch(desk)
        found = desk.scan(SESSIONS, after=self.after, limit=self.limit)
        for session in found:
            if session.expires_at <= desk.now or session.epoch != epoch:
                desk.remove(SESSIONS, session.owner, session.id)
        return (found[-1].owner, found[-1].id) if len(found) == self.limit else None


def flaw(session: SessionRecord | None, user: UserRecord | None, *, epoch: int, now: int) -> str:
    """Why a session does not go on; empty when it does. `user` is its owner's record, where that is a user."""
    if session is None:
        return "its session has ended"
    if session.expires_at <= now:
        return "its session has expired"
    if session.epoch != epoch:
        return "all sessions were ended since"
    if session.user_name and (user is None or user.id != session.user_id):
        return "its user was removed"
    if user is not None and user.disabled_at is not None:
        return "its user is disabled"
    return ""


def end_all_of(desk: Desk, owner: str, *, actor: str, reason: str) -> int:
    """End all sessions of an owner; answers how many there were."""
    ended = 0
    for session in _all_of(desk, owner):
        _end(desk, session, actor=actor, reason=reason)
        ended += 1
    return ended


def _all_of(desk: Desk, owner: str) -> Iterator[SessionRecord]:
    while page := desk.scan(SESSIONS, owner, limit=MOST_PER_OWNER):  # what was seen is removed before the next page
        yield from page


def _end(desk: Desk, session: SessionRecord, *, actor: str, reason: str) -> None:
    desk.remove(SESSIONS, session.owner, session.id)
    desk.say(_about("session.ended", actor, session.id, {"owner": session.owner, "reason": reason}))


def _epoch(desk: Desk) -> int:
    known = desk.get(EPOCHS, EPOCH_NAME)
    return known.epoch if known else 0


def _about(event_type: str, actor: str, subject_id: str, data: Mapping[str, object], *, kind: str = "session") -> Draft:
    return Draft(type=event_type, actor=actor, subject_kind=kind, subject_id=subject_id, data=data)
