"""`/api/projects`: the repositories that tasks work on."""

from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import limits, rest
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services import projects, views
from agent_swarm.services.tokens import Scope

IdOrName = Annotated[rest.Text, Path(alias="idOrName", max_length=limits.LABEL_CHARS)]


class ProjectRoutes:
    """Parses, calls `services.projects`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    async def create_project(self, request: Request, body: rest.ProjectInput) -> rest.Project:
        """Add a repository; the same again answers the same project."""
        created = await self._store.apply(projects.create_project(body, by=identity_of(request)))
        return views.project(created)

    async def list_projects(
        self, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> rest.ProjectList:
        """The projects, by name."""
        return await self._store.read(projects.list_projects(cursor=cursor, limit=limit))

    async def get_project(self, id_or_name: IdOrName) -> rest.Project:
        """One project, by id or name."""
        return await self._store.read(projects.get_project(id_or_name))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = ProjectRoutes(context)
    reading = operators_and_attempts(Scope.PROJECTS_READ)
    return [
        route(
            "POST",
            "/api/projects",
            face.create_project,
            answers=rest.Project,
            status=201,
            access=operators(Scope.PROJECTS_WRITE),
            conflicts=True,
        ),
        route("GET", "/api/projects", face.list_projects, answers=rest.ProjectList, access=reading),
        route("GET", "/api/projects/{idOrName}", face.get_project, answers=rest.Project, access=reading),
    ]
