"""A cluster of three NATS servers that loses some, while notices and transcripts flow: nothing is started again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path

import nats as client_library
import pytest
from tests.bus.nodes import Node, listening

from agent_swarm.bus.nats.notices import NatsBus
from agent_swarm.domain.errors import Unavailable
from agent_swarm.protocol.errors import TranscriptGap
from agent_swarm.testing import nats
from agent_swarm.testing.bus_contract import Ear, committed
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240), pytest.mark.slow]

NAMES = ("one", "two", "three")
ATTEMPTS = range(1, 4)
PATIENCE = 60.0  # a cluster elects, and this machine may be busy


class Swarm:
    """Three nodes that publish notices and store lines of three attempts, until they are told to stop."""

    def __init__(self, ears: list[Ear[NatsBus]], nodes: list[Node]) -> None:
        self.ears = ears
        self.nodes = nodes
        self.published = 0
        self.lines = dict.fromkeys(ATTEMPTS, 0)
        self._stopping = False
        self._work: list[asyncio.Task[None]] = []

    @classmethod
    async def opened(cls, urls: list[str], cluster: str, folder: Path) -> "Swarm":
        """As servers do it: bus and transcripts of a node share a link."""
        ears = [await listening(",".join(urls), cluster, name) for name in NAMES]
        nodes = [await Node.opened("", cluster, folder / ear.node, link=ear.bus.link) for ear in ears]
        return cls(ears, nodes)

    async def close(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            await node.close()
        for ear in self.ears:
            await ear.bus.close()

    def start(self) -> None:
        """Begin to publish and to store."""
        self._stopping = False
        self._work = [asyncio.create_task(self._publish()), *(asyncio.create_task(self._store(n)) for n in ATTEMPTS)]

    async def stop(self) -> None:
        """Publish and store no more; raises what went wrong meanwhile."""
        self._stopping = True
        await asyncio.gather(*self._work)

    async def goes_on(self) -> None:
        """Wait until everybody hears and reads what is published and stored from now on."""
        seq, numbers = self.published, dict(self.lines)
        await until(lambda: self.published > seq + 5, PATIENCE)
        await until(lambda: all(self.lines[attempt] > numbers[attempt] + 2 for attempt in ATTEMPTS), PATIENCE)
        newest, lines = self.published - 1, dict(self.lines)
        for ear in self.ears:
            for other in self.ears:
                if other is not ear:
                    await until(lambda ear=ear, other=other: max(ear.seqs(other.node), default=0) >= newest, PATIENCE)  # type: ignore[misc]
        for node in self.nodes:
            for attempt in ATTEMPTS:
                await until(lambda n=node, a=attempt: len(n.texts(a)) >= lines[a], PATIENCE)  # type: ignore[misc]

    async def is_complete(self) -> None:
        """Wait until every node has heard every notice, and has every line once and in order."""
        seqs = set(range(1, self.published + 1))
        for ear in self.ears:
            for other in self.ears:
                if other is not ear:
                    await ear.heard_all(other.node, seqs, PATIENCE)
        for node in self.nodes:
            for attempt in ATTEMPTS:
                expected = [f"{number}" for number in range(self.lines[attempt])]
                await node.has(*expected, attempt=attempt, within=PATIENCE)
            await node.has_sent_all(PATIENCE)
        assert all(ear.bus.figures().dropped == 0 for ear in self.ears)

    async def _publish(self) -> None:
        while not self._stopping:
            for ear in self.ears:
                ear.bus.publish(committed(ear.node, self.published + 1))
            self.published += 1
            await asyncio.sleep(0.01)

    async def _store(self, attempt: int) -> None:
        """A worker, which turns to another node now and then."""
        for turn in count():
            if self._stopping:
                return
            node = self.nodes[(attempt + turn // 10) % len(self.nodes)]
            number = self.lines[attempt]
            self.lines[attempt] = await self._stored(node, attempt, number)
            await asyncio.sleep(0.01)

    async def _stored(self, node: Node, attempt: int, number: int) -> int:
        """Send two lines; after a gap, what is missing: a worker keeps everything until its attempt is over."""
        expected = number
        while expected < number + 2:
            texts = [f"{each}" for each in range(expected, number + 2)]
            try:
                expected = await node.append(expected, *texts, attempt=attempt)
            except TranscriptGap as gap:
                expected = gap.details["expected"]
        return expected


@pytest.fixture
async def swarm(nats_cluster: nats.Nodes, cluster_id: str, tmp_path: Path) -> AsyncIterator[Swarm]:
    opened = await Swarm.opened(nats_cluster.urls, cluster_id, tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def leader(nats_cluster: nats.Nodes, cluster_id: str) -> Callable[[str], Awaitable[int]]:
    """The number of the server that leads a stream, as soon as that has its three replicas."""

    async def found(stream: str) -> int:
        client = await client_library.connect(nats_cluster.urls)
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    info = await client.jetstream().stream_info(f"SWARM_{stream}_{cluster_id}")
                    if info.config.num_replicas == 3 and info.cluster is not None and info.cluster.leader:
                        return nats_cluster.number(info.cluster.leader)
        finally:
            await client.close()

    return found


@pytest.mark.parametrize("stream", ["NOTICES", "TRANSCRIPTS"])
async def test_given_a_flow_when_the_leader_of_a_stream_is_killed_then_it_goes_on_and_nothing_is_missing(
    nats_cluster: nats.Nodes, swarm: Swarm, leader: Callable[[str], Awaitable[int]], stream: str
) -> None:
    swarm.start()
    await swarm.goes_on()
    killed = await leader(stream)

    nats_cluster.kill(killed)

    await swarm.goes_on()
    nats_cluster.restart(killed)
    await until(lambda: nats_cluster.is_ready(killed), PATIENCE)
    await swarm.goes_on()
    await swarm.stop()
    await swarm.is_complete()


async def test_given_a_flow_when_one_server_after_the_other_is_killed_and_started_then_nothing_is_missing(
    nats_cluster: nats.Nodes, swarm: Swarm
) -> None:
    swarm.start()
    for number in range(3):
        nats_cluster.kill(number)
        await swarm.goes_on()
        nats_cluster.restart(number)
        await until(lambda number=number: nats_cluster.is_ready(number), PATIENCE)  # type: ignore[misc]
    await swarm.stop()
    await swarm.is_complete()


async def test_given_a_flow_when_all_servers_are_down_and_up_again_then_lines_are_complete_and_notices_flow(
    nats_cluster: nats.Nodes, swarm: Swarm
) -> None:
    swarm.start()
    await swarm.goes_on()

    for number in range(3):
        nats_cluster.kill(number)
    await until(lambda: not any(ear.bus.link.is_up for ear in swarm.ears), PATIENCE)
    published, lines = swarm.published, dict(swarm.lines)
    await until(lambda: swarm.published > published + 20, PATIENCE)  # nobody is held up
    nats_cluster.start_all()

    await swarm.goes_on()
    assert all(swarm.lines[attempt] > lines[attempt] for attempt in ATTEMPTS)
    await swarm.stop()
    await swarm.is_complete()
    assert [ear.bus.link.outages for ear in swarm.ears] == [1, 1, 1]


async def test_given_a_flow_when_a_leader_hangs_then_it_goes_on_without_it_and_with_it_again(
    nats_cluster: nats.Nodes, swarm: Swarm, leader: Callable[[str], Awaitable[int]]
) -> None:
    swarm.start()
    await swarm.goes_on()
    hanging = await leader("NOTICES")

    nats_cluster.pause(hanging)

    await swarm.goes_on()
    nats_cluster.resume(hanging)
    await until(lambda: nats_cluster.is_ready(hanging), PATIENCE)
    await swarm.goes_on()
    await swarm.stop()
    await swarm.is_complete()


async def test_given_a_cluster_without_a_majority_when_a_node_starts_then_it_waits_a_while_and_then_says_what_is_wrong(
    nats_cluster: nats.Nodes, cluster_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nats_cluster.kill(1)
    nats_cluster.kill(2)
    monkeypatch.setattr("agent_swarm.bus.nats.following.START_SECONDS", 1.0)
    with pytest.raises(Unavailable) as refused:
        await listening(nats_cluster.urls[0], cluster_id, "one")
    assert "majority" in refused.value.hint
    monkeypatch.undo()

    opening = asyncio.create_task(listening(nats_cluster.urls[0], cluster_id, "one"))
    nats_cluster.start_all()

    ear = await opening
    await ear.bus.close()


async def test_given_a_cluster_that_was_too_small_at_first_when_it_is_whole_then_streams_get_their_replicas(
    nats_cluster: nats.Nodes, cluster_id: str, leader: Callable[[str], Awaitable[int]]
) -> None:
    client = await client_library.connect(nats_cluster.urls)
    await client.jetstream().add_stream(
        name=f"SWARM_NOTICES_{cluster_id}", subjects=[f"swarm.{cluster_id}.notices"], num_replicas=1, max_age=60
    )
    await client.close()

    ear = await listening(",".join(nats_cluster.urls), cluster_id, "one")

    assert await leader("NOTICES") in range(3)
    await ear.bus.close()
