"""`/api/auth`: log in, stay logged in, log out, and see what one has open."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.errors import Denied, InvalidInput, NotFound
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import auth, limits
from agent_swarm.server import cookies, params
from agent_swarm.server.access import PUBLIC, identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import Reply, route
from agent_swarm.services import cursors, sessions
from agent_swarm.services.sessions import Pair
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.services.users import session_view, user_name
from agent_swarm.store.families.accounts import owner_of
from agent_swarm.store.families.sessions import EndSession, EndSessionsOf, RaiseSessionEpoch
from agent_swarm.store.records import TokenKind

LOGIN_BYTES = 64 * 1024
NOT_KEPT = {"cache-control": "no-store"}

OwnerName = Annotated[auth.UserName | None, Query(description="only the sessions of this user")]


class AuthRoutes:
    """Parses, calls `server.logins` and `services.sessions`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._logins = context.logins
        self._peers = context.door.peers

    async def log_in(self, request: Request, body: auth.LoginInput) -> Reply[auth.TokenReply]:
        """Get a pair of tokens, for a password, an API key or a refresh token."""
        pair = await self._pair(request, body)
        headers = dict(NOT_KEPT)
        if body.cookie:
            seconds = (pair.session.expires_at - self._store.now()) // 1_000_000
            headers["set-cookie"] = cookies.written(pair.refresh, seconds=seconds, is_https=cookies.is_https(request))
        reply = auth.TokenReply(
            access_token=pair.access,
            refresh_token=None if body.cookie else pair.refresh,
            expires_in=min(sessions.ACCESS_SECONDS, (pair.session.expires_at - self._store.now()) // 1_000_000),
            role=pair.role,
        )
        return Reply(reply, headers)

    async def revoke(self, request: Request, body: auth.RevokeInput | None = None) -> Reply[auth.RevokeReply]:
        """End one's own session; or another one of one's own; or, as an admin, any, or all."""
        by, asked = identity_of(request), body or auth.RevokeInput()
        if sum((asked.session_id is not None, asked.user is not None, asked.all)) > 1:
            raise InvalidInput("send one of sessionId, user and all, or none of them", details={"field": "body"})
        if asked.all:
            _require_admin(by)
            revoked = await self._store.apply(RaiseSessionEpoch(actor=by.actor)) > 0
        elif asked.user is not None:
            owner = owner_of(user_name(asked.user))
            if owner != by.owner:
                _require_admin(by)
            revoked = await self._store.apply(EndSessionsOf(owner=owner, actor=by.actor))
        else:
            revoked = await self._end_one(by, asked.session_id)
        is_own = asked.all or asked.user is not None or asked.session_id in (None, by.token_id)
        headers = {"set-cookie": cookies.removed()} if is_own else {}
        return Reply(auth.RevokeReply(revoked=revoked), {**NOT_KEPT, **headers})

    async def _end_one(self, by: Identity, session_id: str | None) -> bool:
        if session_id is None and by.kind is not TokenKind.USER:
            raise InvalidInput(
                "an API key is no session", hint="name one with sessionId; another API_KEY ends this one"
            )
        wanted = session_id or by.token_id
        owner = by.owner
        if wanted != by.token_id:
            found = await self._store.read(sessions.find_session(wanted, None if _is_admin(by) else by.owner))
            if found is None:
                raise NotFound(f"no session that you may end has the id {wanted!r}", details={"sessionId": wanted})
            owner = found.owner
        return await self._store.apply(EndSession(owner=owner, session_id=wanted, actor=by.actor))

    async def who_am_i(self, request: Request) -> auth.Me:
        """Whose token this is, and what it may do."""
        by = identity_of(request)
        return auth.Me(
            actor=by.actor,
            role=by.role,
            session_id=by.token_id if by.kind is TokenKind.USER else None,
            scopes=sorted(by.scopes),
            expires_at=to_wire(by.expires_at) if by.expires_at is not None else None,
        )

    async def list_sessions(
        self,
        request: Request,
        user: OwnerName = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> auth.SessionList:
        """The sessions that go on: one's own; as an admin everybody's."""
        by = identity_of(request)
        owner = owner_of(user_name(user)) if user is not None else None if _is_admin(by) else by.owner
        if owner is not None and owner != by.owner:
            _require_admin(by)
        place = cursors.read_words(cursor, 2)
        after = (place[0], place[1]) if place else None
        found = await self._store.read(
            sessions.active_sessions(owner, after=after, limit=limit + 1, now=self._store.now())
        )
        shown, following = cursors.page(found, limit, lambda one: cursors.after_words(one.owner, one.id))
        return auth.SessionList(
            sessions=[session_view(one, current=by.token_id) for one in shown], next_cursor=following
        )

    async def rotate_keys(self, request: Request, body: auth.RotateInput | None = None) -> auth.RotateReply:
        """Have a new key sign from now on; the old one is believed until what it signed has run out."""
        at_once = body is not None and body.at_once
        key_id = await self._logins.replace_key(actor=identity_of(request).actor, at_once=at_once)
        return auth.RotateReply(key_id=key_id)

    async def _pair(self, request: Request, body: auth.LoginInput) -> Pair:
        address = self._peers.address(request.scope)
        has_password = body.username is not None and body.password is not None
        ways = (body.username is not None or body.password is not None, body.api_key, body.refresh_token)
        sent = sum(map(bool, ways))
        if sent == 0 and body.cookie and (token := cookies.read(request)):
            return await self._logins.refresh(token, address=address)
        if sent == 1 and has_password:
            assert body.username is not None and body.password is not None
            return await self._logins.with_password(user_name(body.username), body.password, address=address)
        if sent == 1 and body.api_key is not None:
            return await self._logins.with_key(body.api_key, address=address)
        if sent == 1 and body.refresh_token is not None:
            return await self._logins.refresh(body.refresh_token, address=address)
        raise InvalidInput(
            "expected username and password, or apiKey, or refreshToken, and only one of them",
            hint="with cookie, a refresh token may come as the cookie instead",
            details={"field": "body"},
        )


def _is_admin(by: Identity) -> bool:
    return by.may(Scope.USERS_ADMIN)


def _require_admin(by: Identity) -> None:
    if not _is_admin(by):
        raise Denied("this needs the scope users:admin, which the token does not have", hint="ask an admin")


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = AuthRoutes(context)
    own = operators(Scope.OWN_SESSION).also_while_killed()
    admins = operators(Scope.USERS_ADMIN).also_while_killed()
    return [
        route(
            "POST",
            "/api/auth/token",
            face.log_in,
            answers=auth.TokenReply,
            access=PUBLIC,
            body_limit=LOGIN_BYTES,
            refuses=(401, 429),
            conflicts=True,
        ),
        route("POST", "/api/auth/revoke", face.revoke, answers=auth.RevokeReply, access=own),
        route("GET", "/api/auth/me", face.who_am_i, answers=auth.Me, access=own),
        route("GET", "/api/auth/sessions", face.list_sessions, answers=auth.SessionList, access=own),
        route(
            "POST", "/api/auth/keys/rotate", face.rotate_keys, answers=auth.RotateReply, access=admins, conflicts=True
        ),
    ]
