"""The event stream."""

import itertools

import pytest
from tests.cli.recorded_server import RecordedServer, refusal, stream

from agent_swarm.cli.address import Server
from agent_swarm.cli.feed import EventFeed
from agent_swarm.cli.sse import EventStream, Message, messages
from agent_swarm.domain.errors import Unauthenticated


def event(seq: int, task_id: str = "t") -> str:
    return f'id: {seq}\ndata: {{"seq": {seq}, "type": "task.created", "taskId": "{task_id}"}}\n\n'


def test_given_lines_of_all_kinds_then_messages_follow_the_format() -> None:
    text = ": connected\nretry: 1000\n\nevent: reset\nid: 7\ndata: a\ndata:b\n\ndata: c\n\nnonsense\n\n"
    assert list(messages(text.split("\n"))) == [Message("reset", "a\nb", "7"), Message("message", "c", "7")]


def test_given_a_heartbeat_with_an_id_then_it_comes_without_data() -> None:
    assert list(messages(["id: 9", ": heartbeat", ""])) == [Message("message", "", "9")]


def test_given_a_stream_that_breaks_then_it_goes_on_behind_the_last_event(recorded_server: RecordedServer) -> None:
    recorded_server.will(stream(event(4) + event(5)), stream(event(6)))
    events = EventStream(Server(recorded_server.url, "k"), after=3, query={"taskId": "t"})
    assert [seen["seq"] for seen in itertools.islice(events, 3)] == [4, 5, 6]
    first, second = recorded_server.requests[:2]
    assert (first.headers["last-event-id"], second.headers["last-event-id"]) == ("3", "5")
    assert first.path == "/api/events?taskId=t"
    assert first.headers["accept"] == "text/event-stream"


def test_given_only_heartbeats_before_the_break_then_their_id_counts(recorded_server: RecordedServer) -> None:
    recorded_server.will(stream("id: 41\n: heartbeat\n\n"), stream(event(42)))
    assert next(iter(EventStream(Server(recorded_server.url))))["seq"] == 42
    assert recorded_server.requests[1].headers["last-event-id"] == "41"


def test_given_a_reset_then_it_is_told_and_the_stream_goes_on_from_there(recorded_server: RecordedServer) -> None:
    recorded_server.will(stream('event: reset\nid: 90\ndata: {"type": "reset"}\n\n'), stream(event(91)))
    events = iter(EventStream(Server(recorded_server.url), after=1))
    assert next(events) == {"type": "reset"}
    assert next(events)["seq"] == 91
    assert recorded_server.requests[1].headers["last-event-id"] == "90"


def test_given_a_refusal_then_opening_raises_it(recorded_server: RecordedServer) -> None:
    recorded_server.will(refusal("unauthenticated", 401))
    with pytest.raises(Unauthenticated):
        EventStream(Server(recorded_server.url)).open()


def test_given_a_feed_then_events_wait_on_its_queue(recorded_server: RecordedServer) -> None:
    recorded_server.will(stream(event(1) + event(2)))
    with EventFeed(Server(recorded_server.url)) as feed:
        seen: list[int] = []
        while len(seen) < 2:
            seen.extend(taken["seq"] for taken in feed.take(5))
    assert seen[:2] == [1, 2]


def test_given_a_feed_that_is_refused_later_then_taking_raises_it(recorded_server: RecordedServer) -> None:
    recorded_server.will(stream(event(1)), refusal("unauthenticated", 401))
    with EventFeed(Server(recorded_server.url)) as feed:
        assert [seen["seq"] for seen in feed.take(5)] == [1]
        with pytest.raises(Unauthenticated):
            feed.take(5)
