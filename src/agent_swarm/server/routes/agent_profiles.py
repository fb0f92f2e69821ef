"""`/api/agents/{id}/profile`: what is said of an agent, and to it, in versions."""

from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import limits, rest_profiles
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators, operators_and_attempts
from agent_swarm.server.auth import bearer_token
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services import agent_profiles
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.operations import ChangeAgentProfile

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


class ProfileRoutes:
    """Parses, calls `services.agent_profiles`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._redactor = context.redactor

    async def get_agent_profile(self, request: Request, id: params.PathId) -> rest_profiles.AgentProfile:
        """The version in force, and what the agent's worker reports."""
        return await self._store.read(agent_profiles.get_profile(params.agent_id(id), by=identity_of(request)))

    async def change_agent_profile(
        self, request: Request, id: params.PathId, body: rest_profiles.ProfileInput
    ) -> rest_profiles.AgentProfile:
        """Say something else of an agent; it counts for claims at once, for runs with the next attempt."""
        by, agent_id = identity_of(request), params.agent_id(id)
        redactor = self._redactor.also(bearer_token(request.scope))  # only its hash is known but for this moment
        return await self._written(agent_profiles.change_profile(agent_id, body, redactor, by=by), by)

    async def list_agent_profile_versions(
        self,
        request: Request,
        id: params.PathId,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> rest_profiles.ProfileVersionList:
        """Who changed it, when and why."""
        by, agent_id = identity_of(request), params.agent_id(id)
        return await self._store.read(agent_profiles.list_versions(agent_id, cursor=cursor, limit=limit, by=by))

    async def get_agent_profile_version(
        self, request: Request, id: params.PathId, number: Number
    ) -> rest_profiles.ProfileVersion:
        """One version, whole."""
        by, agent_id = identity_of(request), params.agent_id(id)
        return await self._store.read(agent_profiles.get_version(agent_id, number, by=by))

    async def restore_agent_profile_version(
        self, request: Request, id: params.PathId, number: Number, body: rest_profiles.RestoreInput
    ) -> rest_profiles.AgentProfile:
        """Let an earlier version count again, as the next one."""
        by, agent_id = identity_of(request), params.agent_id(id)
        return await self._written(agent_profiles.restore(agent_id, number, body, self._redactor, by=by), by)

    async def _written(self, operation: ChangeAgentProfile, by: Identity) -> rest_profiles.AgentProfile:
        await self._store.apply(operation)
        return await self._store.read(agent_profiles.get_profile(operation.agent_id, by=by))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = ProfileRoutes(context)
    reading = operators_and_attempts(Scope.AGENTS_READ, Scope.OWN_PROFILE)
    path = "/api/agents/{id}/profile"
    return [
        route("GET", path, face.get_agent_profile, answers=rest_profiles.AgentProfile, access=reading),
        route(
            "PATCH",
            path,
            face.change_agent_profile,
            answers=rest_profiles.AgentProfile,
            access=operators_and_attempts(Scope.AGENTS_WRITE, Scope.OWN_PROFILE),
            conflicts=True,
        ),
        route(
            "GET",
            f"{path}/versions",
            face.list_agent_profile_versions,
            answers=rest_profiles.ProfileVersionList,
            access=reading,
        ),
        route(
            "GET",
            f"{path}/versions/{{number}}",
            face.get_agent_profile_version,
            answers=rest_profiles.ProfileVersion,
            access=reading,
        ),
        route(
            "POST",
            f"{path}/versions/{{number}}/restore",
            face.restore_agent_profile_version,
            answers=rest_profiles.AgentProfile,
            access=operators(Scope.AGENTS_WRITE),
            conflicts=True,
        ),
    ]
