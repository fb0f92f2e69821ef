"""`/api/config`: values that people store, for agents and for the server."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.configuration import KEY_CHARS, ConfigScope
from agent_swarm.domain.ids import normalize_id
from agent_swarm.protocol import limits, rest, rest_config
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.problems import shown
from agent_swarm.services.configuration import Configuration, Where
from agent_swarm.services.tokens import Scope

KeyQuery = Annotated[rest.Text | None, Query(max_length=KEY_CHARS)]
ScopeQuery = Annotated[ConfigScope | None, Query()]
PlaceQuery = Annotated[
    rest.Text | None,
    Query(alias="scopeId", max_length=limits.LABEL_CHARS, description="only together with `scope`"),
]
SecretsQuery = Annotated[
    bool, Query(alias="includeSecrets", description="show the values of secrets; needs config:admin, and is an event")
]


class ConfigRoutes:
    """Parses, calls `services.configuration`, renders."""

    def __init__(self, context: Context) -> None:
        self._configuration: Configuration = context.configuration

    async def put_config(self, request: Request, body: rest_config.ConfigInput) -> rest_config.ConfigEntry:
        """Store a value in the place of the one before; the same again changes nothing."""
        return await self._configuration.put(body, by=identity_of(request))

    async def list_config(
        self,
        request: Request,
        scope: ScopeQuery = None,
        scope_id: PlaceQuery = None,
        key: KeyQuery = None,
        include_secrets: SecretsQuery = False,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> rest_config.ConfigList:
        """The stored configuration, by place and key."""
        where = Where(scope=scope, scope_id=scope_id, key=key)
        return await self._configuration.page(
            where, cursor=cursor, limit=limit, secrets=include_secrets, by=identity_of(request)
        )

    async def resolve_config(
        self,
        request: Request,
        agent_id: Annotated[rest.Id | None, Query(alias="agentId", json_schema_extra={"format": "uuid"})] = None,
        project: params.TextQuery = None,
        swarm: params.TextQuery = None,
        key: KeyQuery = None,
        include_secrets: SecretsQuery = False,
    ) -> rest_config.ResolvedConfig:
        """What counts for an agent, in a project, in a swarm: the most specific place wins."""
        return await self._configuration.resolved(
            agent=agent_id,
            project=project,
            swarm=swarm,
            key=key,
            secrets=include_secrets,
            by=identity_of(request),
        )

    async def get_config(
        self, request: Request, id: params.PathId, include_secrets: SecretsQuery = False
    ) -> rest_config.ConfigEntry:
        """One entry."""
        return await self._configuration.get(_id(id), secrets=include_secrets, by=identity_of(request))

    async def remove_config(self, request: Request, id: params.PathId) -> rest_config.ConfigEntry:
        """Remove an entry; answers what it was."""
        return await self._configuration.remove(_id(id), by=identity_of(request))


def _id(text: str) -> str:
    return normalize_id(text) or shown(text, limit=64)


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = ConfigRoutes(context)
    reading, writing = operators(Scope.CONFIG_READ), operators(Scope.CONFIG_WRITE)
    entry, page, winners = rest_config.ConfigEntry, rest_config.ConfigList, rest_config.ResolvedConfig
    return [
        route("PUT", "/api/config", face.put_config, answers=entry, access=writing, conflicts=True),
        route("GET", "/api/config", face.list_config, answers=page, access=reading),
        route("GET", "/api/config/resolved", face.resolve_config, answers=winners, access=reading, conflicts=True),
        route("GET", "/api/config/{id}", face.get_config, answers=entry, access=reading, conflicts=True),
        route("DELETE", "/api/config/{id}", face.remove_config, answers=entry, access=writing),
    ]
