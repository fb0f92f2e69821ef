"""What agents may do: an index that counts what they have filed"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
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
