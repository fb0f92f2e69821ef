"""Tables of what happened, and of what holds for the whole database: events, kill switches, facts, checkpoints."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, instant, metadata

event = sa.Table(
    "event",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("id", ID, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    instant("at", nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("subject_kind", sa.String(16), nullable=False),
    sa.Column("subject_id", sa.Text, nullable=False),
    sa.Column("task_id", ID),
    sa.Column("attempt", sa.Integer),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("v", sa.Integer, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
sa.Index("ix_event_task", event.c.task_id, event.c.seq)

# One row, locked as the last thing a batch does: `seq` is gapless, the chain is one, and the clock never goes back.
event_head = sa.Table(
    "event_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    instant("at", nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
)

# A switch of the kill switch: what it covers, and how it stands. The epoch that activation raises is the head's.
kill_switch = sa.Table(
    "kill_switch",
    metadata,
    sa.Column("scope", sa.String(16), primary_key=True),
    sa.Column("scope_id", sa.String(64), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("id", ID, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    instant("since", nullable=False),
    sa.Column("lifted_by", sa.Text, nullable=False),
    instant("lifted_at"),
    sa.Column("holders", sa.Text, nullable=False),
    sa.Column("overruled", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("awaited", sa.Text, nullable=False),
    sa.Column("paused", sa.Text, nullable=False),
)

# What is settled once for all servers of this database.
fact = sa.Table(
    "fact",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# Signed checkpoints of the chain of events; the lines are also outside the database.
checkpoint = sa.Table(
    "checkpoint",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("line", sa.Text, nullable=False),
)

# One row: the last checkpoint's number, and how far events are archived, so that their rows may be gone.
chain_state = sa.Table(
    "chain_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("anchor_seq", sa.BigInteger, nullable=False),
    sa.Column("anchor_hash", sa.String(64), nullable=False),
)
