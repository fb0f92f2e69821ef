"""Lists of messages, and who is called how: no dearer among many than among few."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from agent_swarm.domain.messages import MessageKind
from agent_swarm.store.base import Queries
from agent_swarm.store.families.mail import DELIVERIES, MESSAGES, Delivery, Message
from agent_swarm.store.records import MessageFilter
from agent_swarm.store.sql import families, tables
from agent_swarm.store.sql.queries import SqlQueries
from agent_swarm.store.sql.sqlite import SqliteEngine

pytestmark = pytest.mark.slow

FEW, MANY = 500, 10_000
PAGE = 50


def page(wanted: MessageFilter, before: int | None = None) -> Callable[[Queries], Any]:
    return lambda queries: queries.messages(wanted, before=before, limit=PAGE)


READS: dict[str, Callable[[Queries], Any]] = {
    "an agent by its name": lambda queries: queries.agents_named("agent-7", limit=PAGE),
    "a name nobody has": lambda queries: queries.agents_named("nobody", limit=PAGE),
    "a role everybody has": lambda queries: queries.agents_of_role("worker", limit=PAGE),
    "a free role everybody has": lambda queries: queries.agents_of_role("frontend", limit=PAGE),
    "a role nobody has": lambda queries: queries.agents_of_role("lead", limit=PAGE),
    "newest messages": page(MessageFilter()),
    "a channel": page(MessageFilter(channel="busy")),
    "a quiet channel": page(MessageFilter(channel="quiet")),
    "a channel, later": page(MessageFilter(channel="busy"), before=FEW // 2),
    "what an agent got": page(MessageFilter(recipient="agent:a")),
    "what it has not read, of much that it has": page(MessageFilter(recipient="agent:a", unread=True)),
    "what mentions it": page(MessageFilter(recipient="agent:a", mentions=True)),
    "what somebody wrote": page(MessageFilter(sender="operator")),
    "since the last": page(MessageFilter(since=10**12)),
    "its deliveries": lambda queries: queries.deliveries_of(f"{1:036d}", after="", limit=PAGE),
}


def fill(path: Path, number: int) -> SqliteEngine:
    """That many agents, and messages, most of them in one channel, for one agent, which has read nearly all."""
    engine = SqliteEngine(path, synchronous="off")
    engine.open()
    beside = sa.create_engine(f"sqlite:///{path}")
    with beside.begin() as connection:
        connection.execute(sa.insert(tables.agent), [_agent(place) for place in range(number)])
        messages = [_message(place) for place in range(1, number + 1)]
        connection.execute(sa.insert(tables.message), [families.row_of(MESSAGES, one) for one in messages])
        deliveries = [families.row_of(DELIVERIES, _delivery(one, number)) for one in messages]
        connection.execute(sa.insert(tables.delivery), deliveries)
    beside.dispose()
    return engine


def _agent(place: int) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys((column.name for column in tables.agent.c), "")
    lists = dict.fromkeys(("tags", "capabilities", "skills"), "[]")
    times = {"slots": 1, "registered_at": 0, "last_seen_at": 0, "offline_at": None}
    rest = {"swarm_id": None, "offers": "accept"}
    named = {"name": f"Agent {place}", "name_word": f"agent-{place}", "role": "frontend", "role_word": "frontend"}
    return {**row, **lists, **times, **rest, **named, "id": f"{place:036d}", "agent_role": "worker"}


def _message(number: int) -> Message:
    return Message(
        id=f"{number:036d}",
        number=number,
        kind=MessageKind.CHANNEL,
        sender="operator",
        sender_name="operator",
        channel="quiet" if number % 200 == 0 else "busy",
        posted_at=number,
        text="hello",
    )


def _delivery(message: Message, number: int) -> Delivery:
    is_seldom = message.number % (number // 10) == 3
    read_at = None if is_seldom else message.number
    return Delivery(
        recipient="agent:a", number=message.number, message_id=message.id, is_mention=is_seldom, read_at=read_at
    )


def test_given_twenty_times_as_many_agents_and_messages_when_they_are_read_then_sqlite_does_not_work_more(
    tmp_path: Path,
) -> None:
    steps: dict[int, dict[str, int]] = {}
    for number in (FEW, MANY):
        engine = fill(tmp_path / f"{number}.sqlite", number)
        steps[number] = {what: work_on_sqlite(engine, read) for what, read in READS.items()}
        engine.close()
    for what, before in steps[FEW].items():
        assert steps[MANY][what] <= 1.6 * before + 2_000, (what, before, steps[MANY][what])
        assert steps[MANY][what] < 20_000, (what, steps[MANY][what])  # looking at everybody takes 60,000


def work_on_sqlite(engine: SqliteEngine, read: Callable[[Queries], Any]) -> int:
    """Instructions of SQLite's machine that a read takes, in hundreds."""
    count = itertools.count()
    with engine._reader.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.set_progress_handler(lambda: next(count) and 0, 100)
        read(SqlQueries(connection, engine._classes))
        raw.set_progress_handler(None, 0)
    return 100 * next(count)
