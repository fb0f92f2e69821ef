"""`agent-swarm kill` and `lift` against a real server, and what other commands say meanwhile."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Ended, caller, started

pytestmark = pytest.mark.slow

Swarm = Callable[..., Ended]


@pytest.fixture
def swarm(server: dict[str, str], tmp_path: Path) -> Iterator[Swarm]:
    """`swarm("kill")`: the program as a process, to its end; the switch is lifted afterwards."""
    call = caller(server, tmp_path)
    yield call
    call("lift")


def told(ended: Ended) -> Any:
    return json.loads(ended.out)


def test_given_a_server_when_it_is_killed_and_lifted_then_each_command_says_what_it_did(swarm: Swarm) -> None:
    killed = swarm("kill", "--reason", "they deploy")
    assert killed.out.startswith("KILLED: everything: they deploy\n")
    assert "agent-swarm lift" in killed.out
    assert swarm("kill").out.startswith("KILLED already: everything: they deploy\n")
    assert swarm("lift").out == "lifted for everything\n"
    assert swarm("lift").out == "the kill switch was not on for everything\n"


def test_given_a_swarm_whose_switch_was_never_on_when_it_is_lifted_then_it_says_so(swarm: Swarm) -> None:
    swarm("swarm", "create", "never-killed")
    lifted = swarm("lift", "--swarm", "never-killed")
    assert lifted.out.startswith("the kill switch was not on for swarm ")


def test_given_the_switch_is_on_when_people_look_then_it_stands_first(swarm: Swarm) -> None:
    swarm("kill", "--reason", "they deploy")

    assert swarm("overview").out.startswith("KILLED: everything: they deploy (by operator")
    assert told(swarm("overview", "--json"))["killed"][0]["reason"] == "they deploy"


def test_given_the_switch_is_on_when_a_task_is_filed_then_that_is_refused_at_once_with_the_reason(
    swarm: Swarm,
) -> None:
    swarm("kill", "--reason", "they deploy")

    refused = swarm("task", "add", "echo no", code=1)

    assert "the kill switch is on: they deploy" in refused.err
    assert "agent-swarm lift" in refused.err


def test_given_json_when_the_switch_is_used_then_the_whole_answer_is_printed(swarm: Swarm) -> None:
    assert told(swarm("kill", "--json"))["status"] == "killed"
    lifted = told(swarm("lift", "--resume", "--json"))
    assert (lifted["status"], lifted["repeated"], lifted["resumed"]) == ("armed", False, 0)


def test_given_a_swarm_or_an_agent_that_is_not_there_when_it_is_killed_then_that_is_refused(swarm: Swarm) -> None:
    assert "no swarm has the id or name 'shop'" in swarm("kill", "--swarm", "shop", code=1).err
    assert swarm("kill", "--agent", "nobody", code=1).err
    assert swarm("kill", "--agent", "a", "--swarm", "b", code=2).err


def test_given_events_of_the_switch_when_they_are_watched_then_they_are_sentences(
    swarm: Swarm, server: dict[str, str]
) -> None:
    swarm("kill", "--reason", "they deploy")
    with started(server, "watch", "--after", "0", "--type", "killSwitch.*") as watching:
        assert watching.stdout is not None
        line = next(line for line in watching.stdout if "they deploy" in line)
        assert "KILLED everything: they deploy (0 attempts ended)" in line
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=20)
    assert "KILLED: everything" in errors
