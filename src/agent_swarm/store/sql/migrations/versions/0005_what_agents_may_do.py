"""What agents may do: permission profiles, and an index that counts what they have filed"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FILED_AND_OPEN = sa.text("finished_at IS NULL AND parent_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_task_filed_by",
        "task",
        ["created_by"],
        sqlite_where=_FILED_AND_OPEN,
        postgresql_where=_FILED_AND_OPEN,
    )
    op.add_column("task", sa.Column("permissions", sa.String(length=64), nullable=True))
    op.add_column("agent", sa.Column("permissions", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("attempt", sa.Column("permissions", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("attempt", sa.Column("enforced", sa.String(length=3), nullable=False, server_default=""))
    op.add_column("attempt", sa.Column("denials", sa.Integer(), nullable=False, server_default="0"))
