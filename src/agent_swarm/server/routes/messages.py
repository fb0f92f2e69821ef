"""`/api/messages` and `/api/tasks/{id}/steer`: say something, and read what was said."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.errors import NotFound
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.messages import NAME_CHARS
from agent_swarm.protocol import limits, rest
from agent_swarm.protocol import rest_messages as shapes
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import Reply, route
from agent_swarm.server.problems import shown
from agent_swarm.server.repeating import REPLAYED, idempotency_of
from agent_swarm.services.messages import Wanted
from agent_swarm.services.tokens import Scope

BODY_BYTES = 1024 * 1024
AgentId = Annotated[rest.Id | None, Query(alias="agentId", json_schema_extra={"format": "uuid"})]
TaskId = Annotated[rest.Id | None, Query(alias="taskId", json_schema_extra={"format": "uuid"})]
ChannelQuery = Annotated[rest.Text | None, Query(min_length=1, max_length=NAME_CHARS + 1)]
SinceQuery = Annotated[rest.Text | None, Query(max_length=64, description="RFC 3339; nothing from before")]


class MessageRoutes:
    """Parses, calls `services.messages`, renders."""

    def __init__(self, context: Context) -> None:
        self._messages = context.messages

    async def post_message(
        self, request: Request, body: shapes.MessageInput, idempotency_key: params.IdempotencyKey = None
    ) -> Reply[shapes.PostedMessage]:
        """Say something to agents, to a channel, or to all; it is durable when this is answered."""
        by = identity_of(request)
        asked = await idempotency_of(request, by, idempotency_key)
        posted, replayed = await self._messages.post(body, by=by, idempotency=asked)
        return Reply(posted, REPLAYED if replayed else {})

    async def steer_task(
        self,
        request: Request,
        id: params.PathId,
        body: shapes.SteerInput,
        idempotency_key: params.IdempotencyKey = None,
    ) -> Reply[shapes.PostedMessage]:
        """Tell the agent that works on a task something; where none does, the one that takes it up next.

        A lead agent does that with the tasks below its own.
        """
        by = identity_of(request)
        asked = await idempotency_of(request, by, idempotency_key)
        posted, replayed = await self._messages.steer(params.task_id(id), body, by=by, idempotency=asked)
        return Reply(posted, REPLAYED if replayed else {})

    async def list_messages(
        self,
        request: Request,
        unread: Annotated[bool, Query(description="of what one got, what is not marked as read")] = False,
        mentions: Annotated[bool, Query(description="of what one got, what mentions one")] = False,
        channel: ChannelQuery = None,
        task_id: TaskId = None,
        sent: Annotated[bool, Query(description="what one wrote")] = False,
        agent_id: AgentId = None,
        since: SinceQuery = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> shapes.MessagePage:
        """Messages, newest first: agents see what they got, people everything."""
        wanted = Wanted(
            unread=unread,
            mentions=mentions,
            channel=channel,
            task_id=task_id,
            sent=sent,
            agent_id=agent_id,
            since=since,
        )
        return await self._messages.page(wanted, cursor=cursor, limit=limit, by=identity_of(request))

    async def get_message(
        self,
        request: Request,
        id: params.PathId,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> shapes.MessageDetail:
        """A message, and how far it has come on its way to each recipient."""
        return await self._messages.get(_id(id), cursor=cursor, limit=limit, by=identity_of(request))

    async def mark_messages_read(self, request: Request, body: shapes.ReadInput) -> shapes.ReadReply:
        """Say that one has read messages."""
        return shapes.ReadReply(read=await self._messages.mark_read(body.ids, by=identity_of(request)))


def _id(text: str) -> str:
    found = normalize_id(text)
    if found is None:
        raise NotFound(
            f"there is no message {shown(text, limit=64)!r}", hint="list messages with: agent-swarm chat read"
        )
    return found


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = MessageRoutes(context)
    reading = operators_and_attempts(Scope.MESSAGES_READ, Scope.OWN_MESSAGES)
    writing = operators_and_attempts(Scope.MESSAGES_WRITE, Scope.OWN_MESSAGES)
    posted = shapes.PostedMessage
    return [
        route(
            "POST",
            "/api/messages",
            face.post_message,
            answers=posted,
            status=201,
            access=writing,
            body_limit=BODY_BYTES,
            refuses=(404,),
        ),
        route("GET", "/api/messages", face.list_messages, answers=shapes.MessagePage, access=reading, refuses=(404,)),
        route(
            "POST",
            "/api/messages/read",
            face.mark_messages_read,
            answers=shapes.ReadReply,
            access=writing,
            refuses=(404,),
        ),
        route("GET", "/api/messages/{id}", face.get_message, answers=shapes.MessageDetail, access=reading),
        route(
            "POST",
            "/api/tasks/{id}/steer",
            face.steer_task,
            answers=posted,
            status=201,
            access=operators_and_attempts(Scope.MESSAGES_WRITE, Scope.CHILDREN_STEER),
            conflicts=True,
            body_limit=BODY_BYTES,
        ),
    ]
