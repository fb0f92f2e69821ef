"""Files that attempts leave with their tasks."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.attachments import NAME_CHARS
from agent_swarm.protocol import limits
from agent_swarm.protocol import rest_attachments as shapes
from agent_swarm.server import params
from agent_swarm.server.access import attempts, identity_of, operators_and_attempts
from agent_swarm.server.auth import bearer_token
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services import attachments
from agent_swarm.services.tokens import Scope

Name = Annotated[str, Path(max_length=NAME_CHARS, description="the name of the file")]
Attempt = Annotated[
    int | None, Query(ge=1, le=params.SEQ_MAX, description="of this attempt; default: the latest that left one")
]


class AttachmentRoutes:
    """Parses, calls `services`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._redactor = context.redactor

    async def list_attachments(
        self, id: params.PathId, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> shapes.AttachmentList:
        """What the attempts at a task left, those of the latest first."""
        return await self._store.read(attachments.listed(params.task_id(id), cursor=cursor, limit=limit))

    async def get_attachment(self, id: params.PathId, name: Name, attempt: Attempt = None) -> shapes.Attachment:
        """One file."""
        return await self._store.read(attachments.read(params.task_id(id), name, attempt))

    async def put_attachment(
        self, request: Request, id: params.PathId, name: Name, body: shapes.AttachmentInput
    ) -> shapes.Attachment:
        """Leave a file with the caller's own task, in the place of what its attempt left under that name."""
        task_id = params.task_id(id)
        redactor = self._redactor.also(bearer_token(request.scope))  # only its hash is known but for this moment
        stored = await self._store.apply(attachments.store(task_id, name, body, redactor, by=identity_of(request)))
        return await self._store.read(attachments.read(task_id, name, stored.attempt))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = AttachmentRoutes(context)
    reading = operators_and_attempts(Scope.TASKS_READ)
    where = "/api/tasks/{id}/attachments"
    return [
        route("GET", where, face.list_attachments, answers=shapes.AttachmentList, access=reading),
        route("GET", f"{where}/{{name}}", face.get_attachment, answers=shapes.Attachment, access=reading),
        route(
            "PUT",
            f"{where}/{{name}}",
            face.put_attachment,
            answers=shapes.Attachment,
            access=attempts(Scope.OWN_TASK_PROGRESS),
            conflicts=True,
        ),
    ]
