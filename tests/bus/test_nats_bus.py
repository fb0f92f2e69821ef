"""The bus over NATS: the contract, and what is NATS's own: who else is there, what is lost, what comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import nats as client_library
import pytest
from nats.aio.client import Client
from tests.bus.cut import Cuttable
from tests.bus.nodes import bus_at, listening

from agent_swarm.bus import Notice, NoticeKind
from agent_swarm.bus.nats.notices import NatsBus
from agent_swarm.domain.errors import Unavailable
from agent_swarm.testing import nats
from agent_swarm.testing.bus_contract import BusContract, Ear, MakeBus, committed
from agent_swarm.testing.waiting import until

Pair = tuple[Ear[NatsBus], Ear[NatsBus]]
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


class TestContract(BusContract):
    @pytest.fixture
    def make_bus(self, nats_server: str, cluster_id: str) -> MakeBus:
        return lambda node: bus_at(nats_server, cluster_id, node)


@pytest.fixture
async def pair(nats_server: str, cluster_id: str) -> AsyncIterator[Pair]:
    one, two = await listening(nats_server, cluster_id, "one"), await listening(nats_server, cluster_id, "two")
    yield one, two
    await one.bus.close()
    await two.bus.close()


async def test_given_two_swarms_on_one_nats_then_they_do_not_hear_each_other(nats_server: str, pair: Pair) -> None:
    strangers = [await listening(nats_server, "another", node) for node in ("x", "y")]
    pair[0].bus.publish(committed("one", 1))
    strangers[0].bus.publish(committed("x", 2))

    await pair[1].heard_all("one", {1})
    await strangers[1].heard_all("x", {2})

    assert [notice.node for notice in pair[1].heard] == ["one"]
    assert [notice.node for notice in strangers[1].heard] == ["x"]
    for stranger in strangers:
        await stranger.bus.close()


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"[]", b"\xff\xfe", b'{"kind":"new","node":"x","body":{}}', b'{"kind":"committed"}', b"\n"]
)
async def test_given_a_message_that_nobody_understands_then_it_is_passed_over(
    nats_server: str, cluster_id: str, pair: Pair, garbage: bytes
) -> None:
    stranger = await client_library.connect(nats_server)
    await stranger.jetstream().publish(f"swarm.{cluster_id}.notices", garbage)
    good = committed("three", 4).encoded()
    await stranger.jetstream().publish(f"swarm.{cluster_id}.notices", garbage + b"\n" + good)

    await pair[0].heard_all("three", {4})

    assert pair[0].heard == [committed("three", 4)]
    await stranger.close()


@pytest.mark.slow
async def test_given_a_link_that_is_cut_for_a_while_then_what_was_missed_is_heard_afterwards(
    nats_server: str, cluster_id: str, pair: Pair
) -> None:
    async with Cuttable(nats_server) as way:
        far = await listening(way.url, cluster_id, "far")
        pair[0].bus.publish(committed("one", 1))
        await far.heard_all("one", {1})
        await way.cut()
        await until(lambda: not far.bus.link.is_up)
        for seq in range(2, 50):
            pair[0].bus.publish(committed("one", seq))
            far.bus.publish(committed("far", seq))
        await pair[1].heard_all("one", set(range(2, 50)))
        assert far.seqs("one") == {1}

        await way.mend()

        await far.heard_all("one", set(range(1, 50)))
        await pair[1].heard_all("far", set(range(2, 50)))
        assert len(far.heard) == 49
        assert far.bus.figures().outages == 1
        await far.bus.close()


async def test_given_nats_that_is_away_when_a_lot_is_published_then_the_outbox_stays_bounded_and_the_end_is_told(
    nats_server: str, cluster_id: str, pair: Pair
) -> None:
    async with Cuttable(nats_server) as way:
        far = await listening(way.url, cluster_id, "far", limit=16)
        await way.cut()
        await until(lambda: not far.bus.link.is_up)
        for seq in range(1, 1000):
            far.bus.publish(committed("far", seq, {"1": 1}))
        for number in range(100):
            far.bus.publish(Notice(NoticeKind.TRANSCRIPT, "far", {"task": "t", "attempt": number}))
        assert len(far.bus._outbox) == 16

        await way.mend()

        await pair[0].heard_all("far", {999})
        await until(lambda: len(pair[0].heard) == 16)
        looks = [notice.body["ready"] for notice in pair[0].heard if notice.body.get("seq") == 999]
        assert looks == [None]
        assert [notice.body["attempt"] for notice in pair[0].heard if "attempt" in notice.body] == list(range(85, 100))
        assert (far.bus.figures().dropped, far.bus.figures().merged) == (85, 998)
        await far.bus.close()


@pytest.mark.slow
async def test_given_a_server_that_is_killed_when_it_is_back_then_nothing_was_missed_and_nobody_was_started_again(
    nats_node: nats.Nodes, cluster_id: str
) -> None:
    url = nats_node.urls[0]
    one, two = await listening(url, cluster_id, "one"), await listening(url, cluster_id, "two")
    one.bus.publish(committed("one", 1))
    await two.heard_all("one", {1})

    nats_node.kill(0)
    await until(lambda: not one.bus.link.is_up)
    for seq in range(2, 20):
        one.bus.publish(committed("one", seq))
    nats_node.restart(0)

    await two.heard_all("one", set(range(1, 20)))
    await one.bus.close()
    await two.bus.close()


@pytest.mark.slow
async def test_given_a_server_that_lost_all_its_files_when_it_is_back_then_notices_are_heard_again(
    nats_node: nats.Nodes, cluster_id: str
) -> None:
    url = nats_node.urls[0]
    one, two = await listening(url, cluster_id, "one"), await listening(url, cluster_id, "two")
    for seq in range(1, 20):
        one.bus.publish(committed("one", seq))
        await two.heard_all("one", {seq})

    nats_node.kill(0)
    nats_node.wipe(0)
    nats_node.restart(0)
    await until(lambda: one.bus.link.outages == two.bus.link.outages == 1 and two.bus.link.is_up)
    one.bus.publish(committed("one", 100))

    await two.heard_all("one", {100})
    await one.bus.close()
    await two.bus.close()


async def test_given_several_nodes_that_start_at_once_then_all_of_them_hear(nats_server: str, cluster_id: str) -> None:
    ears = await asyncio.gather(*(listening(nats_server, cluster_id, f"node-{number}") for number in range(8)))

    for ear in ears:
        ear.bus.publish(committed(ear.node, 1))

    for ear in ears:
        await until(lambda ear=ear: len(ear.heard) == 7)  # type: ignore[misc]
    for ear in ears:
        await ear.bus.close()


async def test_given_nobody_at_the_address_when_the_bus_is_opened_then_it_says_what_to_do(cluster_id: str) -> None:
    with pytest.raises(Unavailable, match=r"nats://127\.0\.0\.1:1 cannot be reached") as refused:
        await listening("nats://me:secret@127.0.0.1:1", cluster_id, "one")

    assert "AGENT_SWARM_NATS_URL" in refused.value.hint
    assert "secret" not in f"{refused.value!r} {refused.value.hint} {refused.value.__cause__!r}"


@pytest.mark.parametrize(
    ("arguments", "good", "bad"),
    [
        (["--user", "me", "--pass", "se:cr@t"], "me:se%3Acr%40t@", "me:wrong@"),
        (["--auth", "a-token"], "a-token@", "another@"),
    ],
)
async def test_given_a_server_that_wants_credentials_then_only_with_them_the_bus_opens(
    cluster_id: str, arguments: list[str], good: str, bad: str
) -> None:
    with nats.nodes(1, *arguments) as started:
        address = started.urls[0].removeprefix("nats://")
        for credentials in ("", bad):
            with pytest.raises(Unavailable, match="refused the credentials") as refused:
                await listening(f"nats://{credentials}{address}", cluster_id, "one")
            assert credentials == "" or credentials[:-1] not in str(refused.value)
        one = await listening(f"nats://{good}{address}", cluster_id, "one")
        await one.bus.close()


async def test_given_a_server_without_jetstream_then_the_refusal_says_how_to_start_it(
    cluster_id: str,
) -> None:
    with nats.nodes(1, jetstream=False) as plain, pytest.raises(Unavailable, match="JetStream is not") as refused:
        await listening(plain.urls[0], cluster_id, "one")

    assert "-js" in refused.value.hint


async def test_given_a_library_that_swallows_a_cancellation_when_the_bus_is_closed_then_it_ends_all_the_same(
    nats_server: str, cluster_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does where the answer to a ping comes in the very moment of the close."""
    pinged = asyncio.Event()
    flush = Client.flush

    async def swallow_once(client: Client, **options: int) -> None:
        if pinged.is_set():
            await flush(client, **options)
            return
        pinged.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr("agent_swarm.bus.nats.link.PING_SECONDS", 0.0)
    monkeypatch.setattr("nats.aio.client.Client.flush", swallow_once)
    ear = await listening(nats_server, cluster_id, "one")
    await pinged.wait()

    async with asyncio.timeout(5):
        await ear.bus.close()


async def test_given_several_urls_of_which_one_is_dead_then_another_one_is_used(
    nats_server: str, cluster_id: str
) -> None:
    for order in (f"nats://127.0.0.1:1,{nats_server}", f"{nats_server},nats://127.0.0.1:1"):
        ear = await listening(order, cluster_id, "one")
        await ear.bus.close()
