"""Sessions: what begins one, which tokens it gives out, and whether they count.

A token says whose it is; whether that still holds is read from the database, in one look: key, session, user and epoch
of one moment. The role is the user's own, as it is now.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from agent_swarm.domain.errors import Unauthenticated
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.roles import Role
from agent_swarm.domain.time import SECOND
from agent_swarm.services import jwts, tokens
from agent_swarm.services.jwts import SKEW, Claims, SigningKey, Use
from agent_swarm.services.signing_keys import SigningKeys
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.families.accounts import (
    EPOCH_NAME,
    EPOCHS,
    OPERATOR,
    SESSIONS,
    USERS,
    SessionRecord,
    UserRecord,
    owner_of,
)
from agent_swarm.store.families.login_failures import ANYWHERE, LOGIN_FAILURES
from agent_swarm.store.families.sessions import RefreshSession, StartSession, flaw
from agent_swarm.store.records import TokenKind

ACCESS_SECONDS = 15 * 60
IDLE_SECONDS = 7 * 86400  # a session that is not refreshed for this long is over
LONGEST_SECONDS = 30 * 86400  # as is every session after this

ACCESS, IDLE, LONGEST = (seconds * SECOND for seconds in (ACCESS_SECONDS, IDLE_SECONDS, LONGEST_SECONDS))
OVERLAP = IDLE + SKEW  # after it nothing counts that a replaced key signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a log-in and a refresh give: two tokens, and the role they carry just now."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    session: SessionRecord
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is known about a user name that somebody wants to log in by, and for how long it is locked from there."""

    user: UserRecord | None
    locked_for: int
    has_failed: bool  # from there, lately


def asked_for(name: str, address: str, *, now: int) -> Callable[[Queries], Asked]:
    """A reading: the user of this name, and the lock on log-ins from this address."""
    digest = digest_of(name)

    def reading(queries: Queries) -> Asked:
        tallies = [queries.record(LOGIN_FAILURES, digest, place) for place in (address, ANYWHERE)]
        return Asked(
            user=queries.record(USERS, name),
            has_failed=tallies[0] is not None,
            locked_for=max(found.tally.wait(now) if found else 0 for found in tallies),
        )

    return reading


def digest_of(name: str) -> str:
    """A user name as failed log-ins are counted under."""
    return hashlib.sha256(f"log-in as {name}".encode()).hexdigest()


def start_for_user(user: UserRecord, *, address: str, now: int) -> StartSession:
    """Begin a session of a user whose password was right."""
    session = SessionRecord(
        owner=owner_of(user.name), id=new_id(), user_id=user.id, address=address, expires_at=now + IDLE
    )
    return StartSession(session=session, checked_hash=user.password_hash)


def start_for_key(key_hash: str, *, address: str, now: int) -> StartSession:
    """Begin a session of an operator, by an API key that counts."""
    session = SessionRecord(owner=OPERATOR, id=new_id(), key_hash=key_hash, address=address, expires_at=now + IDLE)
    return StartSession(session=session, checked_hash=None)


def authenticate(token: str, keys: SigningKeys, *, now: int) -> Callable[[Queries], Identity]:
    """A reading: who shows this access token. Raises Unauthenticated, saying why it does not count."""
    key_id = jwts.key_id_of(Use.ACCESS, token)

    def reading(queries: Queries) -> Identity:
        claims = jwts.read(Use.ACCESS, token, keys.believed(queries, key_id, now=now), now=now)
        role = _role(queries, claims, now=now)
        return Identity(
            kind=TokenKind.USER,
            token_id=claims.session_id,
            scopes=tokens.scopes_of_role(role),
            expires_at=claims.expires_at + SKEW,
            owner=claims.owner,
            role=role,
        )

    return reading


