"""Tables of workflows: which tasks are parts of which run."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, metadata

# What a task of a workflow stands for, and of a run what it was given; written with the task, never changed.
workflow_part = sa.Table(
    "workflow_part",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("run_id", ID, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("stage", sa.String(64), nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
)

# Runs, the latest first.
workflow_run = sa.Table(
    "workflow_run",
    metadata,
    sa.Column("rank", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
)
