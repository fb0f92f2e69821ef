"""Live work on every store: what is compared, which overlaps there are, and who is told how often."""

from collections.abc import Sequence
from typing import Any

import pytest

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import of_task
from agent_swarm.domain.overlaps import MOST_AT_PROJECT, MOST_MESSAGES
from agent_swarm.store.families.live_work import (
    FOUND,
    GONE,
    LIVE_WORK,
    FoundOverlap,
    LiveWork,
    NoteOverlaps,
    ShareLiveWork,
)
from agent_swarm.store.families.mail import CALLS, MESSAGES, TRAYS
from agent_swarm.store.records import Event
from agent_swarm.testing.driver import Driver

PROJECT, ADA, BOB = new_id(), new_id(), new_id()
FIRST, SECOND, THIRD = sorted(new_id() for _ in range(3))
NAMES = {ADA: "ada", BOB: "bob"}


def live(task_id: str, agent_id: str, *, commit: str = "a" * 40, fence: int = 1, **fields: Any) -> LiveWork:
    return LiveWork(
        project_id=PROJECT, task_id=task_id, attempt=fence, fence=fence, agent_id=agent_id, commit=commit, **fields
    )


def share(swarm: Driver, agent_id: str, *present: LiveWork, over: Sequence[tuple[str, int]] = ()) -> list[str]:
    """The tasks of others that its worker hears of."""
    operation = ShareLiveWork(project_id=PROJECT, agent_id=agent_id, present=present, over=frozenset(over))
    return [row.task_id for row in swarm.do(operation)]


def note(swarm: Driver, agent_id: str, *found: FoundOverlap) -> int:
    ids = {task_id: new_id() for one in found for task_id in (one.task_id, one.other_task_id)}
    operation = NoteOverlaps(project_id=PROJECT, agent_id=agent_id, found=found, names=NAMES, message_ids=ids)
    changed: int = swarm.do(operation)
    return changed


def found(one: str, other: str, *files: str, fence: int = 1, attempt: int = 1, more: int = 0) -> FoundOverlap:
    return FoundOverlap(task_id=one, fence=fence, other_task_id=other, other_attempt=attempt, files=files, more=more)


def rows(swarm: Driver) -> dict[str, LiveWork]:
    return {row.task_id: row for row in swarm.engine.read(lambda q: q.scan(LIVE_WORK, PROJECT, limit=1_000))}


def told(swarm: Driver, *kinds: str) -> list[Event]:
    return [one for one in swarm.engine.read(lambda q: q.events_after(0, limit=10_000)) if one.type in kinds]


def messages(swarm: Driver, task_id: str) -> list[str]:
    """What waits for whoever works on a task."""
    tray = swarm.engine.read(lambda q: q.scan(TRAYS, of_task(task_id), limit=1_000))
    found = swarm.engine.read(lambda q: [q.record(MESSAGES, one.message_id) for one in tray])
    return [one.text for one in found if one is not None]


@pytest.fixture
def two(swarm: Driver) -> Driver:
    """Ada at work on the first task, Bob on the second and the third."""
    share(swarm, ADA, live(FIRST, ADA))
    share(swarm, BOB, live(SECOND, BOB), live(THIRD, BOB))
    return swarm


def test_given_attempts_of_two_agents_when_they_are_shared_then_each_hears_of_the_others(two: Driver) -> None:
    assert share(two, ADA, live(FIRST, ADA, commit="b" * 40, is_published=True)) == [SECOND, THIRD]
    assert share(two, BOB, live(SECOND, BOB)) == [FIRST]
    assert set(rows(two)) == {FIRST, SECOND}
    assert (rows(two)[FIRST].commit, rows(two)[FIRST].is_published) == ("b" * 40, True)
    assert two.engine.read(lambda q: q.scan(LIVE_WORK, new_id(), limit=10)) == []


def test_given_an_overlap_when_it_is_noted_again_and_again_then_each_set_of_files_is_told_once(two: Driver) -> None:
    assert note(two, ADA, found(FIRST, SECOND, "a.py")) == 1
    assert note(two, ADA, found(FIRST, SECOND, "a.py")) == 0
    assert note(two, ADA, found(FIRST, SECOND, "a.py", "b.py", more=3)) == 1
    assert note(two, ADA, found(FIRST, SECOND)) == 1
    assert note(two, ADA, found(FIRST, SECOND)) == 0
    assert note(two, ADA, found(FIRST, SECOND, "a.py")) == 1

    events = told(two, FOUND, GONE)
    assert [(one.type, one.data.get("files"), one.data.get("more")) for one in events] == [
        (FOUND, ["a.py"], 0),
        (FOUND, ["a.py", "b.py"], 3),
        (GONE, None, None),
        (FOUND, ["a.py"], 0),
    ]
    assert {(one.subject_kind, one.subject_id, one.actor) for one in events} == {("project", PROJECT, f"agent:{ADA}")}
    assert {(one.data["taskId"], one.data["otherTaskId"]) for one in events} == {(FIRST, SECOND)}


