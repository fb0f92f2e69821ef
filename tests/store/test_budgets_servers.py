"""Budgets under several servers on one PostgreSQL, and over crashes between what is reserved and what is spent."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.store.conftest import opened
from tests.store.test_budgets import cap, credit, file, keep, kept, money, must_take, standing, take, use

from agent_swarm.store import operations as ops
from agent_swarm.store.families.budgets import RESERVATIONS
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import LEASE, Driver
from agent_swarm.testing.invariants import audit

pytestmark = pytest.mark.slow

SERVERS, ROUNDS = 3, 8


@pytest.fixture
def servers(postgres_server: str) -> Iterator[list[Driver]]:
    """Servers on one database, which know the same agents."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres.database_with_tables(postgres_server))
        engines = [stack.enter_context(opened(PostgresEngine(url, patience=60.0))) for _ in range(SERVERS)]
        first = Driver(engines[0])
        yield [first, *(Driver(one, instances=first.instances, profiles=first.profiles) for one in engines[1:])]
        assert engines[0].read(audit) == []


def test_given_three_servers_when_they_claim_book_and_end_at_once_then_no_cap_is_passed_and_nothing_is_lost(
    servers: list[Driver],
) -> None:
    first = servers[0]
    agents = [first.register(f"a{number}") for number in range(6)]
    wide, narrow = cap(first, 9), cap(first, 4.5)
    for _ in range(60):
        first.file()

    def work(server: Driver, mine: list[str]) -> int:
        begun = 0
        for _ in range(ROUNDS):
            replies = server.run(*(credit(server, agent_id) for agent_id in mine))
            for reply in replies:
                if reply is None:
                    continue
                begun += 1
                held = ops.Held(task_id=reply.task.spec.id, fence=reply.task.state.fence)
                server.start(held)
                use(server, held.task_id, 0.01)
                server.complete(held)
        return begun

    with ThreadPoolExecutor(SERVERS) as threads:
        done = list(threads.map(work, servers, [agents[:2], agents[2:4], agents[4:]]))

    for budget_id in (wide, narrow):
        spent, reserved = money(first, budget_id)
        assert (round(spent, 6), reserved) == (round(0.01 * sum(done), 6), 0)
    assert kept(first, RESERVATIONS) == []


@pytest.mark.parametrize("caps", [{}, {"cap_attempts": 7}, {"cap_at_once": 7}])
def test_given_three_servers_when_all_their_agents_claim_at_once_then_exactly_as_many_begin_as_there_is_room_for(
    servers: list[Driver], caps: dict[str, Any]
) -> None:
    first = servers[0]
    agents = [first.register(f"a{number}") for number in range(30)]
    budget_id = cap(first, 50 if caps else 7, **caps)
    for _ in range(30):
        first.file()
    batches = [(server, [credit(server, one) for one in agents[n::SERVERS]]) for n, server in enumerate(servers)]

    with ThreadPoolExecutor(SERVERS) as threads:
        replies = list(threads.map(lambda one: one[0].run(*one[1]), batches))

    begun = [reply for answers in replies for reply in answers if reply is not None]
    assert len(begun) == 7
    assert money(first, budget_id) == (0, 7)
    assert (standing(first, budget_id).attempts, standing(first, budget_id).under_way) == (7, 7)


def test_given_a_server_that_makes_a_budget_when_others_claim_meanwhile_then_each_claim_counts_or_came_before(
    servers: list[Driver],
) -> None:
    first, second = servers[:2]
    agents = [first.register(f"a{number}") for number in range(20)]
    for _ in range(20):
        first.file()
    claims = [credit(second, one) for one in agents]

    with ThreadPoolExecutor(2) as threads:
        claiming = threads.submit(lambda: [second.do(one) for one in claims])
        budget_id = threads.submit(cap, first, 5).result()
        begun = [one for one in claiming.result() if one is not None]

    reserved = money(first, budget_id)[1]
    assert reserved <= 5
    assert len(kept(first, RESERVATIONS)) == reserved
    assert len(begun) >= reserved


