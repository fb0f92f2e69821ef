"""The outbox: what gives way where there is no room."""

from agent_swarm.bus import Notice, NoticeKind
from agent_swarm.bus.outbox import Outbox
from agent_swarm.testing.bus_contract import committed


def other(number: int) -> Notice:
    return Notice(NoticeKind.TRANSCRIPT, "one", {"task": "t", "attempt": number})


def test_given_room_then_everything_comes_out_as_it_went_in() -> None:
    outbox = Outbox(limit=4)
    for notice in (other(1), committed("one", 1, {"1": 1}), committed("one", 2, {"2": 1}), other(2)):
        outbox.add(notice)

    assert outbox.take(3) == [committed("one", 1, {"1": 1}), committed("one", 2, {"2": 1}), other(1)]
    assert outbox.take(3) == [other(2)]
    assert outbox.take(3) == []
    assert (outbox.merged, outbox.dropped) == (0, 0)


def test_given_no_room_then_commits_become_one_that_says_look() -> None:
    outbox = Outbox(limit=3)
    for notice in (committed("one", 5, {"1": 1}), committed("one", 4, {"1": 1}), other(1), committed("one", 3)):
        outbox.add(notice)

    assert outbox.take(9) == [Notice(NoticeKind.COMMITTED, "one", {"seq": 5, "ready": None}), other(1)]
    assert (outbox.merged, outbox.dropped) == (2, 0)


def test_given_no_room_and_one_commit_then_the_oldest_of_the_others_is_dropped() -> None:
    outbox = Outbox(limit=3)
    for notice in (committed("one", 1), other(1), other(2), other(3)):
        outbox.add(notice)

    assert outbox.take(9) == [committed("one", 1), other(2), other(3)]
    assert (outbox.merged, outbox.dropped) == (0, 1)


def test_given_far_too_much_then_the_outbox_never_holds_more_than_its_limit() -> None:
    outbox = Outbox(limit=10)
    for number in range(1000):
        outbox.add(other(number) if number % 3 else committed("one", number))
        assert len(outbox) <= 10

    assert max(notice.body.get("seq", 0) for notice in outbox.take(10)) == 999
