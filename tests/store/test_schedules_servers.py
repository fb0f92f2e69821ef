"""Several servers fire the same schedules at the same moment: each instant runs once, whoever comes first."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.store.test_schedules import creation, firing, runs

from agent_swarm.domain.schedules import Overlap
from agent_swarm.domain.time import SECOND
from agent_swarm.store.operations import Fired
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver
from agent_swarm.testing.invariants import audit

pytestmark = pytest.mark.slow

SCHEDULES, ROUNDS = 60, 4


@pytest.fixture
def servers(postgres_server: str) -> Iterator[list[Driver]]:
    with postgres.database_with_tables(postgres_server) as url:
        engines = [PostgresEngine(url) for _ in range(3)]
        for engine in engines:
            engine.open()
        yield [Driver(engine) for engine in engines]
        assert engines[0].read(audit) == []
        for engine in engines:
            engine.close()


def test_given_three_servers_when_all_of_them_fire_what_is_due_at_once_then_each_instant_runs_once(
    servers: list[Driver],
) -> None:
    first = servers[0]
    made = [first.do(creation(f"s{number}", overlap=Overlap.ALLOW)) for number in range(SCHEDULES)]
    start = threading.Barrier(len(servers))

    def fire_all(number: int) -> list[Fired]:
        """In an order of its own, so that they meet."""
        start.wait()
        order = made[number * 20 :] + made[: number * 20]
        answers: list[Fired] = []
        for begin in range(0, len(order), 20):
            answers += servers[number].run(*(firing(one) for one in order[begin : begin + 20]))
        return answers

    for _ in range(ROUNDS):
        for server in servers:
            server.advance(60)
        with ThreadPoolExecutor(len(servers)) as threads:
            answers = [one for found in threads.map(fire_all, range(len(servers))) for one in found]
        assert all(isinstance(one, Fired) for one in answers), answers
        assert sum(one.run is not None for one in answers) == SCHEDULES
    for one in made:
        assert [run.planned_at for run in runs(first, one)] == [
            (one.next_at or 0) + number * 60 * SECOND for number in reversed(range(ROUNDS))
        ]
    assert sum(first.engine.read(lambda queries: queries.counts()).values()) == SCHEDULES * ROUNDS