# --- crashes --------------------------------------------------------------------------------------------------------

_PROGRAM = """
import os, signal, sys
from pathlib import Path
from agent_swarm import faults
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.driver import LEASE, Driver
from tests.store.test_budgets import credit, use
path, agent_id, instance_id, what, at = sys.argv[1:]
engine = SqliteEngine(Path(path))
engine.open()
swarm = Driver(engine, instances={agent_id: instance_id})
profile = engine.read(lambda q: q.agent(agent_id)).profile
swarm.profiles[agent_id] = profile
faults.watch(lambda point, leaving: os.kill(os.getpid(), signal.SIGKILL) if point == at else None)
if what == "claim":
    swarm.do(credit(swarm, agent_id))
else:
    use(swarm, what, 0.25)
raise SystemExit("the process should have died")
"""


def dies(path: Path, swarm: Driver, agent_id: str, what: str, at: str) -> None:
    """Another process does it, and dies at this point of it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
    arguments = [str(path), agent_id, swarm.instances[agent_id], what, at]
    program = [sys.executable, "-c", textwrap.dedent(_PROGRAM), *arguments]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode < 0, done.stderr


@pytest.mark.parametrize(("point", "has_happened"), [("store.decided", False), ("store.committed", True)])
def test_given_a_crash_around_a_commit_when_the_next_server_looks_then_all_of_it_is_there_or_nothing(
    tmp_path: Path, point: str, has_happened: bool
) -> None:
    path = tmp_path / "swarm.sqlite"
    with opened(SqliteEngine(path)) as engine:
        swarm = Driver(engine)
        ada = swarm.register()
        budget_id = cap(swarm, 3)
        task_id = swarm.file()

    dies(path, swarm, ada, "claim", point)
    with opened(SqliteEngine(path)) as engine:
        swarm.engine = engine
        assert money(swarm, budget_id) == (0, 1 if has_happened else 0)
        assert len(kept(swarm, RESERVATIONS)) == swarm.task(task_id).state.attempt == int(has_happened)
        held = must_take(swarm, ada) if not has_happened else ops.Held(task_id=task_id, fence=1)
        if has_happened:
            swarm.start(held)

    dies(path, swarm, ada, task_id, point)
    with opened(SqliteEngine(path)) as engine:
        swarm.engine = engine
        assert money(swarm, budget_id) == ((0.25, 0.75) if has_happened else (0, 1))
        assert use(swarm, task_id, 0.25) is not has_happened, "sent again, it counts once"
        assert money(swarm, budget_id) == (0.25, 0.75)
        swarm.complete(held)
        assert money(swarm, budget_id) == (0.25, 0)
        assert standing(swarm, budget_id).refused == 0
        assert engine.read(audit) == []


def test_given_a_crash_after_a_claim_when_its_lease_has_lapsed_then_its_place_is_for_the_next_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "swarm.sqlite"
    with opened(SqliteEngine(path)) as engine:
        swarm = Driver(engine)
        ada, bob = swarm.register("ada"), swarm.register("bob")
        budget_id = cap(swarm, 3, cap_at_once=1)
        first = file(swarm)
        second = file(swarm, priority=40)

    dies(path, swarm, ada, "claim", "store.committed")
    with opened(SqliteEngine(path)) as engine:
        swarm.engine = engine
        assert standing(swarm, budget_id).under_way == 1
        assert (take(swarm, bob), swarm.state(second).ready) == (None, False)
        swarm.advance(LEASE / 1_000_000 + 1)
        swarm.timers()
        assert (standing(swarm, budget_id).under_way, kept(swarm, RESERVATIONS)) == (0, [])
        again = must_take(swarm, bob)
        assert (again.task_id, standing(swarm, budget_id).under_way) == (first, 1)
        swarm.complete(again)
        keep(swarm)
        assert must_take(swarm, bob).task_id == second
        assert engine.read(audit) == []
