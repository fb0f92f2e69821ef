"""Tables of merge queues: one queue per project, the results in it, and what is to be looked at."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, ROOM, instant, metadata

merge_queue = sa.Table(
    "merge_queue",
    metadata,
    sa.Column("project_id", ID, primary_key=True),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("branch", sa.Text, nullable=False),
    sa.Column("largest", sa.Integer, nullable=False),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("automatic", sa.Integer, nullable=False),
    sa.Column("timeout", sa.BigInteger),
    sa.Column("tags", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("halt_code", sa.String(64), nullable=False),
    sa.Column("halt_message", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("round", sa.Text, nullable=False),
    sa.Column("check_task_id", ID),
    sa.Column("check_size", sa.Integer, nullable=False),
    sa.Column("checks", sa.BigInteger, nullable=False),
    sa.Column("landed", sa.BigInteger, nullable=False),
    sa.Column("returned", sa.BigInteger, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    instant("created_at", nullable=False),
    instant("updated_at", nullable=False),
    postgresql_with=ROOM,
)

merge_queue_entry = sa.Table(
    "merge_queue_entry",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("project_id", ID, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("hops", sa.Integer, nullable=False),
    instant("entered_at", nullable=False),
    sa.Column("entered_by", sa.Text, nullable=False),
    sa.Column("check_task_id", ID),
    sa.Column("tested_with", sa.Text, nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("followup_id", ID),
    instant("settled_at"),
)

# Those that wait, first ones first.
merge_queue_place = sa.Table(
    "merge_queue_place",
    metadata,
    sa.Column("project_id", ID, primary_key=True),
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("task_id", ID, primary_key=True),
)

# Those that are settled, the latest first.
merge_queue_past = sa.Table(
    "merge_queue_past",
    metadata,
    sa.Column("project_id", ID, primary_key=True),
    sa.Column("rank", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("task_id", ID, primary_key=True),
)

# What servers have yet to look at, queue by queue.
merge_queue_news = sa.Table(
    "merge_queue_news",
    metadata,
    sa.Column("project_id", ID, primary_key=True),
    sa.Column("id", ID, primary_key=True),
)

# Written with the task, never changed.
merge_queue_task = sa.Table(
    "merge_queue_task",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("project_id", ID, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("of", sa.Text, nullable=False),
    sa.Column("branch", sa.Text, nullable=False),
    sa.Column("hops", sa.Integer, nullable=False),
)
