"""What of the messages somebody may see and do: people everything, an agent what it has a part in. Raises Denied."""

from agent_swarm.domain.errors import Denied, NotFound, UnknownReference
from agent_swarm.domain.messages import of_task
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.families.channels import unknown_channel
from agent_swarm.store.families.mail import CHANNELS, DELIVERIES, MEMBERSHIPS, MESSAGES, Message


def require_member(queries: Queries, channel: str, by: Identity) -> None:
    """People are everywhere; agents write and read in channels that they have joined. Raises NotFound, Denied."""
    if queries.record(CHANNELS, channel) is None:
        raise unknown_channel(channel)
    if by.agent_id is not None and queries.record(MEMBERSHIPS, channel, by.actor) is None:
        raise Denied(
            f"this agent is no member of channel {channel!r}",
            hint=f"join it first: PUT /api/channels/{channel}/members/{by.agent_id}",
            details={"channel": channel},
        )


def visible(queries: Queries, message_id: str, by: Identity, *, field: str = "") -> Message:
    """The message, where whoever asks has a part in it."""
    message = queries.record(MESSAGES, message_id)
    if message is not None and (by.agent_id is None or _has_part(queries, message, by)):
        return message
    said = f"there is no message {message_id!r}"
    if field:
        raise UnknownReference(
            f"{field}: {said}, or it is not for this agent", details={"field": field, "value": message_id}
        )
    raise NotFound(said, hint="list messages with: agent-swarm chat read", details={"messageId": message_id})


def _has_part(queries: Queries, message: Message, by: Identity) -> bool:
    if message.sender == by.actor or queries.record(DELIVERIES, by.actor, message.number) is not None:
        return True
    if message.channel is not None and queries.record(MEMBERSHIPS, message.channel, by.actor) is not None:
        return True
    return by.task_id is not None and queries.record(DELIVERIES, of_task(by.task_id), message.number) is not None
