"""What the flags of `task add` and the file of `task graph` become."""

from collections.abc import Callable
from typing import Any

import click
import pytest
from tests.cli.conftest import Run
from tests.cli.recorded_server import RecordedServer, answer

from agent_swarm.cli.options import Duration, Labels, Moment, Priority
from agent_swarm.cli.task.add import requirements

ADA = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
BUILD = "0197a1c2-5b7e-7c3d-9e4f-aaaaaaaaaaaa"
TASK = {"id": BUILD, "title": "Build", "status": "pending"}

Add = Callable[..., Any]


@pytest.fixture
def add(run: Run, recorded_server: RecordedServer) -> Add:
    """Runs `task add` and answers the body that the server got."""

    def call(*arguments: str, stdin: str = "") -> Any:
        ended = run("--url", recorded_server.url, "task", "add", *arguments, stdin=stdin)
        assert ended.code == 0, ended.err
        return recorded_server.requests[-1].json()

    return call


def test_given_a_prompt_alone_then_nothing_else_is_sent(add: Add, recorded_server: RecordedServer) -> None:
    recorded_server.will(answer(TASK, 201))
    assert add("Build it") == {"prompt": "Build it"}


def test_given_every_flag_then_the_body_has_their_fields(add: Add, recorded_server: RecordedServer) -> None:
    recorded_server.will(answer(TASK, 201))
    sent = add(
        *("Build it", "--title", "Build", "--tags", "docs, ui", "-t", "web", "--priority", "urgent"),
        *("--needs", "gpu,harness.claude", "--needs", "sandbox.*", "--project", "shop", "--harness", "claude"),
        *("--model", "opus", "--depends-on", f"{BUILD}:skip", "--depends-on", ADA, "--agent", ADA, "--parent", BUILD),
        *("--timeout", "5m", "--start-at", "2026-11-20T18:00:00Z", "--max-attempts", "2", "--backlog"),
    )
    assert sent == {
        "prompt": "Build it",
        "title": "Build",
        "tags": ["docs", "ui", "web"],
        "requires": {"tags": ["gpu"], "capabilities": ["harness.claude", "sandbox.*"]},
        "priority": 100,
        "project": "shop",
        "harness": "claude",
        "model": "opus",
        "dependsOn": [{"task": BUILD, "onFailure": "skip"}, {"task": ADA, "onFailure": "fail"}],
        "agentId": ADA,
        "parentTaskId": BUILD,
        "timeoutSeconds": 300.0,
        "startAt": "2026-11-20T18:00:00.000Z",
        "maxAttempts": 2,
        "backlog": True,
    }


def test_given_the_lowest_priority_then_it_is_sent(add: Add, recorded_server: RecordedServer) -> None:
    recorded_server.will(answer(TASK, 201))
    assert add("Build it", "-p", "0")["priority"] == 0


def test_given_standard_input_then_it_is_the_prompt(add: Add, recorded_server: RecordedServer) -> None:
    recorded_server.will(answer(TASK, 201))
    assert add("--file", "-", stdin="Build\nit, ä\n") == {"prompt": "Build\nit, ä\n"}


def test_given_an_agents_name_then_its_id_is_sent(add: Add, recorded_server: RecordedServer) -> None:
    recorded_server.will(answer({"agents": [{"id": ADA, "name": "Ada"}]}), answer(TASK, 201))
    assert add("Build it", "--agent", "ada")["agentId"] == ADA


