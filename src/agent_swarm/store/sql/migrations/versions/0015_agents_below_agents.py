"""Agents that introduce others, and agents that are stopped"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agent", sa.Column("parent_id", sa.String(length=36), nullable=True))
    op.add_column("agent", sa.Column("depth", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("agent", sa.Column("stopped_at", sa.BigInteger(), nullable=True))
    for name in ("stopped_by", "stop_reason"):
        op.add_column("agent", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "agent_child",
        sa.Column("parent_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("parent_id", "agent_id", name=op.f("pk_agent_child")),
    )
