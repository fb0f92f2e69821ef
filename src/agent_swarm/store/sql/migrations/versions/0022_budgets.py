"""Budgets, what attempts hold of them, and who waits for room; questions about a budget"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budget",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("scope_id", sa.String(length=36), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("cap_micros", sa.BigInteger(), nullable=True),
        sa.Column("cap_tokens", sa.BigInteger(), nullable=True),
        sa.Column("estimate_micros", sa.BigInteger(), nullable=True),
        sa.Column("estimate_tokens", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(length=8), nullable=False),
        sa.Column("enabled", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("renews_at", sa.BigInteger(), nullable=True),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False),
        sa.Column("spent_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), nullable=False),
        sa.Column("reserved_tokens", sa.BigInteger(), nullable=False),
        sa.Column("extra_micros", sa.BigInteger(), nullable=False),
        sa.Column("extra_tokens", sa.BigInteger(), nullable=False),
        sa.Column("stand", sa.String(length=8), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("shut_at", sa.BigInteger(), nullable=True),
        sa.Column("wanted_micros", sa.BigInteger(), nullable=False),
        sa.Column("wanted_tokens", sa.BigInteger(), nullable=False),
        sa.Column("let_go", sa.Integer(), nullable=False),
        sa.Column("let_go_at", sa.BigInteger(), nullable=False),
        sa.Column("reached_at", sa.BigInteger(), nullable=True),
        sa.Column("approval_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "budget_target",
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("budget_ids", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_budget_target")),
    )
    op.create_table(
        "budget_look",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_look")),
    )
    op.create_table(
        "budget_wait",
        sa.Column("budget_id", sa.String(length=36), nullable=False),
        sa.Column("rank", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("budget_id", "rank", "task_id", name=op.f("pk_budget_wait")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budget_reservation",
        sa.Column("attempt", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("attempt", name=op.f("pk_budget_reservation")),
    )
    op.add_column("approval", sa.Column("budget_id", sa.String(length=36), nullable=False, server_default=""))
