"""`/api/conflicts`: running attempts that would not merge as they are now."""

from typing import Annotated

from fastapi import Query
from starlette.routing import BaseRoute

from agent_swarm.protocol import limits, rest
from agent_swarm.protocol.rest_radar import ConflictPage
from agent_swarm.server import params
from agent_swarm.server.access import operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services import conflicts
from agent_swarm.services.tokens import Scope

Project = Annotated[
    rest.Text | None, Query(max_length=limits.LABEL_CHARS, description="the id of a project, or its name")
]


class ConflictRoutes:
    """Parses, calls `services.conflicts`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    async def list_conflicts(
        self, project: Project = None, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> ConflictPage:
        """Pairs of running attempts that would not merge as they are now, and in which files."""
        return await conflicts.page(self._store, project, cursor=cursor, limit=limit)


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    reading = operators_and_attempts(Scope.TASKS_READ)
    return [
        route(
            "GET",
            "/api/conflicts",
            ConflictRoutes(context).list_conflicts,
            answers=ConflictPage,
            access=reading,
            refuses=(404,),
        ),
    ]
