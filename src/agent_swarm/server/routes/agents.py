"""`/api/agents` and `/api/overview`: who works, and on what."""

from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import limits, rest
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services import agents, permissions, readings
from agent_swarm.services.tokens import Scope


class AgentRoutes:
    """Parses, calls `services`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._profiles = context.rules.profiles

    async def list_agents(
        self,
        swarm: params.TextQuery = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> rest.AgentList:
        """The agents, by name; with `swarm`, an id or a name, those in there."""
        now = self._store.now()
        return await self._store.read(agents.list_agents(swarm=swarm, cursor=cursor, limit=limit, now=now))

    async def get_agent(self, id: params.PathId) -> rest.Agent:
        """One agent."""
        return await self._store.read(agents.get_agent(params.agent_id(id), now=self._store.now()))

    async def set_permissions(
        self, request: Request, id: params.PathId, body: rest.AgentPermissionsInput
    ) -> rest.Agent:
        """Say what an agent may do, from its next attempt on."""
        agent_id = params.agent_id(id)
        operation = permissions.set_agent_permissions(agent_id, body.profile, self._profiles, by=identity_of(request))
        await self._store.apply(operation)
        return await self._store.read(agents.get_agent(agent_id, now=self._store.now()))

    async def list_profiles(self) -> rest.PermissionProfileList:
        """What agents can be allowed."""
        return permissions.list_profiles(self._profiles)

    async def get_overview(self) -> rest.Overview:
        """What runs, what waits, who works."""
        return await self._store.read(readings.overview(now=self._store.now()))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = AgentRoutes(context)
    reading = operators_and_attempts(Scope.AGENTS_READ)
    return [
        route("GET", "/api/agents", face.list_agents, answers=rest.AgentList, access=reading),
        route("GET", "/api/agents/{id}", face.get_agent, answers=rest.Agent, access=reading),
        route(
            "PUT",
            "/api/agents/{id}/permissions",
            face.set_permissions,
            answers=rest.Agent,
            access=operators(Scope.AGENTS_ADMIN),
            conflicts=True,
        ),
        route(
            "GET", "/api/permission-profiles", face.list_profiles, answers=rest.PermissionProfileList, access=reading
        ),
        route("GET", "/api/overview", face.get_overview, answers=rest.Overview, access=operators(Scope.TASKS_READ)),
    ]
