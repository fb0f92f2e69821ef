"""Tables of who works on tasks, on what, and by which right: agents, swarms, projects, tokens, requests made before."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, ROOM, instant, metadata

agent = sa.Table(
    "agent",
    metadata,
    sa.Column("id", ID, primary_key=True),
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
    sa.Column("instance_id", ID, nullable=False),
    instant("registered_at", nullable=False),
    instant("last_seen_at", nullable=False),
    instant("offline_at"),
    sa.Column("permissions", sa.String(64), nullable=False, server_default=""),
    # As they are written behind an @, which no database could tell from the name.
    sa.Column("name_word", sa.Text, nullable=False, server_default=""),
    sa.Column("role_word", sa.Text, nullable=False, server_default=""),
    sa.Column("swarm_id", ID),
    sa.Column("offers", sa.String(8), nullable=False, server_default="accept"),
    sa.Column("parent_id", ID),
    sa.Column("depth", sa.Integer, nullable=False, server_default="0"),
    instant("stopped_at"),
    sa.Column("stopped_by", sa.Text, nullable=False, server_default=""),
    sa.Column("stop_reason", sa.Text, nullable=False, server_default=""),
    sa.Column("profile_version", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_agent_name_word", "name_word", "id"),
    sa.Index("ix_agent_role_word", "role_word", "id"),
    sa.Index("ix_agent_agent_role", "agent_role", "id"),
    sa.Index("ix_agent_swarm", "swarm_id", "name", "id"),
    postgresql_with=ROOM,
)

swarm = sa.Table(
    "swarm",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("project_id", ID),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("created_at", nullable=False),
    instant("deleted_at"),
)
# Whether any is paused is asked by every batch where several servers write.
_is_paused = swarm.c.status == sa.literal_column("'paused'")
sa.Index("ix_swarm_paused", swarm.c.id, sqlite_where=_is_paused, postgresql_where=_is_paused)

swarm_name = sa.Table(
    "swarm_name",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("swarm_id", ID, nullable=False),
)

# Who introduced whom: the agents below one, in one look.
agent_child = sa.Table(
    "agent_child",
    metadata,
    sa.Column("parent_id", ID, primary_key=True),
    sa.Column("agent_id", ID, primary_key=True),
)

# What people and agents said of agents, every version, and what workers say beside it. Lists are JSON; nothing there
# is as the worker reports it.
agent_profile_version = sa.Table(
    "agent_profile_version",
    metadata,
    sa.Column("agent_id", ID, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text),
    sa.Column("role", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("skills", sa.Text),
    sa.Column("tags", sa.Text),
    sa.Column("capabilities", sa.Text),
    sa.Column("instructions", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    instant("made_at", nullable=False),
    sa.Column("restored", sa.Integer),
)

agent_report = sa.Table(
    "agent_report",
    metadata,
    sa.Column("agent_id", ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("skills", sa.Text, nullable=False),
    sa.Column("tags", sa.Text, nullable=False),
    sa.Column("capabilities", sa.Text, nullable=False),
)

project = sa.Table(
    "project",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("repo_url", sa.Text, nullable=False),
    sa.Column("default_branch", sa.Text, nullable=False),
    instant("created_at", nullable=False),
)

token = sa.Table(
    "token",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("agent_id", ID),
    sa.Column("instance_id", ID),
    sa.Column("task_id", ID),
    sa.Column("fence", sa.Integer),
    sa.Column("epoch", sa.Integer, nullable=False),
    instant("created_at", nullable=False),
    instant("expires_at"),
    instant("revoked_at"),
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
    instant("created_at", nullable=False),
)
sa.Index("ix_idempotency_created", idempotency.c.created_at)

# Who takes nothing for the time being, and until when.
agent_rest = sa.Table(
    "agent_rest",
    metadata,
    sa.Column("agent_id", ID, primary_key=True),
    sa.Column("instance_id", ID, nullable=False),
    instant("until", nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
