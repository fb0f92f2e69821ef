"""What every bus promises, as tests.

A test module for a bus subclasses `BusContract` and supplies the fixture `make_bus`: called with a node's name it
answers a bus, not open yet, and all buses of one test belong to one swarm that no other test shares.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

import pytest

from agent_swarm.bus import Bus, BusFigures, Notice, NoticeKind
from agent_swarm.testing.waiting import until

B = TypeVar("B", bound=Bus)
MakeBus = Callable[[str], Bus]

BODIES: dict[NoticeKind, dict[str, Any]] = {
    NoticeKind.COMMITTED: {"seq": 7, "ready": {"3": 2, "12": 1}},
    NoticeKind.TRANSCRIPT: {"task": "0197a1c2-5b7e-7c3d-9e4f-0123456789ab", "attempt": 2},
    NoticeKind.CONNECTED: {"agent": "a'b\"c\\d\nü✓", "instance": "i"},
    NoticeKind.STARTED: {},
    NoticeKind.STOPPED: {},
}


def committed(node: str, seq: int, ready: dict[str, int] | None = None) -> Notice:
    """A notice of a commit."""
    return Notice(NoticeKind.COMMITTED, node, {"seq": seq, "ready": ready})


class Ear(Generic[B]):
    """A node that listens and remembers what others said."""

    def __init__(self, node: str, bus: B) -> None:
        self.node = node
        self.bus = bus
        self.heard: list[Notice] = []

    def hear(self, notice: Notice) -> None:
        """For `Bus.open`."""
        if notice.node != self.node:
            self.heard.append(notice)

    def seqs(self, node: str) -> set[int]:
        """The commits heard of from one node."""
        return {notice.body["seq"] for notice in self.heard if notice.node == node and "seq" in notice.body}

    async def heard_all(self, node: str, seqs: set[int], within: float = 10.0) -> None:
        """Wait until all these commits of a node were heard of."""
        await until(lambda: seqs <= self.seqs(node), within)


class BusFixtures:
    """Three nodes of one swarm that listen."""

    @pytest.fixture
    async def ears(self, make_bus: MakeBus) -> AsyncIterator[list[Ear[Bus]]]:
        ears = [Ear(node, make_bus(node)) for node in ("one", "two", "three")]
        for ear in ears:
            await ear.bus.open(ear.hear)
        yield ears
        for ear in ears:
            await ear.bus.close()


class BusContract(BusFixtures):
    """Given open buses, when one publishes, then the others hear."""

    @pytest.mark.parametrize("kind", NoticeKind)
    async def test_given_three_nodes_when_one_publishes_then_the_others_hear_the_same(
        self, ears: list[Ear[Bus]], kind: NoticeKind
    ) -> None:
        notice = Notice(kind, "one", BODIES[kind])

        ears[0].bus.publish(notice)

        for ear in ears[1:]:
            await until(lambda ear=ear: ear.heard)  # type: ignore[misc]
            assert ear.heard == [notice]

    async def test_given_three_nodes_that_all_publish_a_lot_then_each_hears_everything_of_the_others(
        self, ears: list[Ear[Bus]]
    ) -> None:
        seqs = set(range(1, 301))

        for seq in sorted(seqs):
            for ear in ears:
                ear.bus.publish(committed(ear.node, seq, {"1": 1}))
            if seq % 10 == 0:
                await asyncio.sleep(0)

        for ear in ears:
            for other in ears:
                if other is not ear:
                    await ear.heard_all(other.node, seqs)

    async def test_given_a_notice_that_is_published_twice_then_it_is_heard_and_what_follows_too(
        self, ears: list[Ear[Bus]]
    ) -> None:
        for seq in (5, 5, 3, 4, 5, 9):
            ears[0].bus.publish(committed("one", seq))

        for ear in ears[1:]:
            await ear.heard_all("one", {3, 4, 5, 9})
            assert all(times >= 1 for times in Counter(notice.body["seq"] for notice in ear.heard).values())

    async def test_given_a_hearer_that_fails_then_the_next_notice_is_heard_all_the_same(
        self, make_bus: MakeBus, ears: list[Ear[Bus]]
    ) -> None:
        heard: list[int] = []

        def hear(notice: Notice) -> None:
            heard.append(notice.body["seq"])
            raise RuntimeError("no")

        bus = make_bus("four")
        await bus.open(hear)
        ears[0].bus.publish(committed("one", 1))
        await until(lambda: heard)
        ears[0].bus.publish(committed("one", 2))

        await until(lambda: 2 in heard)
        await bus.close()

    async def test_given_more_ready_classes_than_fit_anywhere_then_the_commit_is_heard_with_them_or_without(
        self, ears: list[Ear[Bus]]
    ) -> None:
        ready = {str(number): 1 for number in range(2000)}

        ears[0].bus.publish(committed("one", 8, ready))

        for ear in ears[1:]:
            await ear.heard_all("one", {8})
            assert ear.heard[0].body["ready"] in (ready, None)

    async def test_given_a_bus_that_is_not_open_when_it_publishes_or_closes_then_nothing_happens(
        self, make_bus: MakeBus
    ) -> None:
        bus = make_bus("early")

        bus.publish(committed("early", 1))
        await bus.close()
        await bus.close()

    async def test_given_a_bus_that_is_closed_then_its_last_words_arrive_and_the_others_go_on(
        self, ears: list[Ear[Bus]]
    ) -> None:
        first, second, third = ears

        first.bus.publish(Notice(NoticeKind.STOPPED, "one", {}))
        await first.bus.close()
        await first.bus.close()
        first.bus.publish(committed("one", 1))
        second.bus.publish(committed("two", 2))

        await until(lambda: {notice.node for notice in third.heard} == {"one", "two"})
        assert Notice(NoticeKind.STOPPED, "one", {}) in third.heard
        assert first.heard == []

    async def test_given_a_bus_then_its_figures_say_what_waits_and_that_nothing_went_wrong(
        self, make_bus: MakeBus, ears: list[Ear[Bus]]
    ) -> None:
        early = make_bus("early")
        early.publish(committed("early", 1))
        assert early.figures() == BusFigures(waiting=1)

        ears[0].bus.publish(committed("one", 1))
        await ears[1].heard_all("one", {1})

        await until(lambda: ears[0].bus.figures() == BusFigures())

    async def test_given_a_node_that_comes_later_then_it_hears_what_is_published_from_then_on(
        self, make_bus: MakeBus, ears: list[Ear[Bus]]
    ) -> None:
        ears[0].bus.publish(committed("one", 1))
        await ears[1].heard_all("one", {1})
        late = Ear("late", make_bus("late"))
        await late.bus.open(late.hear)

        ears[0].bus.publish(committed("one", 2))

        await late.heard_all("one", {2})
        await late.bus.close()
