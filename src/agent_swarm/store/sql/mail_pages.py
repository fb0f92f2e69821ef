"""Pages of messages: each form of list follows one index, newest first, and costs what it shows."""

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from agent_swarm.store.families.mail import DELIVERIES, MESSAGES, Delivery, Message
from agent_swarm.store.records import MessageFilter
from agent_swarm.store.sql import families, tables

message, delivery = tables.message, tables.delivery
_OF_DELIVERY = "d_"

deliveries_of = (
    sa.select(*(delivery.c[name] for name in DELIVERIES.columns))
    .where(delivery.c.message_id == sa.bindparam("message_id"), delivery.c.recipient > sa.bindparam("after"))
    .order_by(delivery.c.recipient)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


def values_of(wanted: MessageFilter, before: int | None, limit: int) -> dict[str, Any]:
    """The parameters of `page_of`."""
    given = {
        "recipient": wanted.recipient,
        "channel": wanted.channel,
        "task_id": wanted.task_id,
        "sender": wanted.sender,
        "since": wanted.since,
        "before": before,
    }
    return {**{name: value for name, value in given.items() if value is not None}, "limit": limit}


@lru_cache(maxsize=256)
def page_of(
    equal: tuple[str, ...], *, inbox: bool, unread: bool, mentions: bool, since: bool, continues: bool
) -> "sa.Select[Any]":
    """Messages whose columns `equal` have given values; `inbox`: those that a recipient got, with their delivery."""
    columns: list[Any] = [message.c[name] for name in MESSAGES.columns]
    number = delivery.c.number if inbox else message.c.number
    if inbox:
        columns += [delivery.c[name].label(_OF_DELIVERY + name) for name in DELIVERIES.columns]
        found = sa.select(*columns).join_from(delivery, message, message.c.id == delivery.c.message_id)
        found = found.where(delivery.c.recipient == sa.bindparam("recipient"))
    else:
        found = sa.select(*columns)
    found = found.where(*(message.c[name] == sa.bindparam(name) for name in equal))
    if unread:
        found = found.where(delivery.c.read_at.is_(None))
    if mentions:
        found = found.where(delivery.c.is_mention == sa.literal_column("1"))
    if since:
        found = found.where(number > _last_before())
    if continues:
        found = found.where(number < sa.bindparam("before"))
    return found.order_by(number.desc()).limit(sa.bindparam("limit", type_=sa.Integer))


def _last_before() -> Any:
    """The number of the last message from before the instant `since`: one look into an index."""
    last = (
        sa.select(message.c.number)
        .where(message.c.posted_at < sa.bindparam("since"))
        .order_by(message.c.posted_at.desc(), message.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    return sa.func.coalesce(last, 0)


def statement_of(wanted: MessageFilter, *, continues: bool) -> "sa.Select[Any]":
    """The page of this filter."""
    equal = tuple(name for name in ("channel", "task_id", "sender") if getattr(wanted, name) is not None)
    return page_of(
        equal,
        inbox=wanted.recipient is not None,
        unread=wanted.unread,
        mentions=wanted.mentions,
        since=wanted.since is not None,
        continues=continues,
    )


def loaded(wanted: MessageFilter, row: Any) -> tuple[Message, Delivery | None]:
    """A row of such a page."""
    found: Message = families.record_of(MESSAGES, row)
    if wanted.recipient is None:
        return found, None
    its = {name: row[_OF_DELIVERY + name] for name in DELIVERIES.columns}
    return found, families.record_of(DELIVERIES, its)
