"""Budgets cap attempts begun and attempts at once"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("cap_attempts", "cap_at_once"):
        op.add_column("budget", sa.Column(name, sa.BigInteger(), nullable=True))
    for name in ("attempts", "extra_attempts", "under_way"):
        op.add_column("budget", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    # Attempts under way give back their place at their end: those that hold something have one from now on.
    op.execute(
        """UPDATE budget SET under_way = (
           SELECT count(*) FROM budget_reservation WHERE budget_reservation.parts LIKE '%"' || budget.id || '"%')"""
    )
