"""What workers send all the time touches no index, so that PostgreSQL writes it where the row is."""

from typing import Any

import pytest
import sqlalchemy as sa

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine
from agent_swarm.store.sql import statements, tables
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import LEASE, Driver

INDEXED = {column.name for table in (tables.task, tables.agent) for index in table.indexes for column in index.columns}


def test_given_a_running_task_when_its_worker_renews_and_tells_then_no_indexed_column_is_written(
    engine: Engine, swarm: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    written: list[str] = []
    original = statements.update_tasks

    def watched(columns: tuple[str, ...]) -> Any:
        written.extend(columns)
        return original(columns)

    monkeypatch.setattr(statements, "update_tasks", watched)
    swarm.advance(10)
    swarm.beat(ada, held)
    swarm.do(ops.ReportProgress(task_id=held.task_id, fence=held.fence, text="half way", actor="agent:ada"))

    assert INDEXED.isdisjoint(written), written
    assert type(engine).__name__ == "MemoryEngine" or {"lease_expires_at", "progress"} <= set(written)


def test_given_a_lease_that_was_renewed_when_its_first_end_is_over_then_it_is_neither_lost_nor_forgotten(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    task_id = swarm.file()
    held = swarm.take(ada)
    swarm.advance(20)
    swarm.beat(ada, held)
    swarm.advance(15)
    assert swarm.timers() == 0
    assert swarm.engine.read(lambda q: q.next_timer()) == swarm.now - 15_000_000 + LEASE
    assert swarm.state(task_id).is_held
    swarm.advance(15)
    assert swarm.timers() == 1
    assert not swarm.state(task_id).is_held


def test_given_leases_that_were_renewed_and_lapsed_when_one_is_taken_back_then_it_is_the_one_that_lapsed_first(
    swarm: Driver,
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    renewed = swarm.file()
    held = swarm.take(ada)
    swarm.advance(1)
    first = swarm.file()
    swarm.take(bob)
    swarm.advance(20)
    swarm.beat(ada, held)
    swarm.advance(100)
    swarm.do(ops.RunTimers(jitter=0.0, limit=1))
    assert (swarm.state(first).is_held, swarm.state(renewed).is_held) == (False, True)


def test_given_a_renewed_lease_when_the_run_ends_then_no_timer_is_left_behind(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.advance(20)
    swarm.beat(ada, held)
    swarm.complete(held)
    assert swarm.engine.read(lambda q: q.next_timer()) is None
    swarm.advance(100)
    assert swarm.timers() == 0


def test_given_a_lease_when_its_run_fails_with_a_later_time_to_try_again_then_its_old_end_is_forgotten(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    task_id = swarm.file()
    swarm.fail(swarm.take(ada), FailureClass.INFRASTRUCTURE, retry_after=100_000_000)
    again = swarm.now + 100_000_000
    swarm.advance(40)
    assert swarm.engine.read(lambda q: q.next_timer()) == again
    assert swarm.timers() == 0
    swarm.advance(60)
    assert swarm.timers() == 1
    assert swarm.state(task_id).ready


@pytest.mark.slow
def test_given_postgresql_when_leases_are_renewed_then_most_updates_write_no_index(postgres_server: str) -> None:
    with postgres.database_with_tables(postgres_server) as url:
        engine = PostgresEngine(url)
        engine.open()
        swarm = Driver(engine)
        ada = swarm.register()
        for _ in range(20):
            swarm.file()
        leases = [swarm.take(ada) for _ in range(20)]
        before = _updates(engine)
        for _ in range(30):
            swarm.advance(10)
            swarm.beat(ada, *leases)
        everything, in_place = (after - first for after, first in zip(_updates(engine), before, strict=True))
        engine.close()
    assert everything == 600
    assert in_place > 500


def _updates(engine: PostgresEngine) -> tuple[int, int]:
    """Rows of tasks updated so far, and those of them that no index was written for; once the writer has told them."""
    flush = sa.text("SELECT pg_stat_force_next_flush()")
    connection = engine._connection.driver()
    connection.execute(str(flush))
    engine._connection.commit()
    with engine._reader.connect() as reader:
        found = reader.execute(
            sa.text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'task'")
        ).one()
    return found.n_tup_upd, found.n_tup_hot_upd
