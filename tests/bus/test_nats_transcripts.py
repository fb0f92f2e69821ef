"""Transcripts over NATS: every line on every node, once and in order, whatever breaks in between."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import nats as client_library
import pytest
from tests.bus.cut import Cuttable
from tests.bus.nodes import TASK, Node

from agent_swarm.domain.errors import Unavailable
from agent_swarm.protocol.errors import TranscriptGap
from agent_swarm.testing import nats
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


def place_of(node: Node) -> int:
    """How far the node remembers to have read."""
    return int(json.loads((node.folder / "nats" / "place").read_bytes())["seq"])


@pytest.fixture
async def pair(nats_server: str, cluster_id: str, tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    here = await Node.opened(nats_server, cluster_id, tmp_path / "here")
    there = await Node.opened(nats_server, cluster_id, tmp_path / "there")
    yield here, there
    await here.close()
    await there.close()


async def test_given_lines_of_a_worker_when_one_node_stores_them_then_the_other_has_the_same_file(
    pair: tuple[Node, Node],
) -> None:
    here, there = pair
    assert await here.append(0, "a", "ü\n✓", "holds a-secret-value") == 3
    assert await here.append(1, "b again", "c again", "d") == 4

    await until(lambda: there.file() == here.file())

    assert len(there.texts()) == 4
    assert b"a-secret-value" not in there.file()
    await here.has_sent_all()
    assert there.unsent() == []


async def test_given_somebody_who_follows_at_another_node_when_lines_come_then_he_is_woken(
    pair: tuple[Node, Node],
) -> None:
    here, there = pair
    more = there.transcripts.more(TASK, 1)

    await here.append(0, "a")

    await asyncio.wait_for(more, 10)
    assert [line["data"]["text"] for line in (await there.transcripts.read(TASK, 1, after=0, limit=9)).lines] == ["a"]


async def test_given_a_worker_that_moves_to_another_node_then_it_goes_on_where_it_was(
    pair: tuple[Node, Node],
) -> None:
    here, there = pair
    expected = [f"{number}" for number in range(60)]

    for first in range(0, 60, 3):
        node = pair[(first // 3) % 2]
        assert await node.append(first, *expected[first : first + 3]) == first + 3

    await here.has(*expected)
    await there.has(*expected)


async def test_given_a_worker_that_sends_the_same_and_more_to_another_node_then_nothing_is_taken_for_a_repetition(
    nats_server: str, cluster_id: str, tmp_path: Path
) -> None:
    """`here` stored and shared lines but died before it said so; `there` has not read them yet."""
    here = await Node.opened(nats_server, cluster_id, tmp_path / "here")
    there = await Node.opened(nats_server, cluster_id, tmp_path / "there")
    third = await Node.opened(nats_server, cluster_id, tmp_path / "third")
    await there.logs._following.stop()  # type: ignore[union-attr]
    await here.append(0, "a", "b")

    assert await there.append(0, "a", "b", "c") == 3
    assert await there.append(3, "d") == 4

    await third.has("a", "b", "c", "d")
    await here.has("a", "b", "c", "d")
    for node in (here, there, third):
        await node.close()


async def test_given_lines_that_nobody_has_when_later_ones_come_then_the_gap_is_told_after_a_while(
    pair: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_swarm.bus.nats.transcripts.CATCH_UP_SECONDS", 0.1)
    here, there = pair
    await here.append(0, "a")
    await there.has("a")

    with pytest.raises(TranscriptGap) as refused:
        await there.append(2, "c")

    assert refused.value.details["expected"] == 1


async def test_given_nats_that_is_away_when_lines_come_then_they_are_acknowledged_and_shared_later(
    nats_server: str, cluster_id: str, tmp_path: Path
) -> None:
    there = await Node.opened(nats_server, cluster_id, tmp_path / "there")
    async with Cuttable(nats_server) as way:
        here = await Node.opened(way.url, cluster_id, tmp_path / "here")
        await here.append(0, "a")
        await way.cut()
        await until(lambda: not here.logs.link.is_up)
        assert await here.append(1, "b", "c") == 3
        assert await here.append(3, "d") == 4
        assert await here.append(0, "x", attempt=2) == 1
        assert here.unsent() == [f"{TASK}.1", f"{TASK}.2"]
        assert there.texts() == ["a"]

        await way.mend()

        await there.has("a", "b", "c", "d")
        await there.has("x", attempt=2)
        await here.has_sent_all()
        await here.close()
    await there.close()


async def test_given_a_node_that_ends_with_lines_it_could_not_share_when_it_starts_again_then_it_shares_them(
    nats_server: str, cluster_id: str, tmp_path: Path
) -> None:
    there = await Node.opened(nats_server, cluster_id, tmp_path / "there")
    async with Cuttable(nats_server) as way:
        here = await Node.opened(way.url, cluster_id, tmp_path / "here")
        await here.append(0, "a")
        await way.cut()
        await until(lambda: not here.logs.link.is_up)
        await here.append(1, "b", "c")
        await here.close()
        with pytest.raises(Unavailable):
            await Node.opened(way.url, cluster_id, tmp_path / "here")
    assert here.unsent() == [f"{TASK}.1"]

    again = await Node.opened(nats_server, cluster_id, tmp_path / "here")

    await there.has("a", "b", "c")
    await again.has_sent_all()
    await again.close()
    await there.close()


async def test_given_a_node_that_dies_between_writing_and_sharing_then_its_next_start_shares(
    pair: tuple[Node, Node], nats_server: str, cluster_id: str, tmp_path: Path
) -> None:
    """Nobody asks for the lines again: the mark alone leads to them."""
    here, there = pair
    await here.append(0, "a")
    await here.has_sent_all()
    here.logs._pumps.share = _never  # type: ignore[method-assign, union-attr]
    await here.append(1, "b")
    assert here.unsent() == [f"{TASK}.1"]

    again = await Node.opened(nats_server, cluster_id, tmp_path / "here")

    await there.has("a", "b")
    await again.has_sent_all()
    await again.close()


async def _never(*_: object) -> None:
    """What a process that is dead does."""


async def test_given_a_node_that_was_away_when_it_is_back_then_it_reads_what_it_missed_and_no_more(
    nats_server: str, cluster_id: str, tmp_path: Path
) -> None:
    here = await Node.opened(nats_server, cluster_id, tmp_path / "here")
    there = await Node.opened(nats_server, cluster_id, tmp_path / "there")
    await here.append(0, "a")
    await there.has("a")
    await until(lambda: there.logs.position == 1)
    await there.close()
    assert place_of(there) == 1
    await here.append(1, "b")
    await here.append(0, "x", attempt=2)

    again = await Node.opened(nats_server, cluster_id, tmp_path / "there")

    await again.has("a", "b")
    await again.has("x", attempt=2)
    await until(lambda: again.logs.position == 3)
    await again.close()
    assert place_of(again) == 3
    await here.close()


async def test_given_a_new_node_then_it_gets_what_the_stream_has(
    nats_server: str, cluster_id: str, tmp_path: Path
) -> None:
    here = await Node.opened(nats_server, cluster_id, tmp_path / "here")
    for attempt in range(1, 6):
        for first in range(10):
            await here.append(first, f"{first}", attempt=attempt)

    new = await Node.opened(nats_server, cluster_id, tmp_path / "new")

    for attempt in range(1, 6):
        await new.has(*(f"{number}" for number in range(10)), attempt=attempt)
    await new.close()
    await here.close()


async def test_given_a_node_that_lost_the_end_of_a_file_when_more_lines_come_then_it_reads_it_from_the_stream(
    nats_server: str, cluster_id: str, tmp_path: Path
) -> None:
    here = await Node.opened(nats_server, cluster_id, tmp_path / "here")
    there = await Node.opened(nats_server, cluster_id, tmp_path / "there")
    for first in range(5):
        await here.append(first, f"{first}")
    await there.has("0", "1", "2", "3", "4")
    await there.close()
    path = tmp_path / "there" / "transcripts" / TASK / "1.jsonl"
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b'\n{"at":')  # as after a power cut
    again = await Node.opened(nats_server, cluster_id, tmp_path / "there")

    await here.append(5, "5")

    await again.has("0", "1", "2", "3", "4", "5")
    await again.close()
    await here.close()


async def test_given_a_transcript_whose_beginning_nobody_has_any_more_then_the_others_are_read_all_the_same(
    pair: tuple[Node, Node], nats_server: str, cluster_id: str
) -> None:
    here, there = pair
    stranger = await client_library.connect(nats_server)
    for first in (5, 6):
        await stranger.jetstream().publish(
            f"swarm.{cluster_id}.transcripts.{TASK}.9", b'{"kind":"x"}\n', headers={"Swarm-First": f"{first}"}
        )

    await here.append(0, "a")

    await there.has("a")
    assert there.file(9) == b""
    await stranger.close()


@pytest.mark.parametrize(
    ("topic", "first", "data"),
    [
        (f"{TASK}.1", "0", b"no json\n"),
        (f"{TASK}.1", "0", b"[]\n"),
        (f"{TASK}.1", "0", b'{"kind":"x"}'),
        (f"{TASK}.1", "-1", b'{"kind":"x"}\n'),
        (f"{TASK}.1", "x", b'{"kind":"x"}\n'),
        (f"{TASK}.1", "0", b""),
        (f"{TASK}.0", "0", b'{"kind":"x"}\n'),
        (f"{TASK}.one", "0", b'{"kind":"x"}\n'),
        ("no-task.1", "0", b'{"kind":"x"}\n'),
        (f"{TASK.upper()}.1", "0", b'{"kind":"x"}\n'),
        ("/etc/passwd.1", "0", b'{"kind":"x"}\n'),
    ],
)
async def test_given_a_message_that_is_no_transcript_then_it_is_passed_over(
    pair: tuple[Node, Node], nats_server: str, cluster_id: str, topic: str, first: str, data: bytes
) -> None:
    stranger = await client_library.connect(nats_server)
    subject = f"swarm.{cluster_id}.transcripts.{topic}"
    await stranger.jetstream().publish(subject, data, headers={"Swarm-First": first})
    await stranger.jetstream().publish(subject, data)

    await pair[0].append(0, "a")

    await pair[1].has("a")
    assert [path.name for path in (pair[1].folder / "transcripts").iterdir()] == [TASK]
    await stranger.close()


@pytest.mark.slow
async def test_given_lines_that_are_long_then_they_travel_in_several_messages(pair: tuple[Node, Node]) -> None:
    here, there = pair
    long = [f"{number}" + "x" * 200_000 for number in range(12)]

    await here.append(0, *long)

    await there.has(*long)


async def test_given_a_transcript_at_its_limit_then_all_nodes_agree_that_it_is(
    nats_server: str, cluster_id: str, tmp_path: Path
) -> None:
    here = await Node.opened(nats_server, cluster_id, tmp_path / "here", segment_bytes=500)
    there = await Node.opened(nats_server, cluster_id, tmp_path / "there", segment_bytes=500)

    assert await here.append(0, *["x" * 50] * 20) == 20

    await until(lambda: there.file() and there.file() == here.file())
    assert await there.append(20, "more") == 21
    assert there.file() == here.file()
    await here.close()
    await there.close()


async def test_given_many_transcripts_and_writers_at_once_then_every_node_has_every_line(
    pair: tuple[Node, Node],
) -> None:
    expected = [f"{number}" for number in range(30)]

    async def work(attempt: int) -> None:
        for first in range(0, 30, 2):
            await pair[attempt % 2].append(first, *expected[first : first + 2], attempt=attempt)

    await asyncio.gather(*(work(attempt) for attempt in range(1, 41)))

    for node in pair:
        for attempt in range(1, 41):
            await node.has(*expected, attempt=attempt)
        await node.has_sent_all()


@pytest.mark.slow
async def test_given_a_server_that_lost_its_files_when_it_is_back_then_lines_are_shared_again(
    nats_node: nats.Nodes, cluster_id: str, tmp_path: Path
) -> None:
    here = await Node.opened(nats_node.urls[0], cluster_id, tmp_path / "here")
    there = await Node.opened(nats_node.urls[0], cluster_id, tmp_path / "there")
    for first in range(20):
        await here.append(first, f"{first}")
    await there.has(*(f"{number}" for number in range(20)))

    nats_node.kill(0)
    nats_node.wipe(0)
    await until(lambda: not here.logs.link.is_up)
    await here.append(20, "20")
    nats_node.restart(0)

    await there.has(*(f"{number}" for number in range(21)))
    await here.has_sent_all()
    await here.close()
    await there.close()
