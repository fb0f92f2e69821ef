"""People with sessions, for the tests of this folder; and tokens as somebody might make them up."""

import base64
import json
from dataclasses import dataclass, replace
from typing import Any

import jwt
from tests.server.world import World

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.roles import Role
from agent_swarm.domain.time import SECOND
from agent_swarm.services import jwts, sessions
from agent_swarm.services.jwts import Claims, SigningKey, Use
from agent_swarm.services.sessions import Pair
from agent_swarm.store.families.accounts import SessionRecord, UserRecord, owner_of
from agent_swarm.store.families.sessions import EndSession
from agent_swarm.store.families.users import CreateUser

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class People:
    """One session of every role, one that an API key began, and one that has ended; the key that signed them."""

    admin: Pair
    operator: Pair
    viewer: Pair
    key: Pair
    ended: Pair
    signing: SigningKey
    now: int

    def forged(self, *, secret: bytes | None = None, epoch: int = 0, lasts: float = 900, use: Use = Use.ACCESS) -> str:
        """An access token of the admin's session, but for something."""
        key = replace(self.signing, secret=secret or self.signing.secret)
        session = self.admin.session
        claims = Claims(
            owner=session.owner,
            session_id=session.id,
            epoch=epoch,
            issued_at=self.now - 900 * SECOND,
            expires_at=self.now + int(lasts * SECOND),
        )
        return jwts.issue(use, claims, key)

    def unsigned(self) -> str:
        """The admin's access token, but that `alg` says that nobody signed it."""
        body = jwt.decode(self.admin.access, options={"verify_signature": False})
        header = {"alg": "none", "typ": "at+jwt", "kid": self.signing.id}
        return f"{_part(header)}.{_part(body)}.{_part({})}"


def _part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


async def add_user(world: World, name: str, role: Role = Role.VIEWER) -> UserRecord:
    """A user without a password that anybody has: hashing takes its time."""
    user = UserRecord(name=name, id=new_id(), role=role, password_hash="none")
    return await world.store.apply(CreateUser(user=user, actor="operator"))


async def session_of(world: World, user: UserRecord) -> Pair:
    """A session of a user, as a log-in gives it."""
    began = await world.store.apply(sessions.start_for_user(user, address="127.0.0.1", now=world.store.now()))
    return await pair_of(world, began, user.role)


async def pair_of(world: World, session: SessionRecord, role: Role) -> Pair:
    """The next pair of tokens of a session."""
    return sessions.give_out(session, role, await signing_key(world), now=world.store.now())


async def signing_key(world: World) -> SigningKey:
    """The key that signs; the first one is made where there is none."""
    return await world.app.context.logins.keys.signing(world.store)


async def sessions_of(world: World) -> People:
    """People of every role, logged in."""
    users = {role: await add_user(world, f"{role}-{new_id()[-6:]}", role) for role in Role}
    key = await world.post("/api/auth/token", {"apiKey": "operator-key-of-the-tests"}, token=None)
    ended = await session_of(world, users[Role.VIEWER])
    await world.store.apply(
        EndSession(owner=ended.session.owner, session_id=ended.session.id, actor=owner_of("somebody"))
    )
    of_key = (await world.get("/api/auth/me", token=key["accessToken"]))["sessionId"]
    return People(
        admin=await session_of(world, users[Role.ADMIN]),
        operator=await session_of(world, users[Role.OPERATOR]),
        viewer=await session_of(world, users[Role.VIEWER]),
        key=Pair(
            access=key["accessToken"],
            refresh=key["refreshToken"],
            session=SessionRecord(owner="operator", id=of_key),
            role=Role.ADMIN,
        ),
        ended=ended,
        signing=await signing_key(world),
        now=world.store.now(),
    )
