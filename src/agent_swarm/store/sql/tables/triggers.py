"""Tables of triggers: which endings they are about, what they do, and the outbox of their firings."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, ROOM, instant, metadata

# Under the task it belongs to, or nothing: what fires for tasks that end is found in one go.
trigger_rule = sa.Table(
    "trigger_rule",
    metadata,
    sa.Column("scope", ID, primary_key=True),
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("events", sa.Text, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("pause_reason", sa.String(16), nullable=False),
    sa.Column("project_id", ID),
    sa.Column("swarm_id", ID),
    sa.Column("label", sa.String(128)),
    sa.Column("agent_id", ID),
    sa.Column("settled", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_failure", sa.Text, nullable=False),
    instant("hour_began_at", nullable=False),
    sa.Column("hour_posted", sa.Integer, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("maker_agent_id", ID),
    sa.Column("maker_task_id", ID),
    instant("created_at", nullable=False),
    postgresql_with=ROOM,
)

trigger_work = sa.Table(
    "trigger_work",
    metadata,
    sa.Column("trigger_id", ID, primary_key=True),
    sa.Column("does", sa.Text, nullable=False),
)

trigger_name = sa.Table(
    "trigger_name",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("id", ID, nullable=False),
)

trigger_secret = sa.Table(
    "trigger_secret",
    metadata,
    sa.Column("trigger_id", ID, primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),
)

trigger_firing = sa.Table(
    "trigger_firing",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("scope", ID, nullable=False),
    sa.Column("trigger_id", ID, nullable=False),
    sa.Column("task_id", ID, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("event", sa.String(16), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    instant("fired_at", nullable=False),
    instant("since", nullable=False),
    instant("look_at"),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("answered", sa.Integer),
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("made_id", ID, nullable=False),
    instant("settled_at"),
    # Nothing is done twice for one ending, whatever else goes wrong.
    sa.UniqueConstraint("trigger_id", "task_id", "attempt"),
    postgresql_with=ROOM,
)

# By lane and time: what is due is at the beginning of its lane.
trigger_look = sa.Table(
    "trigger_look",
    metadata,
    sa.Column("lane", sa.String(300), primary_key=True),
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", ID, primary_key=True),
)

trigger_log = sa.Table(
    "trigger_log",
    metadata,
    sa.Column("trigger_id", ID, primary_key=True),
    sa.Column("rank", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", ID, primary_key=True),
)

triggered_task = sa.Table(
    "triggered_task",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("depth", sa.Integer, nullable=False),
    sa.Column("trigger_id", ID, nullable=False),
    sa.Column("by_task_id", ID, nullable=False),
)

triggered_root = sa.Table(
    "triggered_root",
    metadata,
    sa.Column("root_id", ID, primary_key=True),
    sa.Column("made", sa.Integer, nullable=False),
)
