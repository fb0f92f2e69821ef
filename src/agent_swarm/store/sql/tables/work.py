"""Tables of tasks: what is asked for, how it stands, each attempt and what it used."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, ROOM, instant, metadata

task = sa.Table(
    "task",
    metadata,
    sa.Column("id", ID, primary_key=True),
    # what was asked for
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("labels", sa.Text, nullable=False),
    sa.Column("harness", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("project_id", ID),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("timeout", sa.BigInteger),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("parent_id", ID),
    sa.Column("root_id", ID, nullable=False),
    sa.Column("depth", sa.Integer, nullable=False),
    sa.Column("retry_of", ID),
    instant("created_at", nullable=False),
    # where it stands: the fields of domain.tasks.TaskState
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("losses", sa.Integer, nullable=False),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("max_losses", sa.Integer, nullable=False),
    sa.Column("unmet", sa.Integer, nullable=False),
    sa.Column("ready", sa.SmallInteger, nullable=False),
    instant("not_before"),
    sa.Column("agent_id", ID),
    sa.Column("instance_id", ID),
    instant("lease_expires_at"),
    sa.Column("preferred_agent", ID),
    sa.Column("pinned_agent", ID),
    instant("pinned_until"),
    sa.Column("pause_reason", sa.String(16)),
    sa.Column("pause_wanted", sa.String(16)),
    sa.Column("ended_fence", sa.Integer, nullable=False),
    sa.Column("ended_as", sa.String(16)),
    sa.Column("ended_digest", sa.Text, nullable=False),
    # what claims and timers look for
    sa.Column("class_id", sa.Integer, nullable=False),
    sa.Column("claim_class", sa.Integer, nullable=False),
    sa.Column("sort_key", sa.BigInteger, nullable=False),
    instant("timer_at"),
    # what people see
    sa.Column("progress", sa.Text, nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("failure", sa.Text),
    sa.Column("last_agent_id", ID),
    instant("updated_at", nullable=False),
    instant("started_at"),
    instant("finished_at"),
    sa.Column("permissions", sa.String(64)),
    sa.Column("swarm_id", ID),  # the one that its requirements name, for lists
    sa.Column("time_used", sa.BigInteger, nullable=False, server_default="0"),
    instant("overdue_at"),
    sa.Column("has_terms", sa.SmallInteger, nullable=False, server_default="0"),
    # by the clock
    sa.Column("schedule_id", ID),
    instant("planned_at"),
    postgresql_with=ROOM,
)

# Only what may run now is in the index that claims read, so a claim costs the same however many tasks there are.
sa.Index(
    "ix_task_claim",
    task.c.claim_class,
    task.c.sort_key,
    task.c.id,
    sqlite_where=task.c.ready == sa.literal_column("1"),
    postgresql_where=task.c.ready == sa.literal_column("1"),
)
sa.Index(
    "ix_task_timer",
    task.c.timer_at,
    sqlite_where=task.c.timer_at.is_not(None),
    postgresql_where=task.c.timer_at.is_not(None),
)
sa.Index(
    "ix_task_pinned",
    task.c.pinned_agent,
    sqlite_where=task.c.pinned_agent.is_not(None),
    postgresql_where=task.c.pinned_agent.is_not(None),
)
# Lists run from the newest task to the oldest, so each index that leads one ends in `created_at, id`. Most tasks have
# no parent, no project, no swarm and, when filed, no agent: those are not in the index, and cost nothing there.
sa.Index("ix_task_status", task.c.status, task.c.created_at, task.c.id)
sa.Index(
    "ix_task_root",
    task.c.root_id,
    task.c.created_at,
    task.c.id,
    sqlite_where=task.c.root_id != task.c.id,
    postgresql_where=task.c.root_id != task.c.id,
)
sa.Index(
    "ix_task_parent",
    task.c.parent_id,
    task.c.created_at,
    task.c.id,
    sqlite_where=task.c.parent_id.is_not(None),
    postgresql_where=task.c.parent_id.is_not(None),
)
sa.Index(
    "ix_task_project",
    task.c.project_id,
    task.c.status,
    task.c.created_at,
    task.c.id,
    sqlite_where=task.c.project_id.is_not(None),
    postgresql_where=task.c.project_id.is_not(None),
)
sa.Index(
    "ix_task_swarm",
    task.c.swarm_id,
    task.c.status,
    task.c.created_at,
    task.c.id,
    sqlite_where=task.c.swarm_id.is_not(None),
    postgresql_where=task.c.swarm_id.is_not(None),
)
sa.Index(
    "ix_task_last_agent",
    task.c.last_agent_id,
    task.c.status,
    task.c.created_at,
    task.c.id,
    sqlite_where=task.c.last_agent_id.is_not(None),
    postgresql_where=task.c.last_agent_id.is_not(None),
)

# What agents have filed that has not ended, to be counted when they file more. Agents file below a task only.
_filed_and_open = sa.and_(task.c.finished_at.is_(None), task.c.parent_id.is_not(None))
sa.Index("ix_task_filed_by", task.c.created_by, sqlite_where=_filed_and_open, postgresql_where=_filed_and_open)

# The soft labels of tasks once more, for lists by label. The key is all there is of a row.
task_label = sa.Table(
    "task_label",
    metadata,
    sa.Column("label", sa.Text, primary_key=True),
    sa.Column("created_at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("task_id", ID, primary_key=True),
    sqlite_with_rowid=False,
)

# What was put aside: lists of a swarm's tasks leave it out.
archived_task = sa.Table(
    "archived_task",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    instant("archived_at", nullable=False),
    sa.Column("archived_by", sa.Text, nullable=False),
)

# What workers say of their copies of projects, by agent and project.
project_copy = sa.Table(
    "project_copy",
    metadata,
    sa.Column("agent_id", ID, primary_key=True),
    sa.Column("project_id", ID, primary_key=True),
    sa.Column("request_id", ID, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    instant("asked_at", nullable=False),
    instant("reported_at"),
    sa.Column("report", sa.Text, nullable=False),
)

# Prompts are large and seldom change; apart from the task they are not rewritten with it.
prompt = sa.Table(
    "prompt",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)

dependency = sa.Table(
    "dependency",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("upstream_id", ID, nullable=False),
    sa.Column("on_failure", sa.String(8), nullable=False),
)
sa.Index("ix_dependency_upstream", dependency.c.upstream_id)

requirement_class = sa.Table(
    "requirement_class",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    # while it has claimable tasks and nobody could take them: since when, and when that became an event
    instant("unserved_since"),
    instant("unserved_told_at"),
)

attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("claim_id", ID, nullable=False, unique=True),
    sa.Column("agent_id", ID, nullable=False),
    sa.Column("instance_id", ID, nullable=False),
    instant("claimed_at", nullable=False),
    instant("started_at"),
    instant("ended_at"),
    sa.Column("outcome", sa.String(16)),
    sa.Column("session", sa.Text, nullable=False),
    sa.Column("branch", sa.Text, nullable=False),
    sa.Column("commit", sa.Text, nullable=False),
    sa.Column("snapshot", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("data", sa.Text),
    sa.Column("failure_class", sa.String(16), nullable=False),
    sa.Column("failure_code", sa.Text, nullable=False),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("cost_micros", sa.BigInteger, nullable=False),
    sa.Column("permissions", sa.String(64), nullable=False, server_default=""),
    sa.Column("enforced", sa.String(3), nullable=False, server_default=""),
    sa.Column("denials", sa.Integer, nullable=False, server_default="0"),
    postgresql_with=ROOM,
)

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("cost_micros", sa.BigInteger, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    instant("booked_at", nullable=False),
)

# What running agents have said came of their tasks; it counts when their run ends.
stated_outcome = sa.Table(
    "stated_outcome",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("is_failure", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=True),
    sa.Column("digest", sa.String(64), nullable=False),
    instant("stated_at", nullable=False),
)

# Tasks that wait, or are about to, for the tasks below them; few, and none for long.
task_wait = sa.Table(
    "task_wait",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("fence", sa.BigInteger, nullable=False),
    instant("asked_at", nullable=False),
)

# Running attempts at a project that are compared, and which of them would not merge.
live_work = sa.Table(
    "live_work",
    metadata,
    sa.Column("project_id", ID, primary_key=True),
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("agent_id", ID, nullable=False),
    sa.Column("commit", sa.Text, nullable=False),
    sa.Column("is_published", sa.Integer, nullable=False),
    sa.Column("overlaps", sa.Text, nullable=False),
    sa.Column("told", sa.Text, nullable=False),
    sa.Column("messages", sa.Integer, nullable=False),
)