@pytest.mark.parametrize(
    ("needs", "tags", "capabilities"),
    [
        (["gpu", "repo:acme"], ["gpu", "repo:acme"], []),
        (["harness.codex", "role.lead", "host.linux", "tool.docker", "sandbox.**"], [], None),
        (["harness", "harnesses.x", "team.frontend"], ["harness", "harnesses.x", "team.frontend"], []),
    ],
)
def test_given_needs_then_capability_families_become_patterns_and_the_rest_tags(
    needs: list[str], tags: list[str], capabilities: list[str] | None
) -> None:
    found = requirements(needs)
    assert found.get("tags", []) == tags
    assert found.get("capabilities", []) == (needs if capabilities is None else capabilities)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give the prompt"),
        (("Build", "--file", "x"), "give the prompt"),
        (("  ",), "the prompt is empty"),
        (("Build", "--priority", "101"), "not a priority"),
        (("Build", "--priority", "soon"), "urgent, high, medium, low"),
        (("Build", "--timeout", "-3"), "not a time span"),
        (("Build", "--depends-on", f"{BUILD}:maybe"), "fail, skip, wait"),
        (("Build", "--start-at", "soonish"), "not a time"),
        (("Build", "--max-attempts", "0"), "max-attempts"),
        (("Build", "--what"), "No such option"),
    ],
)
def test_given_wrong_usage_then_it_says_what_is_expected_and_exits_2(
    arguments: tuple[str, ...], complaint: str, run: Run
) -> None:
    ended = run("task", "add", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert complaint in ended.err


def test_given_a_prompt_file_that_is_not_there_then_it_is_named_and_nothing_is_asked(run: Run) -> None:
    ended = run("task", "add", "--file", "nowhere.md")
    assert ended.code == 1
    assert ended.err.startswith("error: cannot read the prompt from nowhere.md: No such file")


def test_given_a_prompt_over_the_limit_then_its_size_is_told_before_anything_is_sent(run: Run) -> None:
    ended = run("task", "add", "--file", "-", stdin="x" * 1_000_001)
    assert ended.code == 1
    assert "1,000,001 bytes, at most 1,000,000" in ended.err


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400), ("5 m", 300)]
)
def test_given_a_span_then_it_is_seconds(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize(("text", "number"), [("urgent", 100), ("HIGH", 75), ("medium", 50), ("low", 25), ("7", 7)])
def test_given_a_priority_then_words_and_numbers_mean_the_same(text: str, number: int) -> None:
    assert Priority().convert(text, None, None) == number


def test_given_labels_then_spaces_and_empty_ones_go() -> None:
    assert Labels().convert(" a, b,,c ", None, None) == ("a", "b", "c")


def test_given_a_local_time_then_it_travels_in_utc() -> None:
    assert Moment().convert("2026-11-20T18:00:00+01:00", None, None) == "2026-11-20T17:00:00.000Z"
    assert Moment().convert("18:00", None, None).endswith(":00:00.000Z")
    with pytest.raises(click.BadParameter):
        Moment().convert("25:00", None, None)


def test_given_a_graph_then_its_tasks_are_filed_as_one_batch(run: Run, recorded_server: RecordedServer) -> None:
    recorded_server.will(answer({"tasks": [TASK], "refs": {"build": BUILD}}, 201))
    graph = '[{"ref": "build", "prompt": "Build"}, {"prompt": "Own", "project": "other"}]'
    ended = run("task", "graph", "-", "--project", "shop", "--url", recorded_server.url, stdin=graph)
    assert ended.code == 0, ended.err
    assert recorded_server.requests[0].path == "/api/tasks/batch"
    assert recorded_server.requests[0].json() == {
        "tasks": [{"project": "shop", "ref": "build", "prompt": "Build"}, {"project": "other", "prompt": "Own"}]
    }
    assert BUILD in ended.out
    assert "build" in ended.out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[{]", "not JSON: Expecting property name enclosed in double quotes in line 1, column 3"),
        ("{}", "holds no list of tasks"),
        ("[]", "holds no list of tasks"),
        ("[1]", "holds no list of tasks"),
    ],
)
def test_given_a_graph_file_that_is_none_then_it_says_where_and_shows_the_shape(
    content: str, complaint: str, run: Run
) -> None:
    ended = run("task", "graph", "-", stdin=content)
    assert ended.code == 1
    assert complaint in ended.err
    assert '"dependsOn": ["build"]' in ended.err


@pytest.mark.parametrize(
    ("action", "does"),
    [
        ("task:Test it: all", {"createTask": {"prompt": "Test it: all", "includeResults": True}}),
        ("message:filer:a: b", {"postMessage": {"text": "a: b", "filer": True}}),
        ("message:#ops:a", {"postMessage": {"text": "a", "channel": "ops"}}),
        ("message:ada:a", {"postMessage": {"text": "a", "to": ["ada"]}}),
        ("message:user:bob:a: b", {"postMessage": {"text": "a: b", "to": ["user:bob"]}}),
        ("webhook:https://h/x?a=b", {"webhook": {"url": "https://h/x?a=b", "secret": "ref:env://S"}}),
    ],
)
def test_given_what_follows_an_end_then_its_trigger_is_sent(
    add: Add, recorded_server: RecordedServer, action: str, does: Any
) -> None:
    recorded_server.will(answer(TASK, 201))
    secret = ("--webhook-secret", "ref:env://S") if "webhook" in does else ()
    sent = add("p", "--on", f"failed,cancelled={action}", *secret)
    assert sent["triggers"] == [{"on": ["failed", "cancelled"], "do": does}]


@pytest.mark.parametrize("action", ["message:user:bob", "message:user::a", "message:ada", "task: ", "mail:x", ""])
def test_given_an_action_that_is_not_whole_then_what_it_can_be_is_said(run: Run, action: str) -> None:
    ended = run("task", "add", "p", "--on", f"failed={action}")
    assert ended.code == 2
    assert "message:WHOM:TEXT" in ended.err
