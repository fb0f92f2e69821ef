"""Messages, deliveries and channels as people see them."""

from collections.abc import Iterable, Sequence
from typing import Any

from agent_swarm.domain.mentions import Mentions
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import rest_messages as rest
from agent_swarm.store.families import mail


def posted(message: mail.Message, unresolved: Iterable[rest.Unresolved]) -> rest.PostedMessage:
    """The answer of posting."""
    return rest.PostedMessage(**_fields(message), unresolved=list(unresolved))


def listed(message: mail.Message, its: mail.Delivery | None) -> rest.ListedMessage:
    """A message of a list."""
    return rest.ListedMessage(**_fields(message), delivery=None if its is None else delivery(its))


def detail(message: mail.Message, found: Sequence[mail.Delivery], following: str | None) -> rest.MessageDetail:
    """A message with its deliveries."""
    return rest.MessageDetail(**_fields(message), deliveries=[delivery(one) for one in found], next_cursor=following)


def delivery(one: mail.Delivery) -> rest.Delivery:
    """How far a message has come."""
    return rest.Delivery(
        recipient=one.recipient,
        status=one.status,
        is_mention=one.is_mention,
        task_id=one.task_id,
        fence=one.fence,
        queued_at=to_wire(one.queued_at),
        delivered_at=_instant(one.delivered_at),
        acknowledged_at=_instant(one.acknowledged_at),
        read_at=_instant(one.read_at),
    )


def unresolved(meant: Mentions) -> list[rest.Unresolved]:
    """The mentions that reach nobody."""
    told = [(word, "unknown") for word in meant.unknown] + [(word, "ambiguous") for word in meant.ambiguous]
    return [rest.Unresolved(mention=f"@{word}", reason=reason) for word, reason in told]


def channel(one: mail.Channel, *, is_member: bool) -> rest.Channel:
    """A channel."""
    return rest.Channel(
        id=one.id,
        name=one.name,
        description=one.description,
        created_by=one.created_by,
        created_at=to_wire(one.created_at),
        is_member=is_member,
    )


def _fields(message: mail.Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "number": message.number,
        "kind": message.kind,
        "sender": message.sender,
        "sender_name": message.sender_name,
        "to": list(message.to),
        "channel": message.channel,
        "task_id": message.task_id,
        "reply_to": message.reply_to,
        "mentions": list(message.mentions),
        "mentions_all": message.mentions_all,
        "interrupt": message.is_interrupt,
        "hops": message.hops,
        "recipients": message.recipients,
        "posted_at": to_wire(message.posted_at),
        "text": message.text,
    }


def _instant(at: int | None) -> str | None:
    return None if at is None else to_wire(at)
