"""Several servers and one kill switch: no claim is committed that an activation, once it has answered, did not see."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.kill_switch import Activation, SwitchScope
from agent_swarm.domain.tasks import PauseReason
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Committed
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.writer_memory import Head
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver

pytestmark = pytest.mark.slow

PATIENCE = 20


class Halting(PostgresEngine):
    """A server that can stand still between the last statement of a batch and its commit."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.is_there = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def _end(self, committed: Committed, head: Head) -> None:
        self.is_there.set()
        assert self.goes_on.wait(PATIENCE)
        super()._end(committed, head)


@pytest.fixture
def servers(postgres_server: str) -> Iterator[tuple[str, Halting, Halting]]:
    with postgres.database_with_tables(postgres_server) as url:
        first, second = Halting(url), Halting(url)
        first.open()
        second.open()
        yield url, first, second
        first.close()
        second.close()


def activation() -> ops.ActivateKillSwitch:
    return ops.ActivateKillSwitch(scope=SwitchScope.ALL, asked=Activation(id=new_id(), reason="enough", by="operator"))


def until_somebody_waits(url: str) -> None:
    """Until a transaction waits for the lock of the switch."""
    with psycopg.connect(url, autocommit=True) as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        for _ in range(PATIENCE * 1000):
            if connection.execute(waiting).fetchone() != (0,):
                return
            connection.execute("SELECT pg_sleep(0.001)")
    raise AssertionError("nobody waits")


def begun(engine: Halting, call: Callable[[], Any], pool: ThreadPoolExecutor) -> "Future[Any]":
    """`call` in a thread, halted before its commit."""
    engine.is_there.clear()
    engine.goes_on.clear()
    future = pool.submit(call)
    assert engine.is_there.wait(PATIENCE)
    return future


def test_given_a_claim_before_its_commit_when_another_server_is_told_to_kill_then_it_answers_after_it_and_ends_it(
    servers: tuple[str, Halting, Halting],
) -> None:
    url, first, second = servers
    swarm, other = Driver(first), Driver(second)
    ada = swarm.register()
    task_id = swarm.file()
    credit = swarm.claim_operation(ada)
    with ThreadPoolExecutor(2) as pool:
        claiming = begun(first, lambda: swarm.do(credit), pool)
        killing = pool.submit(lambda: other.do(activation()))
        until_somebody_waits(url)
        assert not killing.done()
        first.goes_on.set()

        assert claiming.result(PATIENCE).task.spec.id == task_id
        assert killing.result(PATIENCE).switch.paused == (task_id,)
    assert swarm.state(task_id).pause_reason is PauseReason.KILL


def test_given_an_activation_before_its_commit_when_another_server_claims_then_it_waits_and_gets_nothing(
    servers: tuple[str, Halting, Halting],
) -> None:
    url, first, second = servers
    swarm, other = Driver(first), Driver(second)
    ada = swarm.register()
    task_id = swarm.file()
    credit = swarm.claim_operation(ada)
    with ThreadPoolExecutor(2) as pool:
        killing = begun(second, lambda: other.do(activation()), pool)
        claiming = pool.submit(lambda: swarm.do(credit))
        until_somebody_waits(url)
        second.goes_on.set()

        assert killing.result(PATIENCE).switch.attempts == 0
        assert claiming.result(PATIENCE) is None
    assert swarm.state(task_id).attempt == 0


def test_given_a_switch_that_one_server_used_when_another_one_registers_an_agent_then_its_token_has_the_new_epoch(
    servers: tuple[str, Halting, Halting],
) -> None:
    _, first, second = servers
    swarm, other = Driver(first), Driver(second)
    swarm.do(activation())
    other.register()
    swarm.lift()

    assert [token.epoch for token in first.read(lambda q: q.tokens())] == [1]
    swarm.file()
