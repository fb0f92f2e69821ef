"""What agents and people say to each other: messages, channels, and words to whoever works on a task."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.protocol import limits, rest
from agent_swarm.protocol import rest_messages as shapes
from agent_swarm.server.access import operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.arguments import Cursor, Limit, Nothing, OnceOnly
from agent_swarm.services.messages import Wanted
from agent_swarm.services.tokens import Scope

PAGE = 20  # a model reads every word of it
_SHOWN = ("id", "kind", "sender", "senderName", "channel", "taskId", "replyTo", "interrupt", "postedAt", "text")


class PostMessage(OnceOnly, shapes.MessageInput):
    """Arguments of post-message."""


class SteerTask(OnceOnly, shapes.SteerInput):
    """Arguments of steer-task."""

    task_id: rest.Id


class ReadMessages(rest.Input):
    """Arguments of read-messages."""

    unread: Annotated[bool, Field(description="false: also what you have read")] = True
    mentions: Annotated[bool, Field(description="only what mentions you")] = False
    channel: Annotated[rest.Label, Field(description="instead: all that was said in it")] | None = None
    task_id: Annotated[rest.Id, Field(description="instead: what was said about this task")] | None = None
    sent: Annotated[bool, Field(description="instead: what you wrote")] = False
    since: Annotated[rest.Text, Field(max_length=64, description="RFC 3339")] | None = None
    mark_read: bool = True
    limit: Limit = PAGE
    cursor: Cursor | None = None

    @property
    def wanted(self) -> Wanted:
        """The list that is meant: what the caller got, or one that stands for itself."""
        stands_alone = self.sent or self.channel is not None or self.task_id is not None
        return Wanted(
            unread=self.unread and not stands_alone,
            mentions=self.mentions,
            channel=self.channel,
            task_id=self.task_id,
            sent=self.sent,
            since=self.since,
        )


class ListChannels(Nothing):
    """Arguments of list-channels."""

    cursor: Cursor | None = None


class JoinChannel(rest.Input):
    """Arguments of join-channel."""

    channel: rest.Label
    member: Annotated[rest.Label, Field(description="an agent's name or id; default: yourself")] | None = None
    leave: bool = False


class TalkingTools:
    """Parses, calls `services.messages` and `services.channels`, renders."""

    def __init__(self, context: Context) -> None:
        self._messages = context.messages
        self._channels = context.channels

    async def post(self, asked: PostMessage, caller: Caller) -> dict[str, Any]:
        """Say something."""
        by = caller.identity
        posted, replayed = await self._messages.post(asked, by=by, idempotency=asked.once("post-message", by))
        return _posted(posted, replayed=replayed)

    async def steer(self, asked: SteerTask, caller: Caller) -> dict[str, Any]:
        """Tell whoever works on a task."""
        by = caller.identity
        once = asked.once("steer-task", by)
        posted, replayed = await self._messages.steer(asked.task_id, asked, by=by, idempotency=once)
        return _posted(posted, replayed=replayed)

    async def read(self, asked: ReadMessages, caller: Caller) -> dict[str, Any]:
        """A page, newest first; what is shown of what one got counts as read from then on."""
        by = caller.identity
        page = await self._messages.page(asked.wanted, cursor=asked.cursor, limit=asked.limit, by=by)
        if asked.mark_read:
            mine = [one.id for one in page.messages if one.delivery is not None and one.delivery.read_at is None]
            if mine:
                await self._messages.mark_read(mine, by=by)
        return {"messages": [_short(one) for one in page.messages], "nextCursor": page.next_cursor}

    async def channels(self, asked: ListChannels, caller: Caller) -> rest.Output:
        """The channels, by name."""
        return await self._channels.page(cursor=asked.cursor, limit=limits.PAGE_DEFAULT, by=caller.identity)

    async def create_channel(self, asked: shapes.ChannelInput, caller: Caller) -> rest.Output:
        """Make a channel."""
        return await self._channels.create(asked, by=caller.identity)

    async def join(self, asked: JoinChannel, caller: Caller) -> rest.Output:
        """Have somebody join or leave."""
        by = caller.identity
        who = asked.member or by.actor
        return await self._channels.set_member(asked.channel, who, joins=not asked.leave, by=by)


def _short(message: shapes.Message) -> dict[str, Any]:
    whole = message.model_dump(mode="json", by_alias=True)
    return {name: whole[name] for name in _SHOWN if whole[name] is not False}


def _posted(message: shapes.PostedMessage, *, replayed: bool) -> dict[str, Any]:
    unresolved = [one.model_dump(mode="json", by_alias=True) for one in message.unresolved]
    return {
        "id": message.id,
        "channel": message.channel,
        "to": message.to,
        "recipients": message.recipients,
        "unresolved": unresolved,
        "replayed": replayed or None,
    }


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = TalkingTools(context)
    reading = operators_and_attempts(Scope.MESSAGES_READ, Scope.OWN_MESSAGES)
    writing = operators_and_attempts(Scope.MESSAGES_WRITE, Scope.OWN_MESSAGES)
    return [
        Tool(
            name="post-message",
            description=(
                "Say something to agents (`to`: names or ids, `user:<name>`, `operator`), to a channel, or to all "
                "(`broadcast`). @name, @role and @all in the text mention; an idle agent that is mentioned is woken."
            ),
            takes=PostMessage,
            access=writing,
            call=face.post,
        ),
        Tool(
            name="read-messages",
            description="What you got and have not read yet, newest first; or one channel, one task, what you wrote.",
            takes=ReadMessages,
            access=reading,
            call=face.read,
        ),
        Tool(
            name="list-channels",
            description="The channels, and whether you are in them.",
            takes=ListChannels,
            access=reading,
            call=face.channels,
            is_reading=True,
        ),
        Tool(
            name="create-channel",
            description="Make a channel; you are in it.",
            takes=shapes.ChannelInput,
            access=writing,
            call=face.create_channel,
        ),
        Tool(
            name="join-channel",
            description="Join a channel, leave it, or bring another agent into it.",
            takes=JoinChannel,
            access=writing,
            call=face.join,
        ),
        Tool(
            name="steer-task",
            description=(
                "Tell the agent that works on a task something; with `interrupt` it stops what it does to read it."
            ),
            takes=SteerTask,
            access=operators_and_attempts(Scope.MESSAGES_WRITE, Scope.CHILDREN_STEER),
            call=face.steer,
        ),
    ]
