"""Offers of tasks to agents, how agents answer them, how long runs may take, and what results have to be"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "task_offer",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("offered_by", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "agent_id", name=op.f("pk_task_offer")),
    )
    op.create_table(
        "task_terms",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("result_schema", sa.Text(), nullable=True),
        sa.Column("with_results", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task_terms")),
    )
    op.add_column("task", sa.Column("time_used", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("task", sa.Column("overdue_at", sa.BigInteger(), nullable=True))
    op.add_column("task", sa.Column("has_terms", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("agent", sa.Column("offers", sa.String(length=8), nullable=False, server_default="accept"))
