"""Several servers settle the same firings at the same moment: each is done once, whoever comes first."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.store.test_triggers import LEASE, creation, filing, firings, hook, tasks

from agent_swarm.domain.triggers import FiringStatus, TriggerAction
from agent_swarm.store.operations import Settled
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.triggering import TakeFirings
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver
from agent_swarm.testing.invariants import audit

pytestmark = pytest.mark.slow

TASKS, SERVERS = 60, 3


@pytest.fixture
def servers(postgres_server: str) -> Iterator[list[Driver]]:
    with postgres.database_with_tables(postgres_server) as url:
        engines = [PostgresEngine(url) for _ in range(SERVERS)]
        for engine in engines:
            engine.open()
        yield [Driver(engine) for engine in engines]
        assert engines[0].read(audit) == []
        for engine in engines:
            engine.close()


def all_at_once(servers: list[Driver], work: Any) -> list[Any]:
    """What each server answers, all of them beginning together."""
    start = threading.Barrier(SERVERS)

    def one(number: int) -> Any:
        start.wait()
        return work(servers[number], number)

    with ThreadPoolExecutor(SERVERS) as threads:
        return list(threads.map(one, range(SERVERS)))


def test_given_three_servers_when_all_of_them_settle_what_fired_then_each_ending_files_one_task(
    servers: list[Driver],
) -> None:
    first = servers[0]
    first.do(creation(events=("cancelled",)))
    for _ in range(TASKS):
        first.cancel(first.file())
    found = firings(first)
    plans = [[filing(first, one) for one in found] for _ in servers]

    def settle(server: Driver, number: int) -> list[Any]:
        order = plans[number][number * 20 :] + plans[number][: number * 20]
        return [answer for begin in range(0, TASKS, 20) for answer in server.run(*order[begin : begin + 20])]

    answers = [one for told in all_at_once(servers, settle) for one in told]
    assert all(isinstance(one, Settled) for one in answers), answers
    assert sum(one.firing is not None for one in answers) == TASKS
    assert {one.status for one in firings(first)} == {FiringStatus.DONE}
    assert tasks(first) == 2 * TASKS


def test_given_three_servers_when_all_of_them_take_what_is_to_be_delivered_then_each_delivery_has_one(
    servers: list[Driver],
) -> None:
    first = servers[0]
    hook(first, events=("cancelled",))
    for _ in range(TASKS):
        first.cancel(first.file())
    ids = [one.id for one in firings(first) if one.action is TriggerAction.WEBHOOK]

    def take(server: Driver, number: int) -> list[Any]:
        order = ids[number * 20 :] + ids[: number * 20]
        batches = [tuple(order[begin : begin + 10]) for begin in range(0, TASKS, 10)]
        return [one.id for batch in batches for one in server.do(TakeFirings(firing_ids=batch, lease=LEASE))]

    taken = [one for told in all_at_once(servers, take) for one in told]
    assert sorted(taken) == sorted(ids)
    assert {one.tries for one in firings(first)} == {1}
