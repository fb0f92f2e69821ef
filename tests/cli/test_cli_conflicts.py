"""Conflicts on a terminal."""

import json

from tests.cli.conftest import Run
from tests.cli.recorded_server import RecordedServer, answer

from agent_swarm.cli.event_text import sentence

ONE = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
OTHER = "0197a1c2-5b7e-7c3d-9e4f-cdef01234567"
CONFLICT = {
    "projectId": "p",
    "projectName": "shop",
    "since": "2026-11-20T18:00:00Z",
    "files": ["a", "b", "c", "d"],
    "more": 2,
    "attempts": [
        {"taskId": ONE, "title": "One", "attempt": 1, "agentId": "x", "agentName": "ada"},
        {"taskId": OTHER, "title": "Other", "attempt": 2, "agentId": "y", "agentName": "bob\x1b[2J"},
    ],
}


def test_given_conflicts_when_they_are_listed_then_both_sides_and_some_files_are_shown(
    run: Run, recorded_server: RecordedServer
) -> None:
    recorded_server.will(answer({"conflicts": [CONFLICT], "nextCursor": None}))
    ended = run("conflicts", "shop", "--url", recorded_server.url)
    assert ended.code == 0, ended.err
    assert "project=shop" in recorded_server.requests[0].path
    assert f"{ONE[-8:]} ada" in ended.out
    assert "a, b, c and 3 more" in ended.out
    assert "\x1b" not in ended.out


def test_given_conflicts_on_two_pages_when_they_are_asked_for_as_json_then_all_are_there(
    run: Run, recorded_server: RecordedServer
) -> None:
    recorded_server.will(answer({"conflicts": [CONFLICT], "nextCursor": "c"}))
    recorded_server.will(answer({"conflicts": [CONFLICT], "nextCursor": None}))
    ended = run("conflicts", "--json", "--url", recorded_server.url)
    assert len(json.loads(ended.out)["conflicts"]) == 2
    assert "cursor=c" in recorded_server.requests[1].path


def test_given_an_overlap_when_its_events_are_told_then_tasks_and_files_are_named() -> None:
    data = {"taskId": ONE, "otherTaskId": OTHER, "attempt": 1, "otherAttempt": 2, "files": ["a", "b"], "more": 1}
    found = {"type": "project.overlapFound", "subject": {"id": "p"}, "data": data}
    gone = {"type": "project.overlapGone", "subject": {"id": "p"}, "data": data}
    assert sentence(found, {}) == f"{ONE[-8:]} and {OTHER[-8:]} would not merge: a, b and 1 more"
    assert sentence(gone, {}) == f"{ONE[-8:]} and {OTHER[-8:]} overlap no more"
