"""Values under keys, in the namespaces of agents, tasks and swarms.

A namespace is named `swarm`, `swarm:NAME`, `agent:ID` or `task:ID`. An attempt has `agent` and `task`, which are its
own, `swarm`, which is that of its task or else everybody's, `swarm:default`, which is everybody's, and no others.
"""

import orjson

from agent_swarm.domain.errors import Denied, InvalidInput, NotFound
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.kv import require_key, require_value, ttl_of
from agent_swarm.domain.notes import THE_SWARM
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import rest_kv as rest
from agent_swarm.services import cursors
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.kv import KV, AddToValue, KvEntry, RemoveValue, SetValue
from agent_swarm.store.families.swarms import living_swarm, swarm_named
from agent_swarm.store.records import TokenKind

_MORE = 3  # pages that are read for one, where values have run out


class KeyValues:
    """The values of one store."""

    def __init__(self, store: Store, redactor: Redactor) -> None:
        self._store = store
        self._redactor = redactor

    async def get(self, namespace: str, key: str, *, by: Identity) -> rest.KvValue:
        """The value under a key. Raises NotFound, Denied."""
        require_key(key)
        now = self._store.now()
        found = await self._store.read(lambda queries: queries.record(KV, namespace_of(queries, namespace, by), key))
        if found is None or not found.is_there(now):
            raise NotFound(f"nothing is stored under {key!r}", hint="see: agent-swarm kv list")
        return _shown(found)

    async def set(self, namespace: str, key: str, wanted: rest.KvInput, *, by: Identity) -> rest.KvValue:
        """Put a value under a key. Raises Conflict for another version, TooLarge, InvalidInput, Denied."""
        kept = await self._namespace(namespace, by)
        require_key(key)
        value = _text(self._redactor.value(wanted.value))
        require_value(value)
        put = SetValue(
            namespace=kept,
            key=key,
            value=value,
            ttl=ttl_of(wanted.ttl_seconds),
            if_version=wanted.if_version,
            actor=by.actor,
        )
        return _shown(await self._store.apply(put))

    async def increment(self, namespace: str, key: str, wanted: rest.KvIncrement, *, by: Identity) -> rest.KvValue:
        """Add to the number under a key, 0 where nothing is. Raises InvalidInput where there is no whole number."""
        kept = await self._namespace(namespace, by)
        require_key(key)
        add = AddToValue(namespace=kept, key=key, by=wanted.by, ttl=ttl_of(wanted.ttl_seconds), actor=by.actor)
        return _shown(await self._store.apply(add))

    async def remove(self, namespace: str, key: str, *, if_version: int | None, by: Identity) -> rest.KvValue:
        """Remove the value under a key; answers what it was. Raises NotFound, Conflict, Denied."""
        kept = await self._namespace(namespace, by)
        require_key(key)
        removal = RemoveValue(namespace=kept, key=key, if_version=if_version, actor=by.actor)
        return _shown(await self._store.apply(removal))

    async def page(self, namespace: str, *, cursor: str | None, limit: int, by: Identity) -> rest.KvList:
        """A page of the values of a namespace, by key. Raises Denied."""
        now = self._store.now()
        after = cursors.read_words(cursor, 1)

        def reading(queries: Queries) -> tuple[list[KvEntry], str | None]:
            kept = namespace_of(queries, namespace, by)
            there: list[KvEntry] = []
            place = after
            for _ in range(_MORE):
                found = queries.scan(KV, kept, after=place, limit=limit + 1)
                there += [entry for entry in found if entry.is_there(now)]
                if len(there) > limit:
                    return there[:limit], there[limit - 1].key
                if len(found) <= limit:
                    return there, None
                place = (found[-1].key,)
            return there, found[-1].key  # what has run out is not removed yet, and there is much of it

        shown, last = await self._store.read(reading)
        following = None if last is None else cursors.after_words(last)
        return rest.KvList(values=[_shown(entry) for entry in shown], next_cursor=following)

    async def _namespace(self, named: str, by: Identity) -> str:
        """As it is stored; only a swarm by its name has to be looked up."""
        if named.startswith("swarm:"):
            return await self._store.read(lambda queries: namespace_of(queries, named, by))
        return namespace_of(None, named, by)


def namespace_of(queries: Queries | None, named: str, by: Identity) -> str:
    """The namespace that is meant, as it is stored; `queries` find a swarm that is named.

    Raises InvalidInput, UnknownReference, and Denied for that of another.
    """
    kind, colon, which = named.partition(":")
    if kind == "swarm":
        return f"swarm/{_swarm(queries, which, by)}"
    if kind not in ("agent", "task"):
        raise _unknown(named)
    own = by.agent_id if kind == "agent" else by.task_id
    if by.kind is TokenKind.ATTEMPT:
        if colon and normalize_id(which) != own:
            raise Denied(
                f"the values of another {kind} are not yours to see", hint=f"use the namespace {kind} or swarm"
            )
        return f"{kind}/{own}"
    identifier = normalize_id(which)
    if identifier is None:
        raise _unknown(named)
    return f"{kind}/{identifier}"


def _swarm(queries: Queries | None, which: str, by: Identity) -> str:
    """An attempt's own where none is named, else everybody's. Another one is refused, whether or not it is there."""
    if which in ("", THE_SWARM):
        return THE_SWARM if which or by.swarm_id is None else by.swarm_id
    assert queries is not None, "a swarm by its name has to be looked up"
    found = swarm_named(queries, which)
    if by.kind is TokenKind.ATTEMPT and (found is None or found.id != by.swarm_id):
        raise Denied(
            "the values of another swarm are not yours to see", hint=f"use the namespace swarm, or swarm:{THE_SWARM}"
        )
    return living_swarm(queries, which, field="namespace").id


def _unknown(named: str) -> InvalidInput:
    return InvalidInput(
        f"{named[:64]!r} is no namespace: expected swarm, swarm:NAME, agent:ID or task:ID",
        hint="an agent's own are agent and task",
        details={"field": "namespace"},
    )


def _text(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError) as exc:  # such as a number of more than 64 bits
        raise InvalidInput(
            f"the value cannot be stored as JSON: {exc}",
            hint="numbers have at most 64 bits",
            details={"field": "value"},
        ) from exc


def _shown(entry: KvEntry) -> rest.KvValue:
    kind, _, which = entry.namespace.partition("/")
    return rest.KvValue(
        namespace=kind if which == THE_SWARM else f"{kind}:{which}",
        key=entry.key,
        value=orjson.loads(entry.value),
        version=entry.version,
        expires_at=None if entry.expires_at is None else to_wire(entry.expires_at),
        created_at=to_wire(entry.created_at),
        updated_at=to_wire(entry.updated_at),
        updated_by=entry.updated_by,
    )
