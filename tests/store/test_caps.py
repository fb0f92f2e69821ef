"""Agents file no more than they may: on every store, in one batch as in many, and whoever files at the same time."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.caps import Cap, Caps
from agent_swarm.domain.errors import CapReached, SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.store import operations as ops
from agent_swarm.store.records import TaskSpec
from agent_swarm.store.sql import statements
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver

CAPS = Caps(depth=2, children=3, tasks_per_root=5, open_per_agent=4)
ROOMY = Caps(depth=9, children=99, tasks_per_root=99, open_per_agent=99)


def filing(swarm: Driver, agent: str | None, parent: str, *, count: int = 1, caps: Caps = CAPS) -> ops.CreateTasks:
    """An agent files tasks below another one; without an agent, an operator does."""
    above = swarm.task(parent).spec
    actor = f"agent:{agent}" if agent else "operator"
    new = tuple(
        ops.NewTask(
            spec=TaskSpec(
                id=new_id(),
                title="t",
                prompt="p",
                created_by=actor,
                parent_id=parent,
                root_id=above.root_id,
                depth=above.depth + 1,
            )
        )
        for _ in range(count)
    )
    capped = ops.Capped(agent_id=agent, caps=caps) if agent else None
    return ops.CreateTasks(tasks=new, actor=actor, capped=capped)


def file_below(swarm: Driver, agent: str | None, parent: str, **options: Any) -> str:
    created: ops.Created = swarm.do(filing(swarm, agent, parent, **options))
    return created.task_ids[-1]


def refusal(swarm: Driver, operation: ops.CreateTasks) -> CapReached:
    (reply,) = swarm.run(operation)
    assert isinstance(reply, CapReached)
    return reply


def test_given_a_full_task_when_an_agent_files_below_it_then_the_refusal_names_cap_value_and_setting(
    swarm: Driver,
) -> None:
    ada, root = swarm.register(), swarm.file()
    file_below(swarm, ada, root, count=3)

    told = refusal(swarm, filing(swarm, ada, root))

    assert told.details == {"cap": "children", "limit": 3, "of": root, "setting": "AGENT_SWARM_MAX_CHILDREN"}
    assert "3 tasks" in told.message and "AGENT_SWARM_MAX_CHILDREN" in told.hint


def test_given_a_batch_that_goes_over_a_cap_when_it_is_filed_then_none_of_it_is(swarm: Driver) -> None:
    ada, root = swarm.register(), swarm.file()

    told = refusal(swarm, filing(swarm, ada, root, count=4))

    assert told.details["cap"] == "children"
    file_below(swarm, ada, root, count=3)


def test_given_tasks_as_deep_as_they_may_be_when_an_agent_files_deeper_then_it_is_refused(swarm: Driver) -> None:
    ada, root = swarm.register(), swarm.file()
    deepest = file_below(swarm, ada, file_below(swarm, ada, root))

    assert refusal(swarm, filing(swarm, ada, deepest)).details["cap"] == "depth"


def test_given_a_full_root_when_an_agent_files_anywhere_below_it_then_it_is_refused(swarm: Driver) -> None:
    ada, bob, root = swarm.register(), swarm.register("bob"), swarm.file()
    child = file_below(swarm, ada, root, count=3)
    file_below(swarm, bob, child, count=2)

    assert refusal(swarm, filing(swarm, bob, child)).details["cap"] == "tasksPerRoot"


def test_given_an_agent_with_as_many_open_tasks_as_it_may_when_one_ends_then_it_files_one_more(swarm: Driver) -> None:
    ada, one, two = swarm.register(), swarm.file(), swarm.file()
    filed = file_below(swarm, ada, one, count=3)
    file_below(swarm, ada, two)
    assert refusal(swarm, filing(swarm, ada, two)).details == {
        "cap": "openPerAgent",
        "limit": 4,
        "of": f"agent:{ada}",
        "setting": "AGENT_SWARM_MAX_OPEN_PER_AGENT",
    }

    swarm.do(ops.TaskCommand(command=commands.Cancel(task_id=filed), actor="operator"))

    file_below(swarm, ada, two)


def test_given_a_full_task_when_an_operator_files_below_it_then_nothing_is_capped_but_it_counts(swarm: Driver) -> None:
    ada, root = swarm.register(), swarm.file()
    file_below(swarm, None, root, count=7)

    assert refusal(swarm, filing(swarm, ada, root)).details["cap"] == "children"


def test_given_several_requests_in_one_batch_when_they_would_pass_a_cap_together_then_the_last_ones_are_refused(
    swarm: Driver,
) -> None:
    ada, root = swarm.register(), swarm.file()

    replies = swarm.run(
        filing(swarm, ada, root),
        filing(swarm, None, root),
        filing(swarm, ada, root),
        filing(swarm, ada, root),
    )

    assert [isinstance(reply, SwarmError) for reply in replies] == [False, False, False, True]


def test_given_a_request_that_was_carried_out_when_it_comes_again_then_caps_do_not_matter(swarm: Driver) -> None:
    ada, root = swarm.register(), swarm.file()
    asked = ops.Idempotency(subject="s", route="r", key="k", body_hash="h")
    first = filing(swarm, ada, root, count=3)
    again = ops.CreateTasks(tasks=first.tasks, actor=first.actor, capped=first.capped, idempotency=asked)

    assert swarm.do(again).task_ids == swarm.do(again).task_ids


@pytest.mark.parametrize("cap", [Cap.CHILDREN, Cap.TASKS_PER_ROOT, Cap.OPEN_PER_AGENT])
def test_given_a_cap_when_what_it_bounds_is_counted_then_an_index_finds_it(cap: Cap, tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "swarm.sqlite")
    engine.open()
    engine.close()
    sql = str(statements.counted[cap].compile())

    with sqlite3.connect(tmp_path / "swarm.sqlite") as connection:
        plan = " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", {"of": "x", "limit": 5}))

    assert "USING" in plan and "SCAN task" not in plan


@pytest.fixture
def two_servers(postgres_server: str) -> Iterator[tuple[Driver, Driver]]:
    with postgres.database_with_tables(postgres_server) as url:
        engines = [PostgresEngine(url) for _ in range(2)]
        for engine in engines:
            engine.open()
        first = Driver(engines[0])
        yield first, Driver(engines[1], instances=first.instances, profiles=first.profiles)
        for engine in engines:
            engine.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "caps",
    [
        Caps(depth=9, children=10, tasks_per_root=99, open_per_agent=99),
        Caps(depth=9, children=99, tasks_per_root=10, open_per_agent=99),
        Caps(depth=9, children=99, tasks_per_root=99, open_per_agent=10),
    ],
    ids=["children", "root", "open"],
)
def test_given_two_servers_when_agents_file_at_both_at_once_then_exactly_as_many_are_filed_as_may_be(
    two_servers: tuple[Driver, Driver], caps: Caps
) -> None:
    first, second = two_servers
    ada, root = first.register(), first.file()
    operations = [filing(first, ada, root, caps=caps) for _ in range(60)]

    def file_at(server: Driver, mine: list[ops.CreateTasks]) -> list[Any]:
        return [server.run(operation)[0] for operation in mine]

    with ThreadPoolExecutor(2) as threads:
        replies = [
            reply
            for answered in (
                threads.submit(file_at, first, operations[:30]),
                threads.submit(file_at, second, operations[30:]),
            )
            for reply in answered.result()
        ]

    assert sum(isinstance(reply, ops.Created) for reply in replies) == 10
    assert sum(isinstance(reply, CapReached) for reply in replies) == 50
