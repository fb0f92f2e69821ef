"""The REST shapes of messages and channels.

A recipient is an actor: `agent:<id>`, `user:<name>` or `operator`; or `task:<id>`, whoever works on that task.
"""

from typing import Annotated, Any

from pydantic import Field, model_validator

from agent_swarm.domain.messages import NAME_CHARS, DeliveryStatus, MessageKind
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Id, Input, Label, Output, Text, at_most

ADDRESSED = 50  # of one direct message
FORGED = ("from", "sender", "hops")
Addressed = Annotated[
    list[Annotated[Text, Field(min_length=1, max_length=limits.TITLE_CHARS)]], Field(max_length=ADDRESSED)
]


def without_sender(body: Any) -> Any:
    """The body as it came. Raises ValueError where it says who sends it."""
    if isinstance(body, dict) and (forged := [name for name in FORGED if name in body]):
        raise ValueError(f"`{forged[0]}` cannot be sent: the server knows the sender by the token; leave it out")
    return body


class MessageInput(Input):
    """Body of `POST /api/messages`.

    It says one of `to`, `channel` and `broadcast`; an answer (`replyTo`) may leave that out and goes where the message
    came from. `to` names agents by id or name, `user:<name>`, or `operator`. The sender is whoever's token it is.
    """

    text: Text
    to: Addressed | None = None
    channel: Annotated[Text, Field(min_length=1, max_length=NAME_CHARS + 1)] | None = None
    broadcast: bool = False
    reply_to: Id | None = None
    task_id: Id | None = None  # what it is about

    @model_validator(mode="before")
    @classmethod
    def _refuse_a_sender(cls, body: Any) -> Any:
        return without_sender(body)


class SteerInput(Input):
    """Body of `POST /api/tasks/{id}/steer`; with `interrupt` the agent stops what it does to read it."""

    message: Text
    interrupt: bool = False

    @model_validator(mode="before")
    @classmethod
    def _refuse_a_sender(cls, body: Any) -> Any:
        return without_sender(body)


class Unresolved(Output):
    """A mention that reached nobody."""

    mention: str
    reason: str  # `unknown` or `ambiguous`


class Message(Output):
    """Something said. `number` grows without a gap; `mentions` are agents by id."""

    id: str
    number: int
    kind: MessageKind
    sender: str
    sender_name: str
    to: Annotated[list[str], at_most(ADDRESSED)]
    channel: str | None
    task_id: str | None
    reply_to: str | None
    mentions: Annotated[list[str], at_most(ADDRESSED)]
    mentions_all: bool
    interrupt: bool
    hops: int
    recipients: int
    posted_at: str
    text: str


class PostedMessage(Message):
    """Answer of posting: the message is durable."""

    unresolved: Annotated[list[Unresolved], at_most(ADDRESSED)]


class Delivery(Output):
    """How far a message has come on its way to one recipient. `attempt` of a task is known by its fence."""

    recipient: str
    status: DeliveryStatus
    is_mention: bool
    task_id: str | None
    fence: int | None
    queued_at: str
    delivered_at: str | None
    acknowledged_at: str | None
    read_at: str | None


class ListedMessage(Message):
    """A message of a list; `delivery` is that to the reader, in lists of what one got."""

    delivery: Delivery | None


class MessagePage(Output):
    """Messages, newest first."""

    messages: Annotated[list[ListedMessage], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class MessageDetail(Message):
    """A message, and who gets it: the first deliveries by recipient, the rest with `cursor`."""

    deliveries: Annotated[list[Delivery], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class ReadInput(Input):
    """Body of `POST /api/messages/read`: what was read, by id."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=limits.PAGE_MAX)]


class ReadReply(Output):
    """How many of them were unread."""

    read: int


class ChannelInput(Input):
    """Body of `POST /api/channels`. Who makes a channel is a member of it, where that is an agent."""

    name: Annotated[Text, Field(min_length=1, max_length=NAME_CHARS + 1)]
    description: Annotated[Text, Field(max_length=2000)] = ""
    members: Addressed = Field(default_factory=list)


class Channel(Output):
    """A place where several talk; `isMember` is about who asks."""

    id: str
    name: str
    description: str
    created_by: str
    created_at: str
    is_member: bool


class ChannelPage(Output):
    """Channels by name."""

    channels: Annotated[list[Channel], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class Member(Output):
    """A member of a channel."""

    member: str
    joined_at: str


class MemberPage(Output):
    """Members of a channel; at most 1,000 in all."""

    members: Annotated[list[Member], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class MembershipReply(Output):
    """Whether it was a change."""

    channel: Label
    member: str
    is_member: bool
    changed: bool
