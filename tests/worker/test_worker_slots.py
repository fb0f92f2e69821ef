"""Slots and credits."""

from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.worker.slots import Slots


def test_given_free_slots_when_offered_then_each_is_a_credit_once() -> None:
    slots = Slots(2)
    new = slots.offer()
    assert len(set(new)) == 2
    assert slots.open == new
    assert slots.offer() == ()


def test_given_an_answered_credit_when_it_is_answered_again_then_it_is_not_ours_any_more() -> None:
    slots = Slots(1)
    (claim_id,) = slots.offer()
    assert slots.take(claim_id)
    assert not slots.take(claim_id)


def test_given_a_refused_credit_when_its_slot_is_offered_again_then_it_is_another_credit() -> None:
    slots = Slots(1)
    (claim_id,) = slots.offer()
    slots.refuse(claim_id)
    (another,) = slots.offer()
    assert another != claim_id


def test_given_a_closed_counter_when_slots_become_free_then_nothing_is_offered() -> None:
    slots = Slots(2)
    first, second = slots.offer()
    slots.take(first)
    assert slots.close() == (second,)
    slots.give_back()
    assert slots.offer() == ()


@given(st.lists(st.sampled_from(["offer", "take", "end", "refuse"]), max_size=60), st.integers(1, 4))
def test_given_any_history_when_counted_then_there_are_never_more_credits_and_runs_than_slots(
    history: list[str], total: int
) -> None:
    slots, running = Slots(total), 0
    for step in history:
        if step == "offer":
            slots.offer()
        elif step == "take" and slots.open:
            assert slots.take(slots.open[0])
            running += 1
        elif step == "refuse" and slots.open:
            slots.refuse(slots.open[0])
        elif step == "end" and running:
            slots.give_back()
            running -= 1
        assert running + len(slots.open) <= total
    slots.offer()
    assert running + len(slots.open) == total
