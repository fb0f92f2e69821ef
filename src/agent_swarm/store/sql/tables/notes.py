"""Tables of what agents keep: notes, and values under keys."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, instant, metadata

# Notes, found by their words: the index over `words` is made by `searching`. `number` grows with time.
note = sa.Table(
    "note",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("id", ID, nullable=False),
    sa.Column("scope", sa.String(16), nullable=False),
    sa.Column("scope_id", sa.String(128), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("tags", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    instant("created_at", nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("updated_at", nullable=False),
    sa.Column("updated_by", sa.Text, nullable=False),
)

note_name = sa.Table(
    "note_name",
    metadata,
    sa.Column("scope", sa.String(16), primary_key=True),
    sa.Column("scope_id", sa.String(128), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)

# What notes mean, by an embedding model; a place lists its newest first.
note_vector = sa.Table(
    "note_vector",
    metadata,
    sa.Column("scope", sa.String(16), primary_key=True),
    sa.Column("scope_id", sa.String(128), primary_key=True),
    sa.Column("rank", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("vector", sa.Text, nullable=False),
)

# Values that agents keep under keys, and when those run out that do.
kv_entry = sa.Table(
    "kv_entry",
    metadata,
    sa.Column("namespace", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(256), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    instant("expires_at"),
    instant("created_at", nullable=False),
    instant("updated_at", nullable=False),
    sa.Column("updated_by", sa.Text, nullable=False),
)

kv_expiry = sa.Table(
    "kv_expiry",
    metadata,
    sa.Column("expires_at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("namespace", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(256), primary_key=True),
)
