"""Who looks for the head of the queue walks the index of what may run now, and judges what is found again once it is
locked: another server may have been faster.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from agent_swarm.domain.matching import Requirements
from agent_swarm.store.sql import coding, statements
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.rows import SqlRows
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver
from agent_swarm.testing.invariants import audit


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Driver]:
    engine = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
    engine.open()
    yield Driver(engine)
    assert engine.read(audit) == []
    engine.close()


def found_a_moment_ago(monkeypatch: pytest.MonkeyPatch, task_id: str) -> None:
    """Whoever looks for a head finds this task, as one does who looked before another server's commit."""
    monkeypatch.setattr(SqlRows, "heads", lambda _rows, _classes, _limit: [task_id])


def test_given_a_head_that_another_server_took_before_it_was_locked_when_it_is_claimed_then_nobody_gets_it_twice(
    swarm: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    task_id = swarm.file()
    held = swarm.take(bob)
    found_a_moment_ago(monkeypatch, task_id)

    assert swarm.claim(ada) is None

    assert swarm.state(task_id).fence == held.fence


def test_given_a_head_that_got_into_another_class_before_it_was_locked_when_it_is_claimed_then_it_stays(
    swarm: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = swarm.register("ada")
    swarm.file()
    special = swarm.file(requires=Requirements(tags=frozenset({"gpu"})))
    found_a_moment_ago(monkeypatch, special)

    assert swarm.claim(ada) is None

    assert swarm.state(special).ready


def plan(connection: sa.Connection, prefix: str, statement: Any, values: dict[str, Any]) -> str:
    """How the database is going to carry out a statement."""
    compiled = statement.compile(connection)
    arguments = compiled.construct_params(values)
    in_order: Any = tuple(arguments[name] for name in compiled.positiontup) if compiled.positional else arguments
    return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{prefix} {compiled}", in_order))


ONE_CLASS = {"class_id": 1, "limit": 8}
MANY_CLASSES = {"class_ids": coding.dump([1, 2, 3]), "limit": 8}


def test_given_sqlite_when_it_plans_the_look_for_a_head_then_it_walks_the_index_of_what_may_run_and_sorts_no_class(
    tmp_path: Path,
) -> None:
    engine = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
    engine.open()
    with engine._reader.connect() as connection:
        one = plan(connection, "EXPLAIN QUERY PLAN", statements.head_of_one, ONE_CLASS)
        many = plan(connection, "EXPLAIN QUERY PLAN", statements.heads_of_many("sqlite"), MANY_CLASSES)
    engine.close()
    assert "INDEX ix_task_claim (claim_class=?)" in one
    assert "TEMP B-TREE" not in one
    assert "INDEX ix_task_claim (claim_class=?)" in many
    assert many.count("TEMP B-TREE") == 1  # of the heads that were found
    assert "SCAN task" not in one + many


@pytest.mark.slow
def test_given_postgresql_when_it_plans_the_look_for_a_head_then_it_walks_the_index_of_what_may_run(
    postgres_server: str,
) -> None:
    with postgres.database(postgres_server) as url:
        engine = PostgresEngine(url)
        engine.open()
        with engine._writer.connect() as connection:
            connection.exec_driver_sql("SET enable_seqscan = off")  # a table without rows is not worth an index
            one = plan(connection, "EXPLAIN", statements.head_of_one, ONE_CLASS)
            many = plan(connection, "EXPLAIN", statements.heads_of_many("postgresql"), MANY_CLASSES)
        engine.close()
    for planned in (one, many):
        assert "using ix_task_claim" in planned
        assert "Index Cond: (claim_class = " in planned
