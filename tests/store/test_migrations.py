"""A database of an earlier version keeps what it has, and gets what the new one needs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from agent_swarm.store.base import Engine
from agent_swarm.store.families.budgets import BUDGETS
from agent_swarm.store.families.mail import HEAD, MESSAGE_HEAD, MessageHead
from agent_swarm.store.records import TaskFilter
from agent_swarm.store.sql import schema, tables
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres

pytestmark = pytest.mark.slow
NUMBER = 2_300  # more than two steps of the migration

ROOMY = ("task", "attempt", "agent", "schedule", "trigger_rule", "trigger_firing", "budget", "merge_queue")


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """The address of a database at the first revision, and what opens it as the program does."""
    if request.param == "sqlite":
        path = tmp_path / "swarm.sqlite"
        yield f"sqlite:///{path}", lambda: SqliteEngine(path)
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        address = sa.make_url(url).set(drivername="postgresql+psycopg").render_as_string(False)
        yield address, lambda: PostgresEngine(url)


def make_old(address: str, number: int) -> None:
    engine = sa.create_engine(address)
    config = schema.alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        had = sa.Table("task", sa.MetaData(), autoload_with=connection)
        rows = ({name: value for name, value in old_task(place).items() if name in had.c} for place in range(number))
        connection.execute(sa.insert(had), list(rows))
        prompts = [{"task_id": f"{place:036d}", "text": "p"} for place in range(number)]
        connection.execute(sa.insert(tables.prompt), prompts)
        key = "[[],[],null]"
        connection.execute(sa.text("INSERT INTO requirement_class (id, key) VALUES (1, :key)"), {"key": key})
    engine.dispose()


def old_task(place: int) -> dict[str, Any]:
    labels = ["every", *(["seldom"] if place % 1_000 == 5 else [])] if place % 2 else []
    row: dict[str, Any] = {column.name: None for column in tables.task.c}
    counts = ("depth", "fence", "attempt", "failures", "losses", "unmet", "ended_fence")
    return {
        **row,
        **dict.fromkeys(counts, 0),
        **dict.fromkeys(("max_attempts", "max_losses", "class_id", "claim_class"), 1),
        **dict.fromkeys(("title", "ended_digest", "progress"), ""),
        "id": f"{place:036d}",
        "root_id": f"{place:036d}",
        "labels": json.dumps(labels, separators=(",", ":")),
        "priority": 50,
        "created_by": "operator",
        "created_at": place,
        "updated_at": place,
        "sort_key": place,
        "status": "pending",
        "ready": 1,
    }


def found(engine: Engine, label: str) -> list[str]:
    page = engine.read(lambda q: q.list_tasks(TaskFilter(label=label), after=None, limit=10_000))
    return [record.spec.id for record in page]


def test_given_tasks_with_labels_when_their_database_is_opened_then_lists_by_label_have_them(
    old: tuple[str, Any],
) -> None:
    address, opening = old
    make_old(address, NUMBER)
    engine = opening()
    engine.open()
    try:
        assert found(engine, "every") == [f"{place:036d}" for place in reversed(range(1, NUMBER, 2))]
        assert found(engine, "seldom") == [f"{place:036d}" for place in (2_005, 1_005, 5)]
        assert engine.read(lambda q: q.ready_classes()) == {1}
    finally:
        engine.close()


def test_given_a_database_of_either_kind_when_it_is_made_anew_or_migrated_then_its_tables_leave_the_same_room(
    postgres_server: str,
) -> None:
    room = []
    for tasks_before in (3, 0):
        with postgres.database(postgres_server) as url:
            address = sa.make_url(url).set(drivername="postgresql+psycopg").render_as_string(False)
            if tasks_before:
                make_old(address, tasks_before)
            opened = PostgresEngine(url)
            opened.open()
            opened.close()
            engine = sa.create_engine(address)
            with engine.connect() as connection:
                options = connection.execute(sa.text("SELECT relname, reloptions FROM pg_class WHERE relkind = 'r'"))
                room.append({name: told for name, told in options if told})
            engine.dispose()
    assert room[0] == room[1] == {name: ["fillfactor=80"] for name in ROOMY}


def test_given_agents_of_an_earlier_version_when_their_database_is_opened_then_words_find_them_and_messages_can_begin(
    old: tuple[str, Any],
) -> None:
    address, opening = old
    make_old(address, 1)
    add_old_agents(address, NUMBER)
    engine = opening()
    engine.open()
    try:
        (agent,) = engine.read(lambda q: q.agents_named("ägent-no-7", limit=9))
        assert agent.profile.id == f"{7:036d}"
        assert len(engine.read(lambda q: q.agents_of_role("front-end", limit=NUMBER + 1))) == NUMBER
        assert engine.read(lambda q: q.record(MESSAGE_HEAD, HEAD)) == MessageHead(name=HEAD, number=0)
    finally:
        engine.close()


def test_given_attempts_that_hold_a_part_of_a_budget_when_their_database_is_opened_then_each_has_a_place_in_it(
    old: tuple[str, Any],
) -> None:
    address, opening = old
    ids = [f"{place:036d}" for place in range(3)]
    add_old_budgets(address, ids, [[ids[0]], [ids[0], ids[1]]])
    engine = opening()
    engine.open()
    try:
        found = [engine.read(lambda q, one=one: q.record(BUDGETS, one)) for one in ids]
        assert [(one.under_way, one.attempts, one.cap_attempts, one.cap_at_once) for one in found if one] == [
            (2, 0, None, None),
            (1, 0, None, None),
            (0, 0, None, None),
        ]
    finally:
        engine.close()


def add_old_budgets(address: str, ids: list[str], held: list[list[str]]) -> None:
    """Budgets before attempts were counted, and what attempts hold of which."""
    engine = sa.create_engine(address)
    config = schema.alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0023")
        metadata = sa.MetaData()
        budget = sa.Table("budget", metadata, autoload_with=connection)
        reservation = sa.Table("budget_reservation", metadata, autoload_with=connection)
        texts = {"name": "b", "scope": "all", "scope_id": "", "period": "total", "time_zone": "UTC", "action": "pause"}
        numbers = {column.name: 0 for column in budget.c if not column.nullable}
        words = {"stand": "kept", "created_by": "operator", "approval_id": "", "cap_micros": 100}
        connection.execute(sa.insert(budget), [{**numbers, **texts, **words, "enabled": 1, "id": one} for one in ids])
        rows = [
            {
                "attempt": f"{place}/1",
                "task_id": f"{place:036d}",
                "number": 1,
                "parts": json.dumps({one: [1, 2] for one in parts}, separators=(",", ":")),
            }
            for place, parts in enumerate(held)
        ]
        connection.execute(sa.insert(reservation), rows)
    engine.dispose()


def add_old_agents(address: str, number: int) -> None:
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        had = sa.Table("agent", sa.MetaData(), autoload_with=connection)
        texts: dict[str, Any] = dict.fromkeys(("description", "template_id", "harness"), "")
        fixed = {**texts, **dict.fromkeys(("tags", "capabilities", "skills"), "[]"), "agent_role": "worker"}
        fixed |= {"role": "Front End", "slots": 1, "registered_at": 0, "last_seen_at": 0, "offline_at": None}
        rows = [
            {**fixed, "id": f"{place:036d}", "instance_id": f"{place:036d}", "name": f"Ägent no {place}"}
            for place in range(number)
        ]
        connection.execute(sa.insert(had), rows)
    engine.dispose()
