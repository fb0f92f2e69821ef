"""Random histories with schedules among everything else: the memory store and an SQL store agree after each batch.

Apart from the other histories, so that those meet as much as they did.
"""

from pathlib import Path

import pytest
from tests.store.schedule_moves import ScheduleMoves
from tests.store.test_stores_agree import EXAMPLES, StoreHistories, run_histories

from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres

pytestmark = pytest.mark.slow


class ScheduleHistories(StoreHistories, ScheduleMoves):
    """Schedules beside tasks, agents, claims, kills and all the rest."""


def test_given_any_history_with_schedules_when_memory_and_sqlite_follow_it_then_they_agree(tmp_path: Path) -> None:
    counter = iter(range(1_000_000))
    run_histories(
        lambda: ScheduleHistories(SqliteEngine(tmp_path / f"{next(counter)}.sqlite", synchronous="off")),
        examples=max(1, EXAMPLES // 5),
    )


def test_given_any_history_with_schedules_when_memory_and_postgresql_follow_it_then_they_agree(
    postgres_server: str,
) -> None:
    class OnPostgres(ScheduleHistories):
        def __init__(self) -> None:
            self.database = postgres.database_with_tables(postgres_server)
            super().__init__(PostgresEngine(self.database.__enter__()))

        def teardown(self) -> None:
            super().teardown()
            self.database.__exit__(None, None, None)

    run_histories(OnPostgres, examples=max(1, EXAMPLES // 10))
