"""What budgets cost is counted: nothing where there are none, and the same however many tasks wait for room."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.store.test_budgets import cap, credit, must_take, take, use

from agent_swarm.domain.budgets import BudgetScope
from agent_swarm.domain.ids import new_id
from agent_swarm.store import operations as ops
from agent_swarm.store.records import ProjectRecord, TaskSpec
from agent_swarm.store.sql import driver
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.driver import Driver


@pytest.fixture
def executed() -> list[str]:
    """The statements that the writer has run."""
    return []


@pytest.fixture
def swarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executed: list[str]) -> Iterator[Driver]:
    for name in ("rows", "values", "value", "tuples", "run", "run_many"):
        original: Callable[..., Any] = getattr(driver.Driver, name)

        def counting(self: Any, statement: Any, *rest: Any, _original: Any = original) -> Any:
            executed.append(str(getattr(statement, "by_row", statement)))
            return _original(self, statement, *rest)

        monkeypatch.setattr(driver.Driver, name, counting)
    engine = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
    engine.open()
    yield Driver(engine)
    engine.close()


def test_given_no_budget_when_attempts_begin_use_and_end_then_no_statement_is_about_budgets(
    swarm: Driver, executed: list[str]
) -> None:
    ada = swarm.register()
    swarm.file()
    swarm.complete(must_take(swarm, ada))  # from here on the writer knows that there is none
    executed.clear()

    task_id = swarm.file()
    held = must_take(swarm, ada)
    use(swarm, task_id, 1)
    swarm.complete(held)

    assert [one for one in executed if "budget" in one] == []


def test_given_many_tasks_that_wait_for_room_when_one_claims_then_it_costs_what_it_costs_with_few(
    swarm: Driver, executed: list[str]
) -> None:
    ada = swarm.register()
    project = swarm.do(
        ops.CreateProject(project=ProjectRecord(id=new_id(), name="shop", repo_url="/shop"), actor="tester")
    )
    cap(swarm, 1, BudgetScope.PROJECT, project.id)

    def claims_among(count: int) -> list[str]:
        new = (TaskSpec(id=new_id(), title="t", prompt="p", project_id=project.id, priority=90) for _ in range(count))
        swarm.do(ops.CreateTasks(tasks=tuple(ops.NewTask(spec=spec) for spec in new), actor="operator"))
        while swarm.engine.read(lambda queries: queries.ready_classes()):
            take(swarm, ada)  # each is looked at once, and put aside
        other = swarm.file()
        claim = credit(swarm, ada)
        executed.clear()
        assert swarm.do(claim).task.spec.id == other
        return list(executed)

    few = claims_among(5)
    assert claims_among(700) == few


def test_given_fifty_credits_when_they_are_answered_in_one_batch_then_budgets_are_read_in_a_few_statements(
    swarm: Driver, executed: list[str]
) -> None:
    agents = [swarm.register(f"a{number}") for number in range(50)]
    for _ in range(50):
        swarm.file()
    for _ in range(3):
        cap(swarm, 1_000)
    claims = [credit(swarm, one) for one in agents]
    executed.clear()

    assert None not in swarm.run(*claims)
    about = [one for one in executed if "budget" in one]
    assert len([one for one in about if one.startswith("SELECT")]) <= 4
    assert len([one for one in about if one.startswith("UPDATE")]) <= 3
