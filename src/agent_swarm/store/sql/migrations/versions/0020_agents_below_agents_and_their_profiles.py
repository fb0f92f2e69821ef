"""Agents that introduce others, agents that are stopped, and versions of what is said of agents"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agent", sa.Column("parent_id", sa.String(length=36), nullable=True))
    op.add_column("agent", sa.Column("depth", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("agent", sa.Column("stopped_at", sa.BigInteger(), nullable=True))
    for name in ("stopped_by", "stop_reason"):
        op.add_column("agent", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("agent", sa.Column("profile_version", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "agent_child",
        sa.Column("parent_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("parent_id", "agent_id", name=op.f("pk_agent_child")),
    )
    open_fields = ("name", "role", "description", "skills", "tags", "capabilities")
    op.create_table(
        "agent_profile_version",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in open_fields),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("instructions", "author", "note")),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("restored", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("agent_id", "number", name=op.f("pk_agent_profile_version")),
    )
    op.create_table(
        "agent_report",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in open_fields),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agent_report")),
    )
