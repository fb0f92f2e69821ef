"""Log-ins: from a password, an API key or a refresh token to a pair of tokens.

Whoever fails learns nothing from how: an unknown user, a wrong password and a user who is disabled get the same answer,
after the same work. Guessing is slow twice over: by rates in memory, and by tallies in the database that a restart does
not forget. An API key that counts is never slowed down, so nobody can lock all operators out.
"""

from agent_swarm.domain.errors import RateLimited, Unauthenticated
from agent_swarm.domain.roles import Role
from agent_swarm.domain.time import SECOND
from agent_swarm.server.access import Door
from agent_swarm.server.hashing import Hashing
from agent_swarm.server.rates import too_often
from agent_swarm.services import jwts, sessions, tokens
from agent_swarm.services.sessions import Pair
from agent_swarm.services.signing_keys import SigningKeys
from agent_swarm.store.base import Store
from agent_swarm.store.families.accounts import SessionRecord, owner_of
from agent_swarm.store.families.login_failures import ClearFailures, CountFailure
from agent_swarm.store.records import TokenKind


class LogIns:
    """Gives out tokens. `address` is where a request comes from, as `server/peers` knows it."""

    def __init__(self, store: Store, hashing: Hashing, door: Door, keys: SigningKeys) -> None:
        self._store = store
        self.keys = keys
        self._hashing = hashing
        self._door = door
        self.hash = hashing.hash
        self.close = hashing.close

    async def with_password(self, name: str, password: str, *, address: str) -> Pair:
        """Log a user in. Raises Unauthenticated, RateLimited, and Busy where too many log in at once."""
        self._count_guess(f"address:{address}", address)
        self._count_guess(f"name:{name}", address)
        asked = await self._store.read(sessions.asked_for(name, address, now=self._store.now()))
        user = asked.user
        subject = owner_of(user.name) if user else address
        if asked.locked_for:
            self._refused(subject, "lockedOut")
            raise too_often("log-ins of this user", asked.locked_for / SECOND)
        is_right = await self._hashing.is_right(password, user.password_hash if user else None)
        digest = sessions.digest_of(name)
        if user is None or not is_right or user.disabled_at is not None:
            await self._store.apply(CountFailure(name_digest=digest, address=address))
            self._refused(subject, "wrongPassword")
            raise Unauthenticated("there is no such user with this password", hint="check both")
        if asked.has_failed:
            await self._store.apply(ClearFailures(name_digest=digest, address=address))
        session = await self._store.apply(sessions.start_for_user(user, address=address, now=self._store.now()))
        return await self._give_out(session, user.role)

    async def with_key(self, api_key: str, *, address: str) -> Pair:
        """Log an operator in by an API key. Raises Unauthenticated, and RateLimited after too many wrong ones."""
        key_hash = tokens.hash_token(api_key)
        try:
            identity = await self._store.read(tokens.authenticate(key_hash, now=self._store.now()))
        except Unauthenticated:
            identity = None
        if identity is None or identity.kind is not TokenKind.OPERATOR:
            self._count_guess(f"address:{address}", address)
            self._refused(address, "wrongKey")
            raise Unauthenticated("this API key does not count", hint="ask for the current one")
        session = await self._store.apply(sessions.start_for_key(key_hash, address=address, now=self._store.now()))
        return await self._give_out(session, Role.ADMIN)

    async def refresh(self, token: str, *, address: str) -> Pair:
        """Change a refresh token for the next pair. Raises Unauthenticated, also for one that was used before."""
        await jwts.prepared()
        try:
            operation = await self._store.read(sessions.refresh(token, self.keys, now=self._store.now()))
            refreshed = await self._store.apply(operation)
        except Unauthenticated:
            self._count_guess(f"address:{address}", address)
            self._refused(address, "badRefreshToken")
            raise
        if refreshed.session is None:
            self._refused(operation.owner, "reusedRefreshToken")
            raise Unauthenticated(
                "this refresh token was used before, so its session has been ended: somebody else may have it",
                hint="log in again",
            )
        return await self._give_out(refreshed.session, refreshed.role)

    async def replace_key(self, *, actor: str, at_once: bool) -> str:
        """Have another key sign from now on; answers its id. `at_once`: nothing counts that the old ones signed."""
        overlap = 0 if at_once else sessions.OVERLAP
        return (await self.keys.put_new(self._store, actor=actor, overlap=overlap)).id

    async def _give_out(self, session: SessionRecord, role: Role) -> Pair:
        await jwts.prepared()
        return sessions.give_out(session, role, await self.keys.signing(self._store), now=self._store.now())

    def _count_guess(self, subject: str, address: str) -> None:
        try:
            self._door.rates.login(subject)
        except RateLimited:
            self._refused(address, "rateLimited")
            raise

    def _refused(self, subject: str, reason: str) -> None:
        self._door.metrics.denials.labels(reason).inc()
        self._door.denials.count(subject, reason)
