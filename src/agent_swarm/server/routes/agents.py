"""`/api/agents` and `/api/overview`: who works, and on what."""

from starlette.routing import BaseRoute

from agent_swarm.protocol import limits, rest
from agent_swarm.server import params
from agent_swarm.server.access import operators, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services import agents, readings
from agent_swarm.services.tokens import Scope


class AgentRoutes:
    """Parses, calls `services`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    async def list_agents(
        self, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> rest.AgentList:
        """The agents, by name."""
        return await self._store.read(agents.list_agents(cursor=cursor, limit=limit, now=self._store.now()))

    async def get_agent(self, id: params.PathId) -> rest.Agent:
        """One agent."""
        return await self._store.read(agents.get_agent(params.agent_id(id), now=self._store.now()))

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
        route("GET", "/api/overview", face.get_overview, answers=rest.Overview, access=operators(Scope.TASKS_READ)),
    ]
