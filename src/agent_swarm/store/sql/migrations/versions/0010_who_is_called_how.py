"""Agents by the words that name them; the last message that is to wake an agent; a first number that can be locked"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STEP = 1_000  # agents that are in memory at once


def upgrade() -> None:
    for name in ("name_word", "role_word"):
        op.add_column("agent", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("wake_call", sa.Column("last", sa.BigInteger(), nullable=False, server_default="0"))
    _fill()
    op.execute(
        "INSERT INTO message_head (name, number) SELECT 'messages', 0"
        " WHERE NOT EXISTS (SELECT 1 FROM message_head WHERE name = 'messages')"
    )
    for name in ("name_word", "role_word", "agent_role"):
        op.create_index(f"ix_agent_{name}", "agent", [name, "id"], unique=False)


def _fill() -> None:
    """The words of the agents there are, a bounded number of agents at a time."""
    connection = op.get_bind()
    agent = sa.table("agent", *(sa.column(name) for name in ("id", "name", "role", "name_word", "role_word")))
    words = sa.update(agent).where(agent.c.id == sa.bindparam("of_agent"))
    words = words.values(name_word=sa.bindparam("of_name"), role_word=sa.bindparam("of_role"))
    last = ""
    while True:
        following = sa.select(agent.c.id, agent.c.name, agent.c.role).where(agent.c.id > last)
        agents = connection.execute(following.order_by(agent.c.id).limit(STEP)).all()
        if not agents:
            return
        last = agents[-1].id
        rows = [{"of_agent": one.id, "of_name": _word(one.name), "of_role": _word(one.role)} for one in agents]
        connection.execute(words, rows)


def _word(name: str) -> str:
    """As `domain.mentions.word_of` was when this was written."""
    return "-".join(name.lower().split())
