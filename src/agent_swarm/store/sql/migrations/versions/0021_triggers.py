"""Triggers: what happens when tasks have ended"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _triggers()
    _firings()
    _filed()


def _triggers() -> None:
    op.create_table(
        "trigger_rule",
        sa.Column("scope", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("pause_reason", sa.String(length=16), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("swarm_id", sa.String(length=36), nullable=True),
        sa.Column("label", sa.String(length=128), nullable=True),
        sa.Column("agent_id", sa.String(length=36), nullable=True),
        sa.Column("settled", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failure", sa.Text(), nullable=False),
        sa.Column("hour_began_at", sa.BigInteger(), nullable=False),
        sa.Column("hour_posted", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("maker_agent_id", sa.String(length=36), nullable=True),
        sa.Column("maker_task_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "id", name=op.f("pk_trigger_rule")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "trigger_work",
        sa.Column("trigger_id", sa.String(length=36), nullable=False),
        sa.Column("does", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trigger_id", name=op.f("pk_trigger_work")),
    )
    op.create_table(
        "trigger_name",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_trigger_name")),
    )
    op.create_table(
        "trigger_secret",
        sa.Column("trigger_id", sa.String(length=36), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trigger_id", name=op.f("pk_trigger_secret")),
    )


def _firings() -> None:
    op.create_table(
        "trigger_firing",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("scope", sa.String(length=36), nullable=False),
        sa.Column("trigger_id", sa.String(length=36), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("fired_at", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("look_at", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("made_id", sa.String(length=36), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trigger_firing")),
        sa.UniqueConstraint(
            "trigger_id", "task_id", "attempt", name=op.f("uq_trigger_firing_trigger_id_task_id_attempt")
        ),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "trigger_look",
        sa.Column("lane", sa.String(length=300), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("lane", "at", "id", name=op.f("pk_trigger_look")),
    )
    op.create_table(
        "trigger_log",
        sa.Column("trigger_id", sa.String(length=36), nullable=False),
        sa.Column("rank", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("trigger_id", "rank", "id", name=op.f("pk_trigger_log")),
    )


def _filed() -> None:
    op.create_table(
        "triggered_task",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("trigger_id", sa.String(length=36), nullable=False),
        sa.Column("by_task_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_triggered_task")),
    )
    op.create_table(
        "triggered_root",
        sa.Column("root_id", sa.String(length=36), nullable=False),
        sa.Column("made", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("root_id", name=op.f("pk_triggered_root")),
    )
