"""`agent-swarm schedule` as people and scripts use it, against a server."""

from pathlib import Path

import pytest
from tests.cli.conftest import Run, told

pytestmark = pytest.mark.slow


def test_given_a_schedule_when_it_is_added_shown_changed_run_paused_and_removed_then_each_command_says_what_it_did(
    swarm: Run,
) -> None:
    added = swarm("schedule", "add", "nightly", "Tidy up\nall of it", "--cron", "0 3 * * *", "--tz", "Europe/Paris")
    assert added.out.startswith("nightly  active  0 3 * * * (Europe/Paris)  next ")
    assert "T03:00:00" in swarm("schedule", "next", "nightly").out
    assert "0 3 * * *" in swarm("schedule", "ls").out
    edited = swarm("schedule", "edit", "nightly", "--every", "2h", "--max-runs", "9", "--overlap", "queue")
    assert "every 2 h" in edited.out
    assert swarm("schedule", "run", "nightly").out.splitlines()[0] == "run 1  started"
    shown = swarm("schedule", "show", "nightly").out
    assert "starts: Tidy up" in shown
    assert "open" in shown
    assert "tasks of an earlier run are open" in swarm("schedule", "explain", "nightly").out
    assert swarm("schedule", "pause", "nightly").out.startswith("nightly  paused")
    assert "it is paused" in swarm("schedule", "explain", "nightly").out
    assert swarm("schedule", "resume", "nightly").out.startswith("nightly  active")
    assert told(swarm, "schedule", "edit", "nightly", "--endless")["maxRuns"] is None
    assert swarm("schedule", "rm", "nightly").out == "removed nightly\n"
    assert "no schedule is called 'nightly'" in swarm("schedule", "show", "nightly", code=1).err


def test_given_a_graph_and_one_instant_when_they_are_added_then_they_are_kept_as_given(
    swarm: Run, tmp_path: Path
) -> None:
    graph = tmp_path / "graph.json"
    graph.write_text('[{"ref": "a", "prompt": "first"}, {"prompt": "second", "dependsOn": ["a"]}]')
    added = told(swarm, "schedule", "add", "release", "--graph", str(graph), "--at", "2035-12-01T09:00:00+01:00")
    assert added["nextAt"] == "2035-12-01T08:00:00.000Z"
    assert [one["prompt"] for one in added["tasks"]] == ["first", "second"]
    assert "a graph of 2 tasks" in swarm("schedule", "show", "release").out
    swarm("schedule", "rm", "release")


def test_given_a_rule_alone_when_its_times_are_asked_for_then_nothing_is_stored(swarm: Run) -> None:
    times = told(swarm, "schedule", "next", "--cron", "0 9 * * 1-5", "--tz", "Asia/Tokyo", "--count", "3")
    assert len(times["local"]) == 3
    assert all(one.endswith("T09:00:00+09:00") for one in times["local"])
    assert swarm("schedule", "ls").err == "no schedules\n"


def test_given_wrong_usage_when_it_is_called_then_it_says_what_was_expected(swarm: Run) -> None:
    for arguments in (
        ("add", "x", "prompt"),
        ("add", "x", "--every", "1h"),
        ("add", "x", "prompt", "--every", "1h", "--cron", "@daily"),
        ("add", "x", "--every", "1h", "--graph", "g.json", "--project", "p"),
        ("add", "x", "prompt", "--every", "1h", "--offer-for", "5m"),
        ("edit", "x"),
        ("next",),
        ("next", "x", "--cron", "@daily"),
    ):
        assert "Usage" in swarm("schedule", *arguments, code=2).err
    refused = swarm("schedule", "add", "x", "prompt", "--cron", "61 * * * *", code=1).err
    assert "not between 0 and 59" in refused
    assert "for example" in refused
