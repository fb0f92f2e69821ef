"""Tables of what agents ask people."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, instant, metadata

# What agents ask people. Its place says where it stands in the list of its status, its task which one asked.
approval = sa.Table(
    "approval",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("task_id", ID, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("agent_id", ID, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("questions", sa.Text, nullable=False),
    sa.Column("pauses", sa.Integer, nullable=False),
    sa.Column("asked_digest", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    instant("asked_at", nullable=False),
    instant("expires_at", nullable=False),
    instant("settled_at"),
    sa.Column("settled_by", sa.Text, nullable=False),
    sa.Column("answers", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("budget_id", ID, nullable=False, server_default=""),
)

approval_place = sa.Table(
    "approval_place",
    metadata,
    sa.Column("status", sa.String(16), primary_key=True),
    sa.Column("rank", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", ID, primary_key=True),
)

approval_of_task = sa.Table(
    "approval_of_task",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("id", ID, primary_key=True),
)
