"""Tables of people and their sessions, of stored configuration, and of the keys that seal it."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, instant, metadata

# People, what they have open, the keys that sign for it, and log-ins that failed.
user_account = sa.Table(
    "user_account",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("id", ID, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    instant("created_at", nullable=False),
    instant("password_set_at", nullable=False),
    instant("disabled_at"),
)

user_session = sa.Table(
    "user_session",
    metadata,
    sa.Column("owner", sa.String(72), primary_key=True),
    sa.Column("id", ID, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("key_hash", sa.String(64), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    instant("created_at", nullable=False),
    instant("refreshed_at", nullable=False),
    instant("expires_at", nullable=False),
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
    sa.Column("id", ID, primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),
    instant("created_at", nullable=False),
    instant("ends_at"),
)

login_failure = sa.Table(
    "login_failure",
    metadata,
    sa.Column("name_digest", sa.String(64), primary_key=True),
    sa.Column("address", sa.String(64), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    instant("failed_at", nullable=False),
    instant("locked_until", nullable=False),
)

# Stored configuration; `text` of a secret is sealed, and bound to the key of its row.
config_entry = sa.Table(
    "config_entry",
    metadata,
    sa.Column("scope", sa.String(16), primary_key=True),
    sa.Column("scope_id", sa.String(128), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("id", ID, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("is_secret", sa.Integer, nullable=False),
    instant("created_at", nullable=False),
    instant("updated_at", nullable=False),
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
    instant("created_at", nullable=False),
)
