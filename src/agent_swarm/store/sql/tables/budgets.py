"""Tables of budgets: caps and what counts against them."""

import sqlalchemy as sa

from agent_swarm.store.sql.tables.base import ID, ROOM, instant, metadata

budget = sa.Table(
    "budget",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scope", sa.String(16), nullable=False),
    sa.Column("scope_id", ID, nullable=False),
    sa.Column("period", sa.String(8), nullable=False),
    sa.Column("time_zone", sa.Text, nullable=False),
    sa.Column("cap_micros", sa.BigInteger),
    sa.Column("cap_tokens", sa.BigInteger),
    sa.Column("estimate_micros", sa.BigInteger),
    sa.Column("estimate_tokens", sa.BigInteger),
    sa.Column("action", sa.String(8), nullable=False),
    sa.Column("enabled", sa.Integer, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("created_at", nullable=False),
    instant("since", nullable=False),
    instant("renews_at"),
    sa.Column("spent_micros", sa.BigInteger, nullable=False),
    sa.Column("spent_tokens", sa.BigInteger, nullable=False),
    sa.Column("reserved_micros", sa.BigInteger, nullable=False),
    sa.Column("reserved_tokens", sa.BigInteger, nullable=False),
    sa.Column("extra_micros", sa.BigInteger, nullable=False),
    sa.Column("extra_tokens", sa.BigInteger, nullable=False),
    sa.Column("stand", sa.String(8), nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    instant("shut_at"),
    sa.Column("wanted_micros", sa.BigInteger, nullable=False),
    sa.Column("wanted_tokens", sa.BigInteger, nullable=False),
    sa.Column("let_go", sa.Integer, nullable=False),
    instant("let_go_at", nullable=False),
    instant("reached_at"),
    sa.Column("approval_id", ID, nullable=False),
    sa.Column("cap_attempts", sa.BigInteger),
    sa.Column("cap_at_once", sa.BigInteger),
    sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("extra_attempts", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("under_way", sa.BigInteger, nullable=False, server_default="0"),
    postgresql_with=ROOM,  # every claim and every usage changes it, and no index
)

# What budgets are for: "project:<id>" and the like, with the budgets of that. Asked for by claims and usage.
budget_target = sa.Table(
    "budget_target",
    metadata,
    sa.Column("target", sa.String(64), primary_key=True),
    sa.Column("budget_ids", sa.Text, nullable=False),
)

# Those that are reached, or have no room for somebody who waits.
budget_look = sa.Table("budget_look", metadata, sa.Column("id", ID, primary_key=True))

# Who waits for room, in the order of the queue.
budget_wait = sa.Table(
    "budget_wait",
    metadata,
    sa.Column("budget_id", ID, primary_key=True),
    sa.Column("rank", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("task_id", ID, primary_key=True),
    sqlite_with_rowid=False,
)

# What budgets said of each attempt that was to begin, for reports.
admission = sa.Table(
    "admission",
    metadata,
    sa.Column("task_id", ID, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("agent_id", ID, primary_key=True),
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("micros", sa.BigInteger, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
)

# What attempts under way hold.
budget_reservation = sa.Table(
    "budget_reservation",
    metadata,
    sa.Column("attempt", sa.String(64), primary_key=True),
    sa.Column("task_id", ID, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("parts", sa.Text, nullable=False),
)
