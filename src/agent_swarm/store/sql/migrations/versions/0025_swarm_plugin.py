"""Tasks that are put aside, and what workers say of their copies of projects"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archived_task",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_archived_task")),
    )
    op.create_table(
        "project_copy",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=True),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "project_id", name=op.f("pk_project_copy")),
    )
