"""Swarms, and which agents and tasks are in them"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_IN_ONE = sa.text("swarm_id IS NOT NULL")
_IS_PAUSED = sa.text("status = 'paused'")


def upgrade() -> None:
    op.create_table(
        "swarm",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_swarm")),
    )
    op.create_index("ix_swarm_paused", "swarm", ["id"], sqlite_where=_IS_PAUSED, postgresql_where=_IS_PAUSED)
    op.create_table(
        "swarm_name",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("swarm_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_swarm_name")),
    )
    op.add_column("agent", sa.Column("swarm_id", sa.String(length=36), nullable=True))
    op.create_index("ix_agent_swarm", "agent", ["swarm_id", "name", "id"], unique=False)
    op.add_column("task", sa.Column("swarm_id", sa.String(length=36), nullable=True))
    op.create_index(
        "ix_task_swarm",
        "task",
        ["swarm_id", "status", "created_at", "id"],
        unique=False,
        sqlite_where=_IN_ONE,
        postgresql_where=_IN_ONE,
    )
