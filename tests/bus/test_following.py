"""Where reading a stream goes on, and that a message which got lost on the way is read again."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from nats.aio.msg import Msg
from nats.js.api import StreamConfig, StreamInfo, StreamState

from agent_swarm.bus.nats import following
from agent_swarm.bus.nats.following import Following, Place, resumed
from agent_swarm.bus.nats.link import Link
from agent_swarm.bus.nats.settings import settings_from
from agent_swarm.bus.nats.streams import notices
from agent_swarm.testing.waiting import until

MADE = datetime(2026, 1, 1, tzinfo=UTC)


def stream(last_seq: int) -> StreamInfo:
    state = StreamState(messages=last_seq, bytes=0, first_seq=1, last_seq=last_seq, consumer_count=0)
    return StreamInfo(config=StreamConfig(name="s"), state=state, created=MADE)


def test_given_no_place_then_reading_begins_with_what_comes_next() -> None:
    assert resumed(None, "a", stream(7)) == Place("a", 7)


def test_given_a_place_then_reading_goes_on_after_it() -> None:
    assert resumed(Place("a", 3), "a", stream(7)) == Place("a", 3)
    assert resumed(Place("a", 7), "a", stream(7)) == Place("a", 7)


def test_given_a_place_in_a_stream_that_was_made_anew_then_reading_begins_at_its_start() -> None:
    assert resumed(Place("a", 3), "b", stream(7)) == Place("b", 0)


def test_given_a_stream_that_lost_its_end_then_reading_begins_at_its_start() -> None:
    assert resumed(Place("a", 8), "a", stream(7)) == Place("a", 0)


@pytest.fixture
async def link(nats_server: str) -> AsyncIterator[Link]:
    link = Link(settings_from(nats_server), name="reader")
    await link.open()
    yield link
    await link.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "lost", [b"3", pytest.param(b"5", marks=pytest.mark.slow)]
)  # the last one is missed in a pause
async def test_given_a_message_that_is_lost_on_the_way_then_it_is_read_again_before_what_follows(
    link: Link, cluster_id: str, lost: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[bytes] = []
    dropped: list[bytes] = []
    on_message = following._Session._on_message

    async def drop_once(session: following._Session, message: Msg) -> None:
        if message.data == lost and not dropped:
            dropped.append(message.data)
        else:
            await on_message(session, message)

    async def take(message: Msg) -> None:
        taken.append(message.data)

    monkeypatch.setattr(following._Session, "_on_message", drop_once)
    reader = Following(link, notices(cluster_id), take, place=None)
    await reader.start()

    for number in range(1, 6):
        await link.publish(f"swarm.{cluster_id}.notices", f"{number}".encode(), id=f"{number}")

    await until(lambda: len(taken) >= 5)
    assert taken == [b"1", b"2", b"3", b"4", b"5"]
    assert dropped == [lost]
    await reader.stop()


@pytest.mark.anyio
async def test_given_a_message_at_which_taking_fails_then_it_comes_again(link: Link, cluster_id: str) -> None:
    taken: list[bytes] = []

    async def take(message: Msg) -> None:
        taken.append(message.data)
        if len(taken) == 2:
            raise OSError("the disk is full")

    reader = Following(link, notices(cluster_id), take, place=None)
    await reader.start()

    for number in range(1, 4):
        await link.publish(f"swarm.{cluster_id}.notices", f"{number}".encode(), id=f"{number}")

    await until(lambda: len(taken) >= 4)
    assert taken == [b"1", b"2", b"2", b"3"]
    await reader.stop()
