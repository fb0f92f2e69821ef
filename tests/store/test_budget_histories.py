"""Random histories with budgets: the memory store and an SQL store agree, and no admission passes a cap."""

from pathlib import Path

import pytest
from tests.store.budget_moves import BudgetMoves
from tests.store.test_stores_agree import EXAMPLES, run_histories

from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres

pytestmark = pytest.mark.slow


def test_given_any_history_with_budgets_when_it_is_followed_then_no_cap_is_passed_and_nobody_is_forgotten() -> None:
    BudgetMoves.met.clear()
    run_histories(lambda: BudgetMoves(MemoryEngine()), examples=5 * EXAMPLES)
    wanted = {"reserved", "task.waitsForBudget", "budget.reached", "budget.shut", "approval.asked"}
    wanted |= {"asked with something left", "waits for a place"}
    assert wanted <= BudgetMoves.met.keys(), "the histories have met what they are about"


def test_given_any_history_with_budgets_when_memory_and_sqlite_follow_it_then_they_agree(tmp_path: Path) -> None:
    counter = iter(range(1_000_000))
    run_histories(
        lambda: BudgetMoves(SqliteEngine(tmp_path / f"{next(counter)}.sqlite", synchronous="off")),
        examples=max(1, EXAMPLES // 5),
    )


def test_given_any_history_with_budgets_when_memory_and_postgresql_follow_it_then_they_agree(
    postgres_server: str,
) -> None:
    class OnPostgres(BudgetMoves):
        def __init__(self) -> None:
            self.database = postgres.database_with_tables(postgres_server)
            super().__init__(PostgresEngine(self.database.__enter__()))

        def teardown(self) -> None:
            super().teardown()
            self.database.__exit__(None, None, None)

    run_histories(OnPostgres, examples=max(1, EXAMPLES // 10))