def refresh(token: str, keys: SigningKeys, *, now: int) -> Callable[[Queries], RefreshSession]:
    """A reading: the operation that a refresh token stands for. Raises Unauthenticated where it does not count.

    Whether it was used before only the operation can say.
    """
    key_id = jwts.key_id_of(Use.REFRESH, token)

    def reading(queries: Queries) -> RefreshSession:
        claims = jwts.read(Use.REFRESH, token, keys.believed(queries, key_id, now=now), now=now)
        session = queries.record(SESSIONS, claims.owner, claims.session_id)
        _role(queries, claims, now=now)
        assert session is not None  # `_role` has looked
        return RefreshSession(
            owner=claims.owner,
            session_id=claims.session_id,
            number=claims.number,
            expires_at=min(now + IDLE, session.created_at + LONGEST),
        )

    return reading


def give_out(session: SessionRecord, role: Role, key: SigningKey, *, now: int) -> Pair:
    """The next pair of tokens of a session."""
    access = Claims(
        owner=session.owner,
        session_id=session.id,
        epoch=session.epoch,
        issued_at=now,
        expires_at=min(now + ACCESS, session.expires_at),
    )
    going_on = Claims(
        owner=session.owner,
        session_id=session.id,
        epoch=session.epoch,
        issued_at=now,
        expires_at=session.expires_at,
        number=session.number,
    )
    return Pair(
        access=jwts.issue(Use.ACCESS, access, key),
        refresh=jwts.issue(Use.REFRESH, going_on, key),
        session=session,
        role=role,
    )


def active_sessions(
    owner: str | None, *, after: tuple[str, str] | None, limit: int, now: int
) -> Callable[[Queries], list[SessionRecord]]:
    """A reading: up to `limit` sessions that go on, by owner and age; of one owner, or of all (None)."""

    def reading(queries: Queries) -> list[SessionRecord]:
        found: list[SessionRecord] = []
        place = after
        while len(found) < limit:
            page = _page(queries, owner, place, limit)
            found += [one for one in page if not _flaw(queries, one, now=now)]
            if len(page) < limit:
                break
            place = (page[-1].owner, page[-1].id)
        return found[:limit]

    return reading


def find_session(session_id: str, owner: str | None) -> Callable[[Queries], SessionRecord | None]:
    """A reading: the session of this id, among those of one owner, or of all (None)."""

    def reading(queries: Queries) -> SessionRecord | None:
        if owner is not None:
            return queries.record(SESSIONS, owner, session_id)
        place: tuple[str, str] | None = ("", "")
        while place is not None:
            page = _page(queries, None, place, 500)
            for session in page:
                if session.id == session_id:
                    return session
            place = (page[-1].owner, page[-1].id) if len(page) == 500 else None
        return None

    return reading


def _page(queries: Queries, owner: str | None, after: tuple[str, str] | None, limit: int) -> list[SessionRecord]:
    if owner is None:
        return list(queries.scan(SESSIONS, after=after, limit=limit))
    return list(queries.scan(SESSIONS, owner, after=after and (after[1],), limit=limit))


def _role(queries: Queries, claims: Claims, *, now: int) -> Role:
    """The role of a session that goes on; raises Unauthenticated where it does not."""
    session = queries.record(SESSIONS, claims.owner, claims.session_id)
    why_not = _flaw(queries, session, now=now)
    if not why_not and session is not None and session.epoch != claims.epoch:
        why_not = "all sessions were ended since"
    if why_not or session is None:
        raise Unauthenticated(f"this token does not count: {why_not}", hint="log in again")
    user = queries.record(USERS, session.user_name) if session.user_name else None
    return user.role if user else Role.ADMIN


def _flaw(queries: Queries, session: SessionRecord | None, *, now: int) -> str:
    user = queries.record(USERS, session.user_name) if session and session.user_name else None
    epoch = queries.record(EPOCHS, EPOCH_NAME)
    why_not = flaw(session, user, epoch=epoch.epoch if epoch else 0, now=now)
    if not why_not and session is not None and session.key_hash:
        key = queries.token_by_hash(session.key_hash)
        if key is None or tokens.flaw(key, task=None, epoch=0, now=now):
            return "the API key that began its session does not count any more"
    return why_not
