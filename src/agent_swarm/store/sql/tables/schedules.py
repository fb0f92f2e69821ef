"""Tables of schedules: how each stands, what it starts, when to look at it, what became of its instants."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, ROOM, instant, metadata

schedule = sa.Table(
    "schedule",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("missed", sa.String(16), nullable=False),
    sa.Column("overlap", sa.String(16), nullable=False),
    sa.Column("max_failures", sa.Integer, nullable=False),
    sa.Column("max_runs", sa.Integer),
    instant("until"),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("pause_reason", sa.String(16), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    instant("next_at"),
    instant("look_at"),
    sa.Column("runs", sa.BigInteger, nullable=False),
    sa.Column("started", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_failure", sa.Text, nullable=False),
    sa.Column("waiting", sa.BigInteger, nullable=False),
    sa.Column("open_runs", sa.Text, nullable=False),
    instant("last_run_at"),
    sa.Column("last_outcome", sa.String(16), nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("agent_id", ID),
    sa.Column("task_id", ID),
    instant("created_at", nullable=False),
    instant("updated_at", nullable=False),
    instant("finished_at"),
    postgresql_with=ROOM,
)

# What it starts is read for every run and written once: apart, so that a run does not write it anew.
schedule_work = sa.Table(
    "schedule_work",
    metadata,
    sa.Column("schedule_id", ID, primary_key=True),
    sa.Column("starts", sa.Text, nullable=False),
)

schedule_name = sa.Table(
    "schedule_name",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("id", ID, nullable=False),
)

# By time: what is due is at its beginning.
schedule_look = sa.Table(
    "schedule_look",
    metadata,
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", ID, primary_key=True),
)

schedule_of_agent = sa.Table(
    "schedule_of_agent",
    metadata,
    sa.Column("agent_id", ID, primary_key=True),
    sa.Column("id", ID, primary_key=True),
)

schedule_run = sa.Table(
    "schedule_run",
    metadata,
    sa.Column("schedule_id", ID, primary_key=True),
    sa.Column("rank", sa.BigInteger, primary_key=True, autoincrement=False),
    instant("planned_at"),
    sa.Column("asked_by", sa.String(200), nullable=False),
    instant("noted_at", nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    instant("started_at"),
    sa.Column("task_ids", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    # No instant is run twice, whatever else goes wrong; runs beside the plan have none.
    sa.UniqueConstraint("schedule_id", "planned_at"),
)
