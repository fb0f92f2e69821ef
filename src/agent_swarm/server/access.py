"""Who may call what. Every route declares it; a route that does not is closed to everyone.

The guard stands between the router and the route's own code, so nothing of a request is read before it is known whose
it is.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_swarm.domain.errors import Denied, RateLimited, Unauthenticated
from agent_swarm.server.auth import Authenticator
from agent_swarm.server.bodies import limited
from agent_swarm.server.denials import Denials
from agent_swarm.server.killing.board import SwitchBoard
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.peers import Peers
from agent_swarm.server.rates import RateClass, RateLimits
from agent_swarm.services.tokens import Identity
from agent_swarm.services.tokens import Scope as Permission
from agent_swarm.store.records import TokenKind

E = TypeVar("E", bound=Callable[..., Any])

READING = frozenset({"GET", "HEAD", "OPTIONS"})
# The addresses of the dashboard: one page without data, the same for everybody.
DASHBOARD_PATHS = (
    "/",
    "/board",
    "/tasks/{id}",
    "/tasks/{id}/graph",
    "/timeline",
    "/agents",
    "/agents/{id}",
    "/chat",
    "/approvals",
    "/repositories",
    "/schedules",
    "/schedules/{id}",
    "/costs",
    "/audit",
    "/settings",
)
PUBLIC_PATHS = frozenset(
    {"/health", "/ready", "/openapi.json", "/docs", "/api/auth/token", "/assets/{name}", *DASHBOARD_PATHS}
)
_READS = frozenset({"GET", "HEAD"})
_WITHOUT_RATE = {Permission.POOL_WORK, Permission.KILL_SWITCH_WRITE}


@dataclass(frozen=True, slots=True)
class Access:
    """The kinds of token a route is for, of which each needs one of the scopes.

    While the kill switch is on, people may read, and `while_killed` routes serve whom they always serve.
    """

    kinds: frozenset[TokenKind] = frozenset()
    scopes: frozenset[Permission] = frozenset()
    is_public: bool = False
    while_killed: bool = False

    def refusal(self, identity: Identity) -> str:
        """Why `identity` may not pass; empty when it may."""
        if identity.kind not in self.kinds:
            allowed = " or ".join(sorted(self.kinds)) or "nobody"
            return f"this is for {allowed}, and the token is of kind {identity.kind}"
        if not any(identity.may(scope) for scope in self.scopes):
            return f"this needs the scope {' or '.join(sorted(self.scopes))}, which the token does not have"
        return ""

    def serves_killed(self, identity: Identity, method: str) -> bool:
        """Whether it serves this request while everything is stopped."""
        is_reading = method in READING and identity.kind not in (TokenKind.AGENT, TokenKind.ATTEMPT)
        return self.while_killed or is_reading

    def also_while_killed(self) -> "Access":
        """The same, also while the kill switch is on."""
        return replace(self, while_killed=True)


PUBLIC = Access(is_public=True)
NOBODY = Access()
_PEOPLE = frozenset({TokenKind.OPERATOR, TokenKind.USER})


def operators(*scopes: Permission) -> Access:
    """For people, by an operator's API key, or by their session where their role has the scope."""
    return Access(_PEOPLE, frozenset(scopes))


def attempts(*scopes: Permission) -> Access:
    """For running agents."""
    return Access(frozenset({TokenKind.ATTEMPT}), frozenset(scopes))


def operators_and_attempts(*scopes: Permission) -> Access:
    """For people and for running agents."""
    return Access(_PEOPLE | {TokenKind.ATTEMPT}, frozenset(scopes))


def people_and_agents(*scopes: Permission) -> Access:
    """For people, for running agents, and for worker processes with their own token."""
    return Access(_PEOPLE | {TokenKind.ATTEMPT, TokenKind.AGENT}, frozenset(scopes))


