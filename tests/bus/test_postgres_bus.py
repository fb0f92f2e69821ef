"""The bus over PostgreSQL: the contract, and what is its own: being cut off, and who else is on the server."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from agent_swarm.bus import Notice, NoticeKind
from agent_swarm.bus.postgres import CHANNEL, OUTBOX, PostgresBus
from agent_swarm.domain.errors import Unavailable
from agent_swarm.testing import postgres
from agent_swarm.testing.bus_contract import BusContract, Ear, MakeBus, committed
from agent_swarm.testing.postgres_proxy import proxied
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    with postgres.database_with_tables(postgres_server) as url:
        yield url


class TestContract(BusContract):
    @pytest.fixture
    def make_bus(self, url: str) -> MakeBus:
        return lambda node: PostgresBus(url, node)


async def listening(url: str, node: str) -> Ear[PostgresBus]:
    ear = Ear(node, PostgresBus(url, node))
    await ear.bus.open(ear.hear)
    return ear


async def test_given_two_databases_on_one_server_then_their_nodes_do_not_hear_each_other(
    url: str, postgres_server: str
) -> None:
    with postgres.database_with_tables(postgres_server) as another:
        one, two, stranger = await listening(url, "one"), await listening(url, "two"), await listening(another, "x")

        stranger.bus.publish(committed("x", 1))
        one.bus.publish(committed("one", 2))
        await two.heard_all("one", {2})

        assert [notice.node for notice in two.heard] == ["one"]
        assert stranger.heard == []
        for ear in (one, two, stranger):
            await ear.bus.close()


@pytest.mark.parametrize("garbage", ["", "{", "[]", '{"kind":"new","node":"x","body":{}}', '{"kind":"committed"}'])
async def test_given_a_notification_that_nobody_understands_then_it_is_passed_over(url: str, garbage: str) -> None:
    ear = await listening(url, "one")
    with psycopg.connect(url, autocommit=True) as stranger:
        for payload in (garbage, committed("two", 3).encoded().decode()):
            stranger.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))

    await ear.heard_all("two", {3})

    assert len(ear.heard) == 1
    assert ear.bus.figures().unreadable == 1
    await ear.bus.close()


async def test_given_a_node_that_was_cut_off_when_it_is_back_then_it_is_told_to_look_and_hears_and_tells_again(
    url: str,
) -> None:
    with tempfile.TemporaryDirectory(prefix="pg-") as folder, proxied(url, Path(folder)) as (way, proxy):
        one, other = await listening(way, "one"), await listening(url, "other")
        proxy.go_away()
        one.bus.publish(committed("one", 1))  # waits
        other.bus.publish(committed("other", 2))  # is lost
        proxy.come_back()

        await until(lambda: Notice(NoticeKind.COMMITTED, "", {"seq": 0, "ready": None}) in one.heard)
        await other.heard_all("one", {1})
        other.bus.publish(committed("other", 3))
        await one.heard_all("other", {3})
        assert one.bus.figures().outages >= 1
        assert other.bus.figures().outages == 0
        for ear in (one, other):
            await ear.bus.close()


async def test_given_a_database_that_is_away_when_more_is_published_than_fits_then_the_oldest_is_lost(url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="pg-") as folder, proxied(url, Path(folder)) as (way, proxy):
        one, other = await listening(way, "one"), await listening(url, "other")
        proxy.go_away()
        for seq in range(1, OUTBOX + 11):
            one.bus.publish(committed("one", seq))
        proxy.come_back()

        await other.heard_all("one", {OUTBOX + 10}, within=30)

        assert len(other.seqs("one")) == OUTBOX
        assert one.bus.figures().dropped == 10
        for ear in (one, other):
            await ear.bus.close()


async def test_given_no_database_when_a_bus_opens_then_that_is_told() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await asyncio.wait_for(PostgresBus("postgresql://swarm@127.0.0.1:1/x", "one").open(lambda _: None), 20)
