"""`/api/agents` and `/api/overview`: who works, and on what."""

from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import limits, rest, rest_agents
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators, operators_and_attempts
from agent_swarm.server.auth import bearer_token
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services import agent_tree, agents, permissions, readings
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Scope
from agent_swarm.store import operations
from agent_swarm.store.operations import Operation


class AgentRoutes:
    """Parses, calls `services`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._rules = context.rules
        self._profiles = context.rules.profiles
        self._redactor = context.redactor

    async def list_agents(
        self,
        swarm: params.TextQuery = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> rest.AgentList:
        """The agents, by name; with `swarm`, an id or a name, those in there."""
        now = self._store.now()
        return await self._store.read(agents.list_agents(swarm=swarm, cursor=cursor, limit=limit, now=now))

    async def get_agent(self, id: params.PathId) -> rest_agents.AgentDetail:
        """One agent."""
        return await self._show(params.agent_id(id))

    async def add_agent(self, request: Request, body: rest_agents.AgentInput) -> rest_agents.AgentAdded:
        """Introduce an agent, below the agent whose token asks."""
        adding = agent_tree.add_agent(body, self._redactor_for(request), self._rules, by=identity_of(request))
        added = await self._store.apply(await self._store.read(adding))
        shown = await self._show(added.agent.profile.id)
        return rest_agents.AgentAdded(**dict(shown), repeated=added.repeated)

    async def stop_agent(
        self, request: Request, id: params.PathId, body: rest_agents.StopAgentInput
    ) -> rest_agents.AgentsStopped:
        """Let an agent get no work, and have its runs interrupted: their tasks go to others."""
        by, agent_id = identity_of(request), params.agent_id(id)
        await self._store.read(lambda queries: agent_tree.require_below(queries, agent_id, by=by))
        redactor = self._redactor_for(request)
        operation = agent_tree.stop_agent(agent_id, redactor, recursive=body.recursive, reason=body.reason, by=by)
        return await self._stopped(agent_id, operation)

    async def start_agent(
        self, request: Request, id: params.PathId, body: rest_agents.StartAgentInput
    ) -> rest_agents.AgentsStopped:
        """Let an agent that was stopped get work again."""
        by, agent_id = identity_of(request), params.agent_id(id)
        await self._store.read(lambda queries: agent_tree.require_below(queries, agent_id, by=by))
        return await self._stopped(agent_id, agent_tree.start_agent(agent_id, recursive=body.recursive, by=by))

    async def _stopped(
        self, agent_id: str, operation: Operation[operations.AgentsStopped]
    ) -> rest_agents.AgentsStopped:
        done = await self._store.apply(operation)
        return rest_agents.AgentsStopped(
            agent=await self._show(agent_id),
            agents=list(done.agents[: limits.AGENTS_TOLD]),
            interrupted=list(done.interrupted[: limits.AGENTS_TOLD]),
        )

    def _redactor_for(self, request: Request) -> Redactor:
        return self._redactor.also(bearer_token(request.scope))  # only its hash is known but for this moment

    async def _show(self, agent_id: str) -> rest_agents.AgentDetail:
        return await self._store.read(agents.get_agent(agent_id, now=self._store.now()))

    async def set_permissions(
        self, request: Request, id: params.PathId, body: rest.AgentPermissionsInput
    ) -> rest_agents.AgentDetail:
        """Say what an agent may do, from its next attempt on."""
        agent_id = params.agent_id(id)
        operation = permissions.set_agent_permissions(agent_id, body.profile, self._profiles, by=identity_of(request))
        await self._store.apply(operation)
        return await self._show(agent_id)

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
    stopping = operators_and_attempts(Scope.AGENTS_WRITE, Scope.CHILDREN_STEER)
    return [
        route("GET", "/api/agents", face.list_agents, answers=rest.AgentList, access=reading),
        route("GET", "/api/agents/{id}", face.get_agent, answers=rest_agents.AgentDetail, access=reading),
        route(
            "POST",
            "/api/agents",
            face.add_agent,
            answers=rest_agents.AgentAdded,
            status=201,
            access=operators_and_attempts(Scope.AGENTS_WRITE, Scope.CHILDREN_CREATE),
            conflicts=True,
        ),
        route(
            "POST",
            "/api/agents/{id}/stop",
            face.stop_agent,
            answers=rest_agents.AgentsStopped,
            access=stopping,
        ),
        route(
            "POST",
            "/api/agents/{id}/start",
            face.start_agent,
            answers=rest_agents.AgentsStopped,
            access=stopping,
        ),
        route(
            "PUT",
            "/api/agents/{id}/permissions",
            face.set_permissions,
            answers=rest_agents.AgentDetail,
            access=operators(Scope.AGENTS_ADMIN),
            conflicts=True,
        ),
        route(
            "GET", "/api/permission-profiles", face.list_profiles, answers=rest.PermissionProfileList, access=reading
        ),
        route("GET", "/api/overview", face.get_overview, answers=rest.Overview, access=operators(Scope.TASKS_READ)),
    ]
