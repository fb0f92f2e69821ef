"""`/api/swarms`: named groups of agents and tasks."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.swarms import NAME_CHARS
from agent_swarm.protocol import limits, rest
from agent_swarm.protocol import rest_swarms as shapes
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services.swarms import Swarms
from agent_swarm.services.tokens import Scope

Named = Annotated[
    rest.Text, Path(alias="idOrName", max_length=NAME_CHARS, description="the id of a swarm, or its name")
]
AgentId = Annotated[str, Path(alias="agentId", json_schema_extra={"format": "uuid"})]
CancelTasks = Annotated[bool, Query(alias="cancelTasks", description="cancel its tasks that have not ended")]


class SwarmRoutes:
    """Parses, calls `services.swarms`, renders."""

    def __init__(self, context: Context) -> None:
        self._swarms = Swarms(context.store)

    async def create_swarm(self, request: Request, body: shapes.SwarmInput) -> shapes.Swarm:
        """Make a swarm."""
        return await self._swarms.create(body, by=identity_of(request))

    async def list_swarms(
        self, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> shapes.SwarmPage:
        """The swarms that are there, by name."""
        return await self._swarms.page(cursor=cursor, limit=limit)

    async def get_swarm(self, id_or_name: Named) -> shapes.Swarm:
        """One swarm; by its id also one that was deleted."""
        return await self._swarms.get(id_or_name)

    async def update_swarm(self, request: Request, id_or_name: Named, body: shapes.SwarmPatch) -> shapes.Swarm:
        """Pause a swarm, have it go on, or give it another project."""
        return await self._swarms.change(id_or_name, body, by=identity_of(request))

    async def delete_swarm(
        self, request: Request, id_or_name: Named, cancel_tasks: CancelTasks = False
    ) -> shapes.Swarm:
        """Have a swarm be no more: its agents leave it, its name is free."""
        return await self._swarms.delete(id_or_name, cancel_tasks=cancel_tasks, by=identity_of(request))

    async def get_swarm_status(self, id_or_name: Named) -> shapes.SwarmState:
        """A swarm, how many tasks it has of each status, and its agents."""
        return await self._swarms.state(id_or_name)

    async def join_swarm(self, request: Request, id_or_name: Named, agent_id: AgentId) -> shapes.SwarmMembership:
        """Have an agent join a swarm, out of the one that it is in."""
        agent = params.agent_id(agent_id)
        return await self._swarms.set_member(id_or_name, agent, joins=True, by=identity_of(request))

    async def leave_swarm(self, request: Request, id_or_name: Named, agent_id: AgentId) -> shapes.SwarmMembership:
        """Have an agent leave a swarm."""
        agent = params.agent_id(agent_id)
        return await self._swarms.set_member(id_or_name, agent, joins=False, by=identity_of(request))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = SwarmRoutes(context)
    reading, writing = operators(Scope.SWARMS_READ), operators(Scope.SWARMS_WRITE)
    one, member = "/api/swarms/{idOrName}", "/api/swarms/{idOrName}/agents/{agentId}"
    swarm, membership = shapes.Swarm, shapes.SwarmMembership
    return [
        route("POST", "/api/swarms", face.create_swarm, answers=swarm, status=201, access=writing, conflicts=True),
        route("GET", "/api/swarms", face.list_swarms, answers=shapes.SwarmPage, access=reading),
        route("GET", one, face.get_swarm, answers=swarm, access=reading),
        route("PATCH", one, face.update_swarm, answers=swarm, access=writing, conflicts=True),
        route("DELETE", one, face.delete_swarm, answers=swarm, access=writing, conflicts=True),
        route("GET", f"{one}/status", face.get_swarm_status, answers=shapes.SwarmState, access=reading),
        route("PUT", member, face.join_swarm, answers=membership, access=writing, conflicts=True),
        route("DELETE", member, face.leave_swarm, answers=membership, access=writing, conflicts=True),
    ]
