"""`agent-swarm trigger` and `task add --on` as people and scripts use them, against a server."""

import pytest
from tests.cli.conftest import Run, told

pytestmark = pytest.mark.slow


def test_given_a_trigger_when_it_is_added_shown_paused_and_removed_then_each_command_says_what_it_did(
    swarm: Run,
) -> None:
    added = swarm(
        "trigger", "add", "look", "--on", "failed,cancelled", "--tag", "x", "--task", "Look", "--with-results"
    )
    assert added.out == "look  active  on failed, cancelled: files a task\n"
    assert "tag x" in swarm("trigger", "ls").out
    task_id = swarm("task", "add", "-q", "Deploy", "--tags", "x").out.strip()
    swarm("task", "cancel", task_id)
    shown = swarm("trigger", "show", "look").out
    assert "about: tag x" in shown
    assert '"prompt": "Look"' in shown
    (done,) = told(swarm, "trigger", "deliveries", "look")["deliveries"]
    assert done["taskId"] == task_id
    assert "done once" in swarm("trigger", "redeliver", done["id"], code=1).err
    assert swarm("trigger", "pause", "look").out.startswith("look  paused")
    assert swarm("trigger", "resume", "look").out.startswith("look  active")
    assert swarm("trigger", "rm", "look").out == "removed look\n"
    assert "no trigger is called 'look'" in swarm("trigger", "show", "look", code=1).err


def test_given_a_webhook_when_it_is_added_then_its_secret_is_shown_this_once(swarm: Run) -> None:
    added = swarm("trigger", "add", "hook", "--on", "completed", "--webhook", "https://hooks.example/x")
    assert added.out.splitlines()[1].startswith("whsec_")
    assert "not shown again" in added.err
    assert "whsec_" not in swarm("trigger", "show", "hook").out
    swarm("trigger", "rm", "hook")


def test_given_a_task_with_triggers_when_it_is_filed_then_it_has_them(swarm: Run) -> None:
    on = ("--on", "failed=message:filer:It failed", "--on", "completed,cancelled=task:Test it")
    task_id = swarm("task", "add", "-q", "Deploy", *on).out.strip()
    found = told(swarm, "trigger", "ls", "--task", task_id)["triggers"]
    assert [(one["on"], one["action"]) for one in found] == [
        (["failed"], "postMessage"),
        (["completed", "cancelled"], "createTask"),
    ]


def test_given_wrong_usage_when_it_is_called_then_it_says_what_was_expected(swarm: Run) -> None:
    for arguments, said in (
        (("trigger", "add", "x", "--on", "ended", "--task", "p"), "is none of completed, failed, cancelled"),
        (("trigger", "add", "x", "--on", "failed"), "give one of --task, --message and --webhook"),
        (("trigger", "add", "x", "--on", "failed", "--task", "p", "--channel", "ops"), "--channel goes with --message"),
        (("trigger", "add", "x", "--on", "failed", "--task", "p", "--secret", "s"), "--secret goes with --webhook"),
        (
            ("trigger", "add", "x", "--on", "failed", "--message", "m", "--filer", "--task-project", "p"),
            "--task-project goes with --task",
        ),
        (
            ("trigger", "add", "x", "--on", "failed", "--webhook", "https://x.example", "--with-results"),
            "--with-results goes with --task or --message",
        ),
        (("task", "add", "p", "--webhook-secret", "ref:env://A"), "--webhook-secret goes with --on"),
        (
            ("task", "add", "p", "--on", "failed=task:q", "--webhook-secret", "ref:env://A"),
            "--webhook-secret goes with --on",
        ),
        (("task", "add", "p", "--on", "failed"), "expected EVENTS=ACTION"),
        (("task", "add", "p", "--on", "failed=mail:x"), "says nothing to do"),
    ):
        assert said in " ".join(swarm(*arguments, code=2).err.split())
