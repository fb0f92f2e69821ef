"""Merge queues: results of tasks on their way to the branch of their project"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _queue()
    _results()
    op.create_table(
        "merge_queue_task",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("of", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("hops", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_merge_queue_task")),
    )


def _queue() -> None:
    op.create_table(
        "merge_queue",
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("largest", sa.Integer(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("automatic", sa.Integer(), nullable=False),
        sa.Column("timeout", sa.BigInteger(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("halt_code", sa.String(length=64), nullable=False),
        sa.Column("halt_message", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("round", sa.Text(), nullable=False),
        sa.Column("check_task_id", sa.String(length=36), nullable=True),
        sa.Column("check_size", sa.Integer(), nullable=False),
        sa.Column("checks", sa.BigInteger(), nullable=False),
        sa.Column("landed", sa.BigInteger(), nullable=False),
        sa.Column("returned", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_merge_queue")),
        postgresql_with={"fillfactor": "80"},
    )


def _results() -> None:
    op.create_table(
        "merge_queue_entry",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("hops", sa.Integer(), nullable=False),
        sa.Column("entered_at", sa.BigInteger(), nullable=False),
        sa.Column("entered_by", sa.Text(), nullable=False),
        sa.Column("check_task_id", sa.String(length=36), nullable=True),
        sa.Column("tested_with", sa.Text(), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("followup_id", sa.String(length=36), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_merge_queue_entry")),
    )
    for name, order in (("merge_queue_place", "at"), ("merge_queue_past", "rank")):
        op.create_table(
            name,
            sa.Column("project_id", sa.String(length=36), nullable=False),
            sa.Column(order, sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("task_id", sa.String(length=36), nullable=False),
            sa.PrimaryKeyConstraint("project_id", order, "task_id", name=op.f(f"pk_{name}")),
        )
    op.create_table(
        "merge_queue_news",
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_merge_queue_news")),
    )
