"""Indexes that lists need, fewer that writes pay for; labels in a table; classes that nobody serves"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STEP = 1_000  # tasks whose labels are in memory at once
ROOM = ("task", "attempt", "agent")


def upgrade() -> None:
    for name in ("held", "created", "root", "parent", "project", "last_agent"):
        op.drop_index(f"ix_task_{name}", table_name="task")
    place = ["created_at", "id"]
    _index("ix_task_root", ["root_id", *place], "root_id != id")
    _index("ix_task_parent", ["parent_id", *place], "parent_id IS NOT NULL")
    _index("ix_task_project", ["project_id", "status", *place], "project_id IS NOT NULL")
    _index("ix_task_last_agent", ["last_agent_id", "status", *place], "last_agent_id IS NOT NULL")
    for name in ("unserved_since", "unserved_told_at"):
        op.add_column("requirement_class", sa.Column(name, sa.BigInteger(), nullable=True))
    label = op.create_table(
        "task_label",
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("label", "created_at", "task_id", name=op.f("pk_task_label")),
        sqlite_with_rowid=False,
    )
    _fill(label)
    if op.get_bind().dialect.name == "postgresql":
        for table in ROOM:
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 80)")


def _index(name: str, columns: list[str], condition: str) -> None:
    op.create_index(
        name, "task", columns, unique=False, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition)
    )


def _fill(label: sa.Table) -> None:
    """The labels of the tasks there are, a bounded number of tasks at a time."""
    connection = op.get_bind()
    task = sa.table("task", sa.column("id"), sa.column("created_at"), sa.column("labels"))
    last = ""
    while True:
        following = sa.select(task).where(task.c.id > last).order_by(task.c.id).limit(STEP)
        tasks = connection.execute(following).all()
        if not tasks:
            return
        last = tasks[-1].id
        rows = [
            {"label": name, "created_at": found.created_at, "task_id": found.id}
            for found in tasks
            if found.labels != "[]"
            for name in dict.fromkeys(json.loads(found.labels))
        ]
        if rows:
            connection.execute(sa.insert(label), rows)
