"""`/api/kv`: values that agents and people keep under keys."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.kv import COUNT_MAX, KEY_CHARS, KEY_PATTERN
from agent_swarm.protocol import limits, rest_kv
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services.kv import KeyValues
from agent_swarm.services.tokens import Scope

Namespace = Annotated[
    str, Path(max_length=64, pattern="^(swarm|agent|task)(:[A-Za-z0-9-]+)?$", description="swarm, agent:ID or task:ID")
]
Key = Annotated[str, Path(max_length=KEY_CHARS, pattern=KEY_PATTERN)]
IfVersion = Annotated[int | None, Query(alias="ifVersion", ge=0, le=COUNT_MAX)]


class KvRoutes:
    """Parses, calls `services.kv`, renders."""

    def __init__(self, context: Context) -> None:
        self._values: KeyValues = context.key_values

    async def list_values(
        self,
        request: Request,
        namespace: Namespace,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> rest_kv.KvList:
        """The values of a namespace, by key."""
        return await self._values.page(namespace, cursor=cursor, limit=limit, by=identity_of(request))

    async def get_value(self, request: Request, namespace: Namespace, key: Key) -> rest_kv.KvValue:
        """The value under a key."""
        return await self._values.get(namespace, key, by=identity_of(request))

    async def set_value(
        self, request: Request, namespace: Namespace, key: Key, body: rest_kv.KvInput
    ) -> rest_kv.KvValue:
        """Put a value under a key."""
        return await self._values.set(namespace, key, body, by=identity_of(request))

    async def increment_value(
        self, request: Request, namespace: Namespace, key: Key, body: rest_kv.KvIncrement | None = None
    ) -> rest_kv.KvValue:
        """Add to the number under a key, which is 0 where nothing is."""
        return await self._values.increment(namespace, key, body or rest_kv.KvIncrement(), by=identity_of(request))

    async def remove_value(
        self, request: Request, namespace: Namespace, key: Key, if_version: IfVersion = None
    ) -> rest_kv.KvValue:
        """Remove the value under a key; answers what it was."""
        return await self._values.remove(namespace, key, if_version=if_version, by=identity_of(request))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = KvRoutes(context)
    reading = operators_and_attempts(Scope.KV_READ, Scope.OWN_KV)
    writing = operators_and_attempts(Scope.KV_WRITE, Scope.OWN_KV)
    value, page, one = rest_kv.KvValue, rest_kv.KvList, "/api/kv/{namespace}/{key}"
    return [
        route("GET", "/api/kv/{namespace}", face.list_values, answers=page, access=reading),
        route("GET", one, face.get_value, answers=value, access=reading),
        route("PUT", one, face.set_value, answers=value, access=writing, conflicts=True),
        route("DELETE", one, face.remove_value, answers=value, access=writing, conflicts=True),
        route("POST", f"{one}/increment", face.increment_value, answers=value, access=writing, conflicts=True),
    ]
