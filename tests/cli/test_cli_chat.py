"""`agent-swarm chat` and `task steer` against a real server, with agents that are known and away."""

import json
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Ended, Run, caller, started
from tests.cli.recorded_server import RecordedServer, answer

from agent_swarm.cli.address import locate
from agent_swarm.cli.client import Client
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import TEXT_BYTES

pytestmark = pytest.mark.slow

Swarm = Callable[..., Ended]


@pytest.fixture
def swarm(server: dict[str, str], tmp_path: Path) -> Swarm:
    """`swarm("chat", "read")`: the program as a process, to its end."""
    return caller(server, tmp_path)


@pytest.fixture
def hire(server: dict[str, str]) -> Callable[[str], str]:
    """Makes an agent of this name known; answers its id."""

    def make(name: str) -> str:
        agent_id = new_id()
        body = {"agent_id": agent_id, "instance_id": new_id(), "name": name}
        Client(locate(environ=server)).post("/v1/pool/register", body)
        return agent_id

    return make


def told(swarm: Swarm, *arguments: str) -> Any:
    return json.loads(swarm("chat", *arguments, "--json").out)


def test_given_agents_when_they_are_written_to_by_name_and_id_then_both_have_it_and_it_can_be_read(
    swarm: Swarm, hire: Callable[[str], str]
) -> None:
    ada, bob = hire("Ada Lovelace"), hire("bob")

    posted = told(swarm, "send", "ada-lovelace", bob, "how far are you?")

    assert posted["to"] == [f"agent:{ada}", f"agent:{bob}"]
    shown = swarm("chat", "read", "--agent", bob).out
    assert f"{posted['id'][-8:]}  operator → agent {ada[-8:]}, agent {bob[-8:]}" in shown
    assert "    how far are you?" in shown
    assert [one["id"] for one in told(swarm, "read", "--agent", "bob")["messages"]] == [posted["id"]]


def test_given_a_channel_when_people_use_it_then_members_come_and_go_and_it_has_what_was_said_there(
    swarm: Swarm, hire: Callable[[str], str]
) -> None:
    eve, may = hire("eve"), hire("may")
    assert swarm("chat", "create", "build", "eve", "--about", "the state of the build").out == "#build\n"
    assert "#build" in swarm("chat", "channels").out
    swarm("chat", "channels", "#build", "--join", "may")
    assert {one["member"] for one in told(swarm, "channels", "build")["members"]} == {f"agent:{eve}", f"agent:{may}"}
    assert f"agent:{eve}" not in swarm("chat", "channels", "build", "--leave", "eve").out

    sent = swarm("chat", "send", "#build", "@eve @nobody the build is red")

    assert "for 2 recipients" in sent.out
    assert "@nobody reaches nobody: nobody is called that" in sent.err
    (message,) = told(swarm, "read", "--channel", "#build", "--limit", "10")["messages"]
    assert (message["text"], message["mentions"]) == ("@eve @nobody the build is red", [eve])
    assert "#build" in swarm("chat", "read", "--channel", "build").out


def test_given_a_message_when_it_is_answered_by_a_part_of_its_id_then_the_answer_goes_where_it_came_from(
    swarm: Swarm, hire: Callable[[str], str]
) -> None:
    hire("zoe")
    asked = told(swarm, "send", "zoe", "when?")

    answers = [told(swarm, "send", "--reply", part, "well?") for part in (asked["id"][-10:], asked["id"])]

    assert [(one["replyTo"], one["to"]) for one in answers] == [(asked["id"], asked["to"])] * 2


def test_given_standard_input_when_it_is_the_text_then_all_of_it_is_said_and_too_much_is_refused(swarm: Swarm) -> None:
    posted = json.loads(swarm("chat", "send", "all", "-", "--json", stdin="one\ntwo\n").out)

    assert (posted["kind"], posted["text"]) == ("broadcast", "one\ntwo\n")
    refused = swarm("chat", "send", "all", "-", stdin="x" * (TEXT_BYTES + 1), code=1)
    assert "at most 65,536 are taken" in refused.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("send", "hello"), "say to whom"),
        (("send", "all", "ada", "hello"), "`all` stands alone"),
        (("send", "#build", "ada", "hello"), "one channel, or to agents"),
        (("read", "--channel", "x", "--task", "y"), "give one of --agent, --channel and --task"),
        (("channels", "--join", "ada"), "say which channel"),
    ],
)
def test_given_a_command_that_says_too_little_or_too_much_when_it_runs_then_it_says_what_it_wants(
    swarm: Swarm, arguments: tuple[str, ...], expected: str
) -> None:
    assert expected in swarm("chat", *arguments, code=2).err


def test_given_nobody_of_a_name_when_one_is_written_to_then_the_error_says_how_to_see_who_there_is(
    swarm: Swarm,
) -> None:
    refused = swarm("chat", "send", "nobody-at-all", "hello", code=1)

    assert "names agent 'nobody-at-all', which does not exist" in refused.err
    assert "agent-swarm agent list" in refused.err


def test_given_a_task_when_it_is_steered_then_the_message_waits_for_whoever_takes_it_up(swarm: Swarm) -> None:
    task_id = swarm("task", "add", "-q", "to be steered").out.strip()

    posted = json.loads(swarm("task", "steer", task_id[-8:], "use tabs", "--interrupt", "--json").out)

    assert (posted["to"], posted["interrupt"]) == ([f"task:{task_id}"], True)
    (message,) = told(swarm, "read", "--task", task_id[-8:])["messages"]
    assert message["id"] == posted["id"]
    assert f"→ task {task_id[-8:]}" in swarm("chat", "read", "--task", task_id).out
    swarm("task", "cancel", task_id)
    assert "cancelled" in swarm("task", "steer", task_id, "too late", code=1).err


def test_given_what_is_said_while_somebody_watches_then_it_is_printed_as_it_is_said_and_no_other(
    swarm: Swarm, server: dict[str, str]
) -> None:
    swarm("chat", "create", "watched")
    client = Client(locate(environ=server))
    with started(server, "chat", "watch", "--channel", "watched", "--json") as watching:
        assert watching.stdout is not None
        for _ in range(200):  # until it listens
            client.post("/api/messages", {"broadcast": True, "text": "not this"})
            client.post("/api/messages", {"channel": "watched", "text": "this"})
            if select.select([watching.stdout], [], [], 0.1)[0]:
                break
        line = json.loads(watching.stdout.readline())

    assert (line["channel"], line["text"], line["deliveries"]) == ("watched", "this", [])


def test_given_unread_messages_when_they_are_printed_then_they_are_marked_as_read(
    run: Run, recorded_server: RecordedServer
) -> None:
    message = {"id": new_id(), "senderName": "ada", "kind": "direct", "to": ["operator"], "taskId": None}
    page = {"messages": [{**message, "postedAt": "2026-11-20T18:00:00Z", "text": "it is done"}], "nextCursor": None}
    recorded_server.will(answer(page), answer({"read": 1}))

    done = run("chat", "read", "--unread", env={"AGENT_SWARM_URL": recorded_server.url, "API_KEY": "k"})

    assert done.code == 0, done.err
    assert "it is done" in done.out
    asked, marked = recorded_server.requests
    assert "unread=true" in asked.path
    assert (marked.method, marked.path, json.loads(marked.body)) == (
        "POST",
        "/api/messages/read",
        {"ids": [message["id"]]},
    )
