"""Tables of what is kept about tasks beside the work: offers, what results have to be, files that attempts left."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, instant, metadata

# What became of the offers of a task, by agent. The task says to whom it is offered now.
task_offer = sa.Table(
    "task_offer",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("agent_id", ID, primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("offered_by", sa.Text, nullable=False),
    instant("offered_at", nullable=False),
    instant("expires_at", nullable=False),
    instant("settled_at"),
    sa.Column("settled_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

# What the result of a task has to be, and what its prompt tells of others. Few tasks have a row.
task_terms = sa.Table(
    "task_terms",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("result_schema", sa.Text),
    sa.Column("with_results", sa.Integer, nullable=False),
)

# Files that attempts left with their tasks, those of the latest attempt first; their contents as base64, apart.
attachment = sa.Table(
    "attachment",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("rank", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("media_type", sa.String(100), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    instant("stored_at", nullable=False),
)

attachment_content = sa.Table(
    "attachment_content",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("rank", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("content", sa.Text, nullable=False),
)