def test_given_an_overlap_when_it_is_noted_then_both_agents_hear_of_files_they_did_not_know_and_nobody_is_woken(
    two: Driver,
) -> None:
    for files in (["a.py"], ["a.py", "b.py"], [], ["b.py"]):
        note(two, ADA, found(FIRST, SECOND, *files))
    first, second = messages(two, FIRST), messages(two, SECOND)
    assert len(first) == len(second) == 2
    assert f"attempt 1 at task {SECOND}, by agent 'bob' ({BOB}): 'a.py'\n" in first[0]
    assert f"attempt 1 at task {FIRST}, by agent 'ada' ({ADA}): 'a.py', 'b.py'\n" in second[1]
    assert messages(two, THIRD) == []
    posted = told(two, "message.posted")
    assert [(one.actor, one.task_id) for one in posted] == [("system", FIRST), ("system", SECOND)] * 2
    assert two.engine.read(lambda q: [q.record(CALLS, agent) for agent in (ADA, BOB)]) == [None, None]


def test_given_many_overlaps_at_once_when_they_are_noted_then_each_agent_gets_one_message(two: Driver) -> None:
    note(two, ADA, found(FIRST, SECOND, "a.py"), found(FIRST, THIRD, "b.py"))
    (text,) = messages(two, FIRST)
    assert SECOND in text and THIRD in text
    assert [len(messages(two, task_id)) for task_id in (SECOND, THIRD)] == [1, 1]


def test_given_an_agent_that_was_told_often_when_more_is_found_then_it_is_told_no_more(two: Driver) -> None:
    for number in range(MOST_MESSAGES + 3):
        note(two, ADA, found(FIRST, SECOND, f"file{number}"))
    texts = messages(two, FIRST)
    assert len(texts) == MOST_MESSAGES
    assert [text for text in texts if "told of no further overlaps" in text] == texts[-1:]
    assert len(told(two, FOUND)) == MOST_MESSAGES + 3


@pytest.mark.parametrize(
    ("agent_id", "one"),
    [
        (BOB, found(FIRST, SECOND, "a.py")),
        (BOB, found(SECOND, FIRST, "a.py")),
        (ADA, found(FIRST, SECOND, "a.py", fence=2)),
        (ADA, found(FIRST, SECOND, "a.py", attempt=2)),
        (ADA, found(FIRST, new_id(), "a.py")),
        (ADA, found(new_id(), SECOND, "a.py")),
    ],
    ids=["another's attempt", "the greater task", "an old fence", "an old attempt", "nobody", "no attempt"],
)
def test_given_a_pair_that_is_not_its_to_tell_when_a_worker_tells_of_it_then_it_does_not_count(
    two: Driver, agent_id: str, one: FoundOverlap
) -> None:
    before = rows(two)
    assert note(two, agent_id, one) == 0
    assert rows(two) == before
    assert told(two, FOUND, "message.posted") == []


@pytest.mark.parametrize("ending", ["its worker says so", "another one hears that it is over"])
@pytest.mark.parametrize("ended", [FIRST, SECOND], ids=["first", "second"])
def test_given_an_overlap_when_one_attempt_ends_then_it_is_gone(two: Driver, ending: str, ended: str) -> None:
    note(two, ADA, found(FIRST, SECOND, "a.py"), found(FIRST, THIRD, "a.py"))
    owner = ADA if ended == FIRST else BOB
    rest = [live(task_id, BOB) for task_id in (SECOND, THIRD) if task_id != ended]
    if ending == "its worker says so":
        share(two, owner, *(rest if owner == BOB else []))
    elif owner == ADA:
        share(two, BOB, live(SECOND, BOB), live(THIRD, BOB), over=[(FIRST, 1)])
    else:
        share(two, ADA, live(FIRST, ADA), over=[(SECOND, 1)])
    gone = [(one.data["taskId"], one.data["otherTaskId"]) for one in told(two, GONE)]
    assert gone == ([(FIRST, SECOND), (FIRST, THIRD)] if ended == FIRST else [(FIRST, SECOND)])
    assert ended not in rows(two)
    if ended == SECOND:
        kept = rows(two)[FIRST]
        assert [one["taskId"] for one in kept.overlaps] == list(kept.told) == [THIRD]


def test_given_the_next_attempt_at_a_task_when_it_is_shared_then_it_begins_anew(two: Driver) -> None:
    note(two, ADA, found(FIRST, SECOND, "a.py"))
    share(two, BOB, live(SECOND, BOB, fence=2), live(THIRD, BOB))
    assert len(told(two, GONE)) == 1
    assert (rows(two)[SECOND].attempt, rows(two)[SECOND].messages, rows(two)[FIRST].overlaps) == (2, 0, ())
    note(two, ADA, found(FIRST, SECOND, "a.py", attempt=2))
    assert len(messages(two, FIRST)) == len(messages(two, SECOND)) == 2


def test_given_more_attempts_at_a_project_than_are_compared_when_they_are_shared_then_the_others_are_left_out(
    swarm: Driver,
) -> None:
    many = [live(new_id(), ADA) for _ in range(MOST_AT_PROJECT)]
    share(swarm, ADA, *many)
    assert len(share(swarm, BOB, live(SECOND, BOB))) == MOST_AT_PROJECT
    assert len(rows(swarm)) == MOST_AT_PROJECT
    assert SECOND not in rows(swarm)
