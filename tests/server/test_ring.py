"""The ring: bounded in number and bytes, gapless or not at all."""

from collections.abc import Callable
from typing import Any

import pytest

from agent_swarm.server.ring import CHUNK_BYTES, EventRing, encode
from agent_swarm.services.events import EventFilter
from agent_swarm.store.base import Committed
from agent_swarm.store.records import Event

pytestmark = pytest.mark.anyio
ALL = EventFilter()


def event(seq: int, *, type: str = "task.created", task: str = "t", **data: Any) -> Event:
    return Event(
        seq=seq,
        id=str(seq),
        type=type,
        at=0,
        actor="operator",
        subject_kind="task",
        subject_id=task,
        task_id=task,
        data=data,
    )


def commit(*events: Event) -> Committed:
    return Committed(at=0, events=events)


def followed(**options: Any) -> EventRing:
    ring = EventRing(**options)
    ring.follow(lambda: None)
    return ring


async def test_given_nobody_who_follows_when_events_happen_then_only_their_number_is_kept() -> None:
    ring = EventRing(head=5)
    ring.publish(commit(event(6), event(7)))

    assert (ring.head, ring.tail, len(ring._events)) == (7, 7, 0)


async def test_given_a_follower_when_events_happen_then_it_gets_those_after_its_cursor() -> None:
    ring = followed(head=5)
    ring.publish(commit(event(6), event(7)))
    ring.publish(commit(event(8)))

    content, end = ring.since(6, ALL)

    assert (ring.tail, ring.head, end) == (5, 8, 8)
    assert content == encode(event(7)).content + encode(event(8)).content
    assert ring.since(6, ALL)[0] is content  # joined once for everyone at this place
    assert ring.since(8, ALL) == (b"", 8)
    ring.close()


async def test_given_a_filter_when_nothing_passes_it_then_the_cursor_moves_all_the_same() -> None:
    ring = followed()
    ring.publish(commit(event(1, task="a"), event(2, task="b", type="task.failed"), event(3, task="a")))

    assert ring.since(0, EventFilter(task_id="b"))[1] == 3
    assert (
        ring.since(0, EventFilter(types=frozenset({"task.failed"})))[0]
        == encode(event(2, task="b", type="task.failed")).content
    )
    assert ring.since(0, EventFilter(task_id="c")) == (b"", 3)
    ring.close()


async def test_given_too_many_events_when_the_ring_is_full_then_the_oldest_go() -> None:
    ring = followed(capacity=3)
    ring.publish(commit(*(event(seq) for seq in range(1, 6))))

    assert (ring.tail, ring.head) == (2, 5)
    ring.close()


async def test_given_large_events_when_the_ring_is_full_in_bytes_then_the_oldest_go() -> None:
    ring = followed(capacity_bytes=5000)
    ring.publish(commit(*(event(seq, text="x" * 2000) for seq in range(1, 6))))

    assert (ring.head, len(ring._events)) == (5, 2)
    assert ring._bytes == sum(len(kept.content) for kept in ring._events) <= 5000
    ring.close()


async def test_given_a_large_backlog_when_it_is_read_then_it_comes_in_bounded_pieces() -> None:
    ring = followed()
    ring.publish(commit(*(event(seq, text="x" * 50_000) for seq in range(1, 20))))

    cursor, pieces = 0, []
    while cursor < ring.head:
        content, cursor = ring.since(cursor, ALL)
        pieces.append(len(content))

    assert len(pieces) > 1
    assert max(pieces) <= CHUNK_BYTES
    ring.close()


async def test_given_events_of_another_process_when_they_are_missing_here_then_the_ring_starts_anew() -> None:
    ring = followed(head=5)
    ring.publish(commit(event(6)))
    ring.publish(commit(event(9)))

    assert (ring.tail, ring.head) == (8, 9)
    ring.close()


async def test_given_the_last_follower_when_it_leaves_then_nothing_is_kept_and_no_timer_runs() -> None:
    ring = EventRing()
    leave = ring.follow(lambda: None)
    other = ring.follow(print)
    ring.publish(commit(event(1)))
    leave()
    assert ring._events
    other()
    leave()

    assert not ring._events
    assert ring._beat is None
    ring.close()


async def test_given_a_thousand_followers_when_much_happens_then_they_share_the_bytes_that_one_would_need() -> None:
    ring = EventRing()
    woken = [0] * 1_000

    def waker(number: int) -> Callable[[], None]:
        def wake() -> None:
            woken[number] += 1

        return wake

    for number in range(1_000):
        ring.follow(waker(number))
    ring.publish(commit(*(event(seq, text="x" * 100) for seq in range(1, 101))))
    held = ring._bytes

    ring._deliver()
    sent = [ring.since(0, ALL)[0] for _ in range(1_000)]

    assert woken == [1] * 1_000
    assert all(content is sent[0] for content in sent)
    assert ring._bytes == held == sum(len(one.content) for one in ring._events)
    assert len(sent[0]) == held <= CHUNK_BYTES
    ring.close()
