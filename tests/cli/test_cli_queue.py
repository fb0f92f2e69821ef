"""`agent-swarm queue` as people and scripts use it, against a server."""

import pytest
from tests.cli.conftest import Run, told

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def shop(swarm: Run) -> None:
    swarm("repo", "add", "git@example.com:team/shop.git", "--name", "shop")


def test_given_a_queue_when_it_is_set_shown_and_turned_off_then_each_command_says_how_it_stands(swarm: Run) -> None:
    made = swarm("queue", "set", "shop", "--check", "make test", "--automatic", "--timeout", "20m", "--tags", "a,b")
    assert made.out == "shop  active  lands on the project's branch  0 wait\n"
    shown = swarm("queue", "show", "shop").out
    assert "check: make test" in shown
    assert "results enter by themselves, up to 8 are checked together" in shown
    assert told(swarm, "queue", "show", "shop")["timeoutSeconds"] == 1200
    assert swarm("queue", "set", "shop", "--by-hand", "--branch", "trunk").out.startswith(
        "shop  active  lands on trunk"
    )
    assert "results enter by hand" in swarm("queue", "show", "shop").out
    assert swarm("queue", "off", "shop").out.startswith("shop  off")
    assert swarm("queue", "ls", "shop").err == "nothing waits\n"
    assert swarm("queue", "ls", "shop", "--settled").err == "nothing is settled yet\n"
    assert told(swarm, "queue", "ls", "shop") == {"entries": [], "nextCursor": None}


def test_given_what_is_not_there_when_it_is_asked_for_then_it_says_what_to_do(swarm: Run) -> None:
    assert "no project has the id or name 'nowhere'" in swarm("queue", "show", "nowhere", code=1).err
    swarm("repo", "add", "git@example.com:team/other.git", "--name", "other")
    refused = swarm("queue", "set", "other", code=1).err
    assert "a new merge queue needs the project's own check" in refused
    assert 'agent-swarm queue set REPO --check "make test"' in refused
    task_id = swarm("task", "add", "-q", "x").out.strip()
    assert "works on no repository" in swarm("queue", "add", task_id, code=1).err
    swarm("queue", "set", "shop", "--check", "true")
    task_id = swarm("task", "add", "-q", "x", "--project", "shop").out.strip()
    assert "is pending, and only results of completed tasks are merged" in swarm("queue", "add", task_id, code=1).err
    assert "is in no merge queue" in swarm("queue", "drop", task_id, code=1).err
