"""Which tasks a trigger is about, and how far triggers go."""

from dataclasses import replace

import pytest

from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.triggers import (
    CAP_REACHED,
    DEPTH,
    DEPTH_REACHED,
    MESSAGES_PER_HOUR,
    PER_ROOT,
    EndedTask,
    Filter,
    Hour,
    firing_id,
    fits,
    too_far,
)

TASK = EndedTask(project_id="p", swarm_id="s", labels=("a", "b"), agent_id="ada")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), True),
        (Filter(project_id="p", swarm_id="s", label="b", agent_id="ada"), True),
        (Filter(project_id="other"), False),
        (Filter(swarm_id="other"), False),
        (Filter(label="c"), False),
        (Filter(agent_id="bob"), False),
        (Filter(project_id="p", label="c"), False),
    ],
)
def test_given_a_filter_when_a_task_ends_then_all_that_it_says_has_to_fit(wanted: Filter, expected: bool) -> None:
    assert fits(wanted, TASK) is expected


def test_given_a_task_without_anything_when_a_filter_names_something_then_it_does_not_fit() -> None:
    bare = replace(TASK, project_id=None, swarm_id=None, labels=(), agent_id=None)
    wanted = (Filter(project_id="p"), Filter(swarm_id="s"), Filter(label="a"), Filter(agent_id="ada"))
    assert not any(fits(one, bare) for one in wanted)


def test_given_the_same_ending_when_its_firing_is_named_again_then_it_has_the_same_id_and_no_other_has() -> None:
    trigger, task = new_id(), new_id()
    named = {firing_id(trigger, task, 1), firing_id(trigger, task, 1)}
    assert len(named) == 1
    assert all(normalize_id(one) == one for one in named)
    others = {firing_id(trigger, task, 2), firing_id(new_id(), task, 1), firing_id(trigger, new_id(), 1)}
    assert len(named | others) == 4


def test_given_a_chain_of_triggers_or_many_tasks_below_one_root_then_there_is_an_end() -> None:
    assert too_far(depth=DEPTH - 1, made_below_root=PER_ROOT - 1) is None
    assert (too_far(depth=DEPTH, made_below_root=0) or ("",))[0] == DEPTH_REACHED
    assert (too_far(depth=0, made_below_root=PER_ROOT) or ("",))[0] == CAP_REACHED


def test_given_a_trigger_that_posts_all_the_time_when_the_hour_is_full_then_it_waits_for_the_next() -> None:
    hour: Hour | None = Hour()
    for _ in range(MESSAGES_PER_HOUR):
        assert hour is not None
        hour = hour.one_more(3_600 * SECOND)
    assert hour is not None
    assert hour.one_more(7_199 * SECOND) is None
    assert hour.one_more(7_200 * SECOND) == Hour(began_at=7_200 * SECOND, posted=1)
