"""Several servers and a stop: no claim is committed, and no agent introduced, that it did not see once it answered."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tests.store.test_kill_switch_servers import PATIENCE, Halting, begun

from agent_swarm.domain.errors import AgentStopped
from agent_swarm.domain.matching import AgentRole
from agent_swarm.store import operations as ops
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver

pytestmark = pytest.mark.slow


@pytest.fixture
def servers(postgres_server: str) -> Iterator[tuple[str, Halting, Halting]]:
    with postgres.database_with_tables(postgres_server) as url:
        first, second = Halting(url), Halting(url)
        first.open()
        second.open()
        yield url, first, second
        first.close()
        second.close()


def until_somebody_waits(url: str) -> None:
    """Until a transaction waits for a row that another one has."""
    with psycopg.connect(url, autocommit=True) as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype IN ('transactionid', 'tuple') AND NOT granted"
        for _ in range(PATIENCE * 1000):
            if connection.execute(waiting).fetchone() != (0,):
                return
            connection.execute("SELECT pg_sleep(0.001)")
    raise AssertionError("nobody waits")


def test_given_a_claim_before_its_commit_when_another_server_stops_the_agent_then_it_sees_and_interrupts_it(
    servers: tuple[str, Halting, Halting],
) -> None:
    url, first, second = servers
    swarm, other = Driver(first), Driver(second)
    ada = swarm.register()
    task_id = swarm.file()
    credit = swarm.claim_operation(ada)
    with ThreadPoolExecutor(2) as pool:
        claiming = begun(first, lambda: swarm.do(credit), pool)
        stopping = pool.submit(lambda: other.stop(ada))
        until_somebody_waits(url)
        assert not stopping.done()
        first.goes_on.set()

        assert claiming.result(PATIENCE) is not None
        assert stopping.result(PATIENCE).interrupted == (task_id,)


def test_given_a_stop_before_its_commit_when_another_server_claims_for_the_agent_then_it_gets_nothing(
    servers: tuple[str, Halting, Halting],
) -> None:
    url, first, second = servers
    swarm, other = Driver(first), Driver(second)
    ada = swarm.register()
    task_id = swarm.file()
    credit = swarm.claim_operation(ada)
    with ThreadPoolExecutor(2) as pool:
        stopping = begun(first, lambda: swarm.stop(ada), pool)
        claiming = pool.submit(lambda: other.run(credit))
        until_somebody_waits(url)
        first.goes_on.set()

        assert stopping.result(PATIENCE).interrupted == ()
        assert isinstance(claiming.result(PATIENCE)[0], AgentStopped)
    assert swarm.state(task_id).ready


@pytest.mark.parametrize("is_first", [True, False])
def test_given_an_agent_introduced_at_one_server_when_another_stops_its_parent_with_all_below_then_it_is_stopped(
    servers: tuple[str, Halting, Halting], is_first: bool
) -> None:
    url, first, second = servers
    swarm, other = Driver(first), Driver(second)
    lead = swarm.register("lead", role=AgentRole.LEAD)

    def introduce(at: Driver) -> str:
        return at.introduce(below=lead).profile.id

    def stop(at: Driver) -> ops.AgentsStopped:
        return at.stop(lead, recursive=True)

    with ThreadPoolExecutor(2) as pool:
        begins, follows = (introduce, stop) if is_first else (stop, introduce)
        one = begun(first, lambda: begins(swarm), pool)
        two = pool.submit(lambda: follows(other))
        until_somebody_waits(url)
        first.goes_on.set()
        answers = (one.result(PATIENCE), two.result(PATIENCE))

    child = next(answer for answer in answers if isinstance(answer, str))
    assert swarm.agent(child).is_stopped
