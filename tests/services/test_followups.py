"""The digest of results that a task's prompt may end with: bounded, shared fairly, and nothing but comment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.services.followups import BYTES, CUT, TASKS, Told, digest

texts = st.text(max_size=4_000)


@given(st.lists(st.builds(Told, heading=st.text(max_size=200), text=texts), max_size=30))
def test_given_any_results_when_they_are_told_then_every_line_is_a_comment_and_there_are_no_more_than_8_kib(
    tasks: list[Told],
) -> None:
    told = digest(tasks)
    assert len(told.encode()) <= max(BYTES, 900 * TASKS)
    assert all(line.startswith("#") for line in told.splitlines())


def test_given_long_and_short_results_when_they_are_told_then_short_ones_are_whole_and_long_ones_share_the_rest() -> (
    None
):
    told = digest(
        [Told(heading="a", text="a" * 50_000), Told(heading="b", text="short"), Told(heading="c", text="c" * 50_000)]
    )
    assert len(told.encode()) <= BYTES
    assert "# short\n" in told
    assert abs(told.count("a" * 100) - told.count("c" * 100)) <= 1
    assert told.count("c" * 100) > 30
    assert told.count(CUT) == 2


@pytest.mark.parametrize("number", [TASKS, TASKS + 5])
def test_given_many_results_when_they_are_told_then_those_that_are_left_out_are_counted(number: int) -> None:
    told = digest([Told(heading=f"task {place}.", text="x" * 9_000) for place in range(number)])
    assert len(told.encode()) <= BYTES
    assert ("5 more are left out" in told) is (number > TASKS)


def test_given_no_result_when_nothing_was_followed_then_nothing_is_told() -> None:
    assert digest([]) == ""