def operators_and_workers(*scopes: Permission) -> Access:
    """For worker processes, with their own token or with the API key."""
    return Access(frozenset({TokenKind.OPERATOR, TokenKind.AGENT}), frozenset(scopes))


def workers(*scopes: Permission) -> Access:
    """For worker processes, with their own token."""
    return Access(frozenset({TokenKind.AGENT}), frozenset(scopes))


def identity_of(connection: HTTPConnection) -> Identity:
    """Who made this request. Only for routes that are not public."""
    identity: Identity = connection.scope["state"]["identity"]
    return identity


def access_of(route: BaseRoute) -> Access:
    """What a route declares, on itself or on its endpoint; closed where it declares nothing."""
    declared = getattr(route, "access", None) or getattr(getattr(route, "endpoint", None), "access", None)
    return declared if isinstance(declared, Access) else NOBODY


def declare(access: Access) -> Callable[[E], E]:
    """Declare who may call a plain Starlette endpoint, as a decorator."""

    def mark(endpoint: E) -> E:
        endpoint.access = access  # type: ignore[attr-defined]  # functions take attributes
        return endpoint

    return mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What every guard works with."""

    authenticator: Authenticator
    rates: RateLimits
    denials: Denials
    peers: Peers
    metrics: Metrics
    board: SwitchBoard

    def refused(self, scope: Scope, reason: str, *, who: Identity | None = None) -> None:
        """Count a request that was refused, under who asked or else where it came from."""
        self.metrics.denials.labels(reason).inc()
        self.denials.count(who.limited_as if who else self.peers.address(scope), reason)


def guard_routes(routes: Iterable[BaseRoute], door: Door) -> None:
    """Put every route behind its declaration. Raises TypeError for a route that cannot be guarded."""
    for route in routes:
        if not isinstance(route, Route | WebSocketRoute):
            raise TypeError(f"{route!r} cannot be guarded: add routes one by one, not as a mount or a router")
        access = access_of(route)
        if access.is_public and route.path not in PUBLIC_PATHS:
            raise TypeError(f"{route.path} is declared public; add it to PUBLIC_PATHS if that is meant")
        route.app = Guard(limited(route), access, rate_class_of(route), door)


def rate_class_of(route: Route | WebSocketRoute) -> RateClass | None:
    """What a route's requests are counted as; None for those of workers, of the kill switch, and for what is public."""
    access = access_of(route)
    if access.is_public or not access.scopes.isdisjoint(_WITHOUT_RATE):
        return None
    methods = route.methods if isinstance(route, Route) else None
    return RateClass.READ if methods and methods <= _READS else RateClass.WRITE


class Guard:
    """Lets requests through to a route whose declaration their token meets, as often as its subject may."""

    def __init__(self, app: ASGIApp, access: Access, rate_class: RateClass | None, door: Door) -> None:
        self._app = app
        self._access = access
        self._rate_class = rate_class
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._access.is_public:
            identity = scope["state"]["identity"] = await self._admit(scope)
            if not self._access.serves_killed(identity, scope.get("method", "")):
                self._door.board.refuse()
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Identity:
        try:
            identity = await self._door.authenticator.identify(scope)
        except Unauthenticated:
            if self._access == NOBODY:
                raise self._closed(scope) from None
            self._door.refused(scope, "unauthenticated")
            raise
        if self._access == NOBODY:
            raise self._closed(scope, identity)
        refusal = self._access.refusal(identity)
        if refusal:
            self._door.refused(scope, "denied", who=identity)
            raise Denied(refusal, hint="use a token that may do this", details={"kind": identity.kind.value})
        try:
            self._door.rates.check(identity, self._rate_class)
        except RateLimited:
            self._door.refused(scope, "rateLimited", who=identity)
            raise
        return identity

    def _closed(self, scope: Scope, who: Identity | None = None) -> Denied:
        self._door.refused(scope, "closed", who=who)
        return Denied("nobody may call this", hint="it declares no access; this is a fault of the server")
