"""Tables of what is laid down about tasks beside the work: to whom they were offered, what their results have to be."""

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
