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
    sa.Index("ix_agent_name_word", "name_word", "id"),
    sa.Index("ix_agent_role_word", "role_word", "id"),
    sa.Index("ix_agent_agent_role", "agent_role", "id"),
    sa.Column("swarm_id", ID),
    sa.Column("offers", sa.String(8), nullable=False, server_default="accept"),
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
