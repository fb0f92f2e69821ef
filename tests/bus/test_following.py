"""Where reading a stream goes on."""

from datetime import UTC, datetime

from nats.js.api import StreamConfig, StreamInfo, StreamState

from agent_swarm.bus.nats.following import Place, resumed

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
