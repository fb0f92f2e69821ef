"""`/api/channels`: places where several talk, and who is in them."""

from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import limits
from agent_swarm.protocol import rest_messages as shapes
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.services.tokens import Scope

Name = Annotated[str, Path(max_length=limits.TITLE_CHARS)]
Who = Annotated[
    str, Path(max_length=limits.TITLE_CHARS, description="an agent's id or name, `user:<name>`, `operator`")
]


class ChannelRoutes:
    """Parses, calls `services.channels`, renders."""

    def __init__(self, context: Context) -> None:
        self._channels = context.channels

    async def create_channel(self, request: Request, body: shapes.ChannelInput) -> shapes.Channel:
        """Make a channel; an agent that makes one is a member of it."""
        return await self._channels.create(body, by=identity_of(request))

    async def list_channels(
        self, request: Request, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> shapes.ChannelPage:
        """The channels, by name."""
        return await self._channels.page(cursor=cursor, limit=limit, by=identity_of(request))

    async def list_members(
        self, request: Request, name: Name, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> shapes.MemberPage:
        """Who is in a channel."""
        return await self._channels.members(name, cursor=cursor, limit=limit, by=identity_of(request))

    async def join_channel(self, request: Request, name: Name, who: Who) -> shapes.MembershipReply:
        """Have somebody join a channel: an agent itself, a member others, people anybody."""
        return await self._channels.set_member(name, who, joins=True, by=identity_of(request))

    async def leave_channel(self, request: Request, name: Name, who: Who) -> shapes.MembershipReply:
        """Have somebody leave a channel: an agent itself, people anybody."""
        return await self._channels.set_member(name, who, joins=False, by=identity_of(request))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = ChannelRoutes(context)
    reading = operators_and_attempts(Scope.MESSAGES_READ, Scope.OWN_MESSAGES)
    writing = operators_and_attempts(Scope.MESSAGES_WRITE, Scope.OWN_MESSAGES)
    one, reply = "/api/channels/{name}/members/{who}", shapes.MembershipReply
    return [
        route(
            "POST",
            "/api/channels",
            face.create_channel,
            answers=shapes.Channel,
            status=201,
            access=writing,
            conflicts=True,
        ),
        route("GET", "/api/channels", face.list_channels, answers=shapes.ChannelPage, access=reading),
        route("GET", "/api/channels/{name}/members", face.list_members, answers=shapes.MemberPage, access=reading),
        route("PUT", one, face.join_channel, answers=reply, access=writing),
        route("DELETE", one, face.leave_channel, answers=reply, access=writing),
    ]
