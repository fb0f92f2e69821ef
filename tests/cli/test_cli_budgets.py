"""`agent-swarm budget` as people and scripts use it, against a server."""

import pytest
from tests.cli.conftest import Run, told

pytestmark = pytest.mark.slow


def test_given_a_budget_when_it_is_added_shown_changed_and_removed_then_each_command_says_what_it_did(
    swarm: Run,
) -> None:
    added = swarm("budget", "add", "--all", "--usd", "50", "--per-day", "--tz", "Europe/Paris", "--name", "everything")
    assert added.out == "everything  open  $0.00 of $50.00 (+ $0.00 reserved) a day\n"
    assert "everything" in swarm("budget", "ls").out
    assert "for all, at the cap: pause" in swarm("budget", "show", "everything").out
    changed = swarm("budget", "set", "everything", "--usd", "none", "--tokens", "1000", "--action", "refuse", "--off")
    assert changed.out == "everything  off  0 of 1,000 tokens (+ 0 reserved) a day\n"
    assert told(swarm, "budget", "set", "everything", "--on")["status"] in ("open", "full")
    assert swarm("budget", "rm", "everything").out == "removed everything\n"
    assert "no budget has the id or name 'everything'" in swarm("budget", "show", "everything", code=1).err


def test_given_a_task_with_a_budget_when_it_is_filed_then_that_is_listed(swarm: Run) -> None:
    task_id = swarm("task", "add", "-q", "plan", "--budget-usd", "20").out.strip()
    (found,) = told(swarm, "budget", "ls")["budgets"]
    assert (found["scope"], found["scopeId"], found["capUsd"]) == ("root", task_id, 20)
    swarm("budget", "rm", found["id"])


def test_given_caps_on_attempts_when_they_are_set_then_lists_tell_how_many_have_begun_and_run(swarm: Run) -> None:
    added = swarm("budget", "add", "--all", "--attempts", "20", "--at-once", "3", "--per-day", "--name", "tries")
    assert added.out == "tries  open  0 of 20 attempts a day, 0 of 3 at once\n"
    assert "0 of 20 attempts a day, 0 of 3 at once" in swarm("budget", "ls").out
    changed = swarm("budget", "set", "tries", "--attempts", "none", "--at-once", "1")
    assert changed.out == "tries  open  0 of 1 at once\n"
    task_id = swarm("task", "add", "-q", "plan", "--budget-attempts", "9", "--budget-at-once", "2").out.strip()
    found = next(one for one in told(swarm, "budget", "ls")["budgets"] if one["scopeId"] == task_id)
    assert (found["capAttempts"], found["capAtOnce"], found["capUsd"]) == (9, 2, None)
    for name in ("tries", found["id"]):
        swarm("budget", "rm", name)


def test_given_a_name_that_two_budgets_have_when_one_is_meant_then_their_ids_are_told(swarm: Run) -> None:
    made = [told(swarm, "budget", "add", "--all", "--usd", usd) for usd in ("3", "5")]
    refused = swarm("budget", "rm", "all", code=1).err
    assert "2 budgets are called 'all'" in refused
    for one, cap in zip(made, ("$3.00", "$5.00"), strict=True):
        assert f"{one['id']} ({cap})" in refused
        swarm("budget", "rm", one["id"])


def test_given_nothing_that_was_booked_when_a_report_is_asked_for_then_it_says_so(swarm: Run) -> None:
    assert told(swarm, "budget", "report", "--by", "day")["rows"] == []
    assert swarm("budget", "report").err == "nothing was booked\n"


def test_given_wrong_usage_when_it_is_called_then_it_says_what_was_expected(swarm: Run) -> None:
    for arguments, expected in (
        (("add", "--usd", "5"), "say what it is for"),
        (("add", "--all", "--project", "shop", "--usd", "5"), "say what it is for"),
        (("add", "--all", "--usd", "5", "--tz", "Europe/Paris"), "--tz goes with --per-day"),
        (("set", "x"), "say what to change"),
        (("set", "x", "--usd", "much"), "neither a number nor 'none'"),
    ):
        assert expected in swarm("budget", *arguments, code=2).err
