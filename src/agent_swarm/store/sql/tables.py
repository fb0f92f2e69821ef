"""The tables; those of messages are in `mail_tables`, and are here as well.

Instants and spans are microseconds in BigInteger columns; booleans are 0 and 1, so that a partial index reads the
same on both databases; JSON is text written by us. Every index is over plain columns: expressions would hide from
migration checks.
"""

import sqlalchemy as sa

from agent_swarm.store.sql import columns, mail_tables
from agent_swarm.store.sql.columns import ID as _ID
from agent_swarm.store.sql.columns import ROOM as _ROOM
from agent_swarm.store.sql.columns import instant as _instant

metadata = columns.metadata

message, message_head = mail_tables.message, mail_tables.message_head
delivery, waiting_message = mail_tables.delivery, mail_tables.waiting_message
channel, channel_member = mail_tables.channel, mail_tables.channel_member
wake_call, conversation = mail_tables.wake_call, mail_tables.conversation

task = sa.Table(
    "task",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    # what was asked for
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("labels", sa.Text, nullable=False),
    sa.Column("harness", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("project_id", _ID),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("timeout", sa.BigInteger),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("parent_id", _ID),
    sa.Column("root_id", _ID, nullable=False),
    sa.Column("depth", sa.Integer, nullable=False),
    sa.Column("retry_of", _ID),
    _instant("created_at", nullable=False),
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
    _instant("not_before"),
    sa.Column("agent_id", _ID),
    sa.Column("instance_id", _ID),
    _instant("lease_expires_at"),
    sa.Column("preferred_agent", _ID),
    sa.Column("pinned_agent", _ID),
    _instant("pinned_until"),
    sa.Column("pause_reason", sa.String(16)),
    sa.Column("pause_wanted", sa.String(16)),
    sa.Column("ended_fence", sa.Integer, nullable=False),
    sa.Column("ended_as", sa.String(16)),
    sa.Column("ended_digest", sa.Text, nullable=False),
    # what claims and timers look for
    sa.Column("class_id", sa.Integer, nullable=False),
    sa.Column("claim_class", sa.Integer, nullable=False),
    sa.Column("sort_key", sa.BigInteger, nullable=False),
    _instant("timer_at"),
    # what people see
    sa.Column("progress", sa.Text, nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("failure", sa.Text),
    sa.Column("last_agent_id", _ID),
    _instant("updated_at", nullable=False),
    _instant("started_at"),
    _instant("finished_at"),
    sa.Column("permissions", sa.String(64)),
    postgresql_with=_ROOM,
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
# no parent, no project and, when they are filed, no agent: those are not in the index, and cost nothing there.
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
    sa.Column("task_id", _ID, primary_key=True),
    sqlite_with_rowid=False,
)

# Prompts are large and never change; apart from the task they are not rewritten with it.
prompt = sa.Table(
    "prompt",
    metadata,
    sa.Column("task_id", _ID, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)

dependency = sa.Table(
    "dependency",
    metadata,
    sa.Column("task_id", _ID, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("upstream_id", _ID, nullable=False),
    sa.Column("on_failure", sa.String(8), nullable=False),
)
sa.Index("ix_dependency_upstream", dependency.c.upstream_id)

requirement_class = sa.Table(
    "requirement_class",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    # while it has claimable tasks and nobody could take them: since when, and when that became an event
    _instant("unserved_since"),
    _instant("unserved_told_at"),
)

attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("task_id", _ID, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("claim_id", _ID, nullable=False, unique=True),
    sa.Column("agent_id", _ID, nullable=False),
    sa.Column("instance_id", _ID, nullable=False),
    _instant("claimed_at", nullable=False),
    _instant("started_at"),
    _instant("ended_at"),
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
    postgresql_with=_ROOM,
)

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("task_id", _ID, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("cost_micros", sa.BigInteger, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    _instant("booked_at", nullable=False),
)

agent = sa.Table(
    "agent",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("agent_role", sa.String(16), nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("tags", sa.Text, nullable=False),
    sa.Column("capabilities", sa.Text, nullable=False),
    sa.Column("skills", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("template_id", sa.Text, nullable=False),
    sa.Column("harness", sa.Text, nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("instance_id", _ID, nullable=False),
    _instant("registered_at", nullable=False),
    _instant("last_seen_at", nullable=False),
    _instant("offline_at"),
    sa.Column("permissions", sa.String(64), nullable=False, server_default=""),
    # As they are written behind an @, which no database could tell from the name.
    sa.Column("name_word", sa.Text, nullable=False, server_default=""),
    sa.Column("role_word", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_agent_name_word", "name_word", "id"),
    sa.Index("ix_agent_role_word", "role_word", "id"),
    sa.Index("ix_agent_agent_role", "agent_role", "id"),
    postgresql_with=_ROOM,
)

project = sa.Table(
    "project",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("repo_url", sa.Text, nullable=False),
    sa.Column("default_branch", sa.Text, nullable=False),
    _instant("created_at", nullable=False),
)

token = sa.Table(
    "token",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("agent_id", _ID),
    sa.Column("instance_id", _ID),
    sa.Column("task_id", _ID),
    sa.Column("fence", sa.Integer),
    sa.Column("epoch", sa.Integer, nullable=False),
    _instant("created_at", nullable=False),
    _instant("expires_at"),
    _instant("revoked_at"),
)
sa.Index("ix_token_hash", token.c.hash)
sa.Index("ix_token_agent", token.c.agent_id, token.c.kind)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("task_ids", sa.Text, nullable=False),
    _instant("created_at", nullable=False),
)
sa.Index("ix_idempotency_created", idempotency.c.created_at)

event = sa.Table(
    "event",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("id", _ID, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    _instant("at", nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("subject_kind", sa.String(16), nullable=False),
    sa.Column("subject_id", sa.Text, nullable=False),
    sa.Column("task_id", _ID),
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
    _instant("at", nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
)

# A switch of the kill switch: what it covers, and how it stands. The epoch that activation raises is the head's.
kill_switch = sa.Table(
    "kill_switch",
    metadata,
    sa.Column("scope", sa.String(16), primary_key=True),
    sa.Column("scope_id", sa.String(64), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("id", _ID, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    _instant("since", nullable=False),
    sa.Column("lifted_by", sa.Text, nullable=False),
    _instant("lifted_at"),
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

# People, what they have open, the keys that sign for it, and log-ins that failed.
user_account = sa.Table(
    "user_account",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("id", _ID, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    _instant("created_at", nullable=False),
    _instant("password_set_at", nullable=False),
    _instant("disabled_at"),
)

user_session = sa.Table(
    "user_session",
    metadata,
    sa.Column("owner", sa.String(72), primary_key=True),
    sa.Column("id", _ID, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("key_hash", sa.String(64), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    _instant("created_at", nullable=False),
    _instant("refreshed_at", nullable=False),
    _instant("expires_at", nullable=False),
)

session_epoch = sa.Table(
    "session_epoch",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
)

signing_key = sa.Table(
    "signing_key",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),
    _instant("created_at", nullable=False),
    _instant("ends_at"),
)

login_failure = sa.Table(
    "login_failure",
    metadata,
    sa.Column("name_digest", sa.String(64), primary_key=True),
    sa.Column("address", sa.String(64), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    _instant("failed_at", nullable=False),
    _instant("locked_until", nullable=False),
)

# Stored configuration; `text` of a secret is sealed, and bound to the key of its row.
config_entry = sa.Table(
    "config_entry",
    metadata,
    sa.Column("scope", sa.String(16), primary_key=True),
    sa.Column("scope_id", sa.String(128), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("id", _ID, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("is_secret", sa.Integer, nullable=False),
    _instant("created_at", nullable=False),
    _instant("updated_at", nullable=False),
    sa.Column("updated_by", sa.Text, nullable=False),
)

# The keys that values are sealed with, wrapped by a master key that is never here.
data_key = sa.Table(
    "data_key",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(16), nullable=False),
    sa.Column("wrapped", sa.Text, nullable=False),
    sa.Column("next_wrapped", sa.Text),
    sa.Column("is_active", sa.Integer, nullable=False),
    _instant("created_at", nullable=False),
)
