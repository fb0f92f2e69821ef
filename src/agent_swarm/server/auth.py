"""From a bearer token to an identity.

Tokens are looked up by their hash, those of sessions by what they say, and remembered for a moment. What ends a token -
a revocation, another process of the agent, the end of an attempt, a user who is changed - is an event, and forgets it
before the answer to whatever caused it leaves; the short life of a memory covers the rest. A look-up that such an event
overtakes is not remembered.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from starlette.types import Scope

from agent_swarm.domain.errors import Unauthenticated
from agent_swarm.services import jwts, sessions, tokens
from agent_swarm.services.signing_keys import SigningKeys
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Committed, Store
from agent_swarm.store.records import TokenKind

REMEMBERED = 4096
MEMORY_SECONDS = 30.0  # re-registering the same process replaces its token without an event
EVERYTHING = "*"
# Events of a task that leave its attempt, if any, as it was.
_HARMLESS = frozenset(
    {
        "task.created",
        "task.ready",
        "task.started",
        "task.progressed",
        "task.outcomeStated",
        "task.usageBooked",
        "task.reprioritized",
    }
)
_BY_ID = frozenset({"agent", "user", "session"})
_HARMLESS_KINDS = frozenset({"project", "swarm", "auth", "audit"})


@dataclass(slots=True)
class _LookUp:
    """A look-up under way, and what has changed since it began."""

    changed: set[str] = field(default_factory=set)


class Authenticator:
    """Tells whose token a request carries."""

    def __init__(self, store: Store, keys: SigningKeys, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._keys = keys
        self._monotonic = monotonic
        self._known: OrderedDict[str, tuple[Identity, float]] = OrderedDict()
        self._by_cause: defaultdict[str, set[str]] = defaultdict(set)  # what may end a token -> hashes
        self._look_ups: dict[int, _LookUp] = {}
        self.close = store.subscribe(self._forget_ended)

    async def identify(self, scope: Scope) -> Identity:
        """Whose token the request carries; raises Unauthenticated, saying what is wrong with it."""
        token = bearer_token(scope)
        token_hash = tokens.hash_token(token)
        remembered = self._known.get(token_hash)
        if remembered is not None and self._still_counts(*remembered):
            self._known.move_to_end(token_hash)
            return remembered[0]
        look_up = _LookUp()
        self._look_ups[id(look_up)] = look_up
        try:
            identity = await self._look_up(token, token_hash)
        finally:
            del self._look_ups[id(look_up)]
        if look_up.changed.isdisjoint(_causes(identity)):
            self._remember(token_hash, identity)
        return identity

    def remembers(self, token: str) -> bool:
        """Whether the next request with this token is let in without a look at the store."""
        remembered = self._known.get(tokens.hash_token(token))
        return remembered is not None and self._still_counts(*remembered)

    async def _look_up(self, token: str, token_hash: str) -> Identity:
        if not jwts.looks_like_one(token):
            return await self._store.read(tokens.authenticate(token_hash, now=self._store.now()))
        await jwts.prepared()
        return await self._store.read(sessions.authenticate(token, self._keys, now=self._store.now()))

    def _still_counts(self, identity: Identity, until: float) -> bool:
        is_expired = identity.expires_at is not None and identity.expires_at <= self._store.now()
        return self._monotonic() < until and not is_expired

    def _remember(self, token_hash: str, identity: Identity) -> None:
        self._known[token_hash] = (identity, self._monotonic() + MEMORY_SECONDS)
        self._known.move_to_end(token_hash)
        for cause in _causes(identity):
            self._by_cause[cause].add(token_hash)
        while len(self._known) > REMEMBERED:
            self._forget(next(iter(self._known)))

    def _forget(self, token_hash: str) -> None:
        remembered = self._known.pop(token_hash, None)
        if remembered is None:
            return
        for cause in _causes(remembered[0]):
            hashes = self._by_cause[cause]
            hashes.discard(token_hash)
            if not hashes:
                del self._by_cause[cause]

    def _forget_ended(self, committed: Committed) -> None:
        changed = set(_changes(committed))
        for look_up in self._look_ups.values():
            look_up.changed |= changed
        for cause in changed & self._by_cause.keys():
            for token_hash in tuple(self._by_cause[cause]):
                self._forget(token_hash)


def bearer_token(scope: Scope) -> str:
    """The token of the request; raises Unauthenticated where there is none, or more than one."""
    sent = [value for name, value in scope["headers"] if name == b"authorization"]
    if not sent:
        raise Unauthenticated("this needs a token", hint="send one: Authorization: Bearer <API key>")
    scheme, _, token = str(sent[0], "latin-1").partition(" ")
    if len(sent) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(
            "the Authorization header is not one bearer token", hint="send: Authorization: Bearer <API key>"
        )
    return token.strip()


def _causes(identity: Identity) -> tuple[str, ...]:
    """What may end this identity's token."""
    named = (
        f"agent:{identity.agent_id}" if identity.agent_id else "",
        f"task:{identity.task_id}" if identity.task_id else "",
        *((f"session:{identity.token_id}", identity.owner) if identity.kind is TokenKind.USER else ()),
    )
    return (EVERYTHING, *(name for name in named if name))


def _changes(committed: Committed) -> Iterable[str]:
    for event in committed.events:
        if event.task_id is not None:
            if event.type not in _HARMLESS:
                yield f"task:{event.task_id}"
        elif event.subject_kind in _BY_ID:
            yield f"{event.subject_kind}:{event.subject_id}"
        elif event.subject_kind not in _HARMLESS_KINDS:
            yield EVERYTHING  # a token, or something this version does not know
