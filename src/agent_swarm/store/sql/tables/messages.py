"""Tables of messages, of how far each has come, of channels and of who is woken."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, instant, metadata

# What agents and people say to each other, and how far it has come.
message = sa.Table(
    "message",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("sender", sa.String(80), nullable=False),
    sa.Column("sender_name", sa.Text, nullable=False),
    sa.Column("channel", sa.String(64)),
    sa.Column("task_id", ID),
    sa.Column("reply_to", ID),
    sa.Column("to", sa.Text, nullable=False),
    sa.Column("mentions", sa.Text, nullable=False),
    sa.Column("mentions_all", sa.Integer, nullable=False),
    sa.Column("is_interrupt", sa.Integer, nullable=False),
    sa.Column("hops", sa.Integer, nullable=False),
    sa.Column("recipients", sa.Integer, nullable=False),
    instant("posted_at", nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("ix_message_number", "number", unique=True),
    sa.Index("ix_message_posted", "posted_at", "number"),
    sa.Index("ix_message_channel", "channel", "number"),
    sa.Index("ix_message_task", "task_id", "number"),
    sa.Index("ix_message_sender", "sender", "number"),
)

message_head = sa.Table(
    "message_head",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)

delivery = sa.Table(
    "delivery",
    metadata,
    sa.Column("recipient", sa.String(80), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("message_id", ID, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("is_mention", sa.Integer, nullable=False),
    sa.Column("task_id", ID),
    sa.Column("fence", sa.BigInteger),
    instant("queued_at", nullable=False),
    instant("delivered_at"),
    instant("acknowledged_at"),
    instant("read_at"),
    sa.Index("ix_delivery_message", "message_id", "recipient"),
)
for _name, _kept in (
    ("ix_delivery_unread", delivery.c.read_at.is_(None)),
    ("ix_delivery_mention", delivery.c.is_mention == 1),
):
    sa.Index(_name, delivery.c.recipient, delivery.c.number, sqlite_where=_kept, postgresql_where=_kept)

waiting_message = sa.Table(
    "waiting_message",
    metadata,
    sa.Column("recipient", sa.String(80), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("message_id", ID, nullable=False),
    sa.Column("is_waking", sa.Integer, nullable=False),
    sa.Column("hops", sa.Integer, nullable=False),
    sa.Column("task_id", ID),
    sa.Column("fence", sa.BigInteger),
)

channel = sa.Table(
    "channel",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("id", ID, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("created_at", nullable=False),
)

channel_member = sa.Table(
    "channel_member",
    metadata,
    sa.Column("channel", sa.String(64), primary_key=True),
    sa.Column("member", sa.String(80), primary_key=True),
    instant("joined_at", nullable=False),
)

wake_call = sa.Table(
    "wake_call",
    metadata,
    sa.Column("agent_id", ID, primary_key=True),
    sa.Column("task_id", sa.Text, nullable=False),
    sa.Column("up_to", sa.BigInteger, nullable=False),
    instant("since", nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False, server_default="0"),
)

conversation = sa.Table(
    "conversation",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("agent_id", ID, nullable=False),
    sa.Column("hops", sa.Integer, nullable=False),
)
