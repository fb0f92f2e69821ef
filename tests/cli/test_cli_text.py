"""Text for people, above all the text that agents wrote."""

from datetime import UTC, datetime
from typing import Any

import click
import pytest

from agent_swarm.cli import event_text, log_text, text
from agent_swarm.cli.transcript_text import lines_of
from agent_swarm.protocol.events import EVENT_TYPES

ADA = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\x08", "\u202e", "\u2066"])
def test_given_characters_that_steer_a_terminal_then_they_go(evil: str) -> None:
    shown = text.printable(f"before{evil}after\nnext\tcolumn")
    assert shown.startswith("before")
    assert shown.endswith("after\nnext\tcolumn")
    assert not set(evil) & {"\x1b", "\x9b", "\r", "\x07", "\x08", "\u202e", "\u2066"} & set(shown)


def test_given_columns_then_they_are_aligned_and_cells_stay_on_one_line() -> None:
    assert text.columns(("ID", "TITLE"), [("1", "two\nlines"), ("22", "")]) == [
        "ID  TITLE",
        "1   two lines",
        "22",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (42, "42 s"), (300, "5 min"), (7200, "2 h"), (400000, "5 d"), (-1, "0.0 s")],
)
def test_given_a_span_then_it_is_said_in_one_unit(seconds: float, said: str) -> None:
    assert text.span(seconds) == said


def test_given_instants_of_the_wire_then_age_and_duration_are_told() -> None:
    now = datetime(2026, 11, 20, 18, 0, 30, tzinfo=UTC)
    assert text.age("2026-11-20T18:00:00.000Z", now=now) == "30 s"
    assert text.lasted("2026-11-20T18:00:00.000Z", "2026-11-20T18:05:00.000Z") == "5 min"
    assert text.lasted(None, "2026-11-20T18:05:00.000Z") == ""


def test_given_a_long_text_then_one_line_of_it_is_cut_to_the_width() -> None:
    assert text.one_line("\n  first line \nsecond", 6) == "first…"
    assert text.one_line(None) == ""
    assert text.one_line("") == ""


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ('{"event": "started", "level": "info", "address": "x"}', "started address=x"),
        ('{"event": "lost", "level": "warning", "reason": "two words", "n": 1}', 'lost reason="two words" n=1'),
        ('{"event": "odd", "timestamp": "never"}', "odd"),
        ("Traceback\x1b[2J", "Traceback[2J"),
        ('{"no": "event"}', '{"no": "event"}'),
        ("{broken", "{broken"),
    ],
)
def test_given_a_log_line_of_ours_then_it_reads_like_words_and_any_other_is_left_alone(line: str, read: str) -> None:
    assert click.unstyle(log_text.readable(line)) == read


def sample(event_type: str, **data: Any) -> dict[str, Any]:
    return {
        "type": event_type,
        "at": "2026-11-20T18:00:00.000Z",
        "subject": {"kind": "task", "id": ADA},
        "taskId": ADA,
        "attempt": 2,
        "data": data,
    }


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_given_any_registered_event_without_data_then_it_has_a_line(event_type: str) -> None:
    assert event_type in event_text.line(sample(event_type), {})


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (sample("task.claimed", agentId=ADA, fence=2), "ada took it, attempt 2"),
        (sample("task.completed", agentId=ADA, commit="0123456789abcdef"), "ada completed it, commit 0123456789"),
        (sample("task.failed", reason="attempts", code="exitCode", message="3"), "failed: attempts: exitCode: 3"),
        (sample("task.cancelled", upstream=ADA), "cancelled: task 456789ab did not complete"),
        (sample("task.somethingNew", a=1), "a: 1"),
    ],
)
def test_given_an_event_then_its_sentence_says_who_and_why(event: dict[str, Any], said: str) -> None:
    assert event_text.sentence(event, {ADA: "ada"}) == said


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("text", {"text": "one\ntwo"}, ["one", "two"]),
        ("toolCall", {"name": "run", "input": {"command": "ls"}}, ['▸ run {"command": "ls"}']),
        ("toolResult", {"ok": False, "output": "no\x1b[0m"}, ["  ✗ no[0m"]),
        ("progress", {"text": "half", "percent": 50}, ["… half"]),
        ("log", {"stream": "stderr", "text": "oops"}, ["  stderr: oops"]),
        ("usage", {"inputTokens": 3, "outputTokens": 4, "costUsd": 0.01}, ["  3 tokens in, 4 out, 0.0100 USD"]),
        ("ended", {}, ["— ended"]),
        ("somethingNew", {"a": 1}, ['— somethingNew {"a": 1}']),
    ],
)
def test_given_a_transcript_line_then_it_reads_like_speech(kind: str, data: dict[str, Any], said: list[str]) -> None:
    assert [click.unstyle(line) for line in lines_of({"at": "", "kind": kind, "data": data})] == said


@pytest.mark.parametrize(
    ("event_type", "data", "said"),
    [
        ("message.delivered", {"recipient": f"agent:{ADA}", "messages": [1, 2]}, "ada is handed 2 messages"),
        ("message.acknowledged", {"recipient": "agent:unknown", "messages": [1]}, "agent unknown has 1 message"),
        ("message.posted", {"to": [f"agent:{ADA}", "operator"], "recipients": 2}, "said to ada, operator"),
        ("channel.joined", {"member": f"agent:{ADA}", "name": "build"}, "ada joined #build"),
    ],
)
def test_given_messages_when_they_are_told_of_then_agents_have_names(
    event_type: str, data: dict[str, Any], said: str
) -> None:
    assert event_text.sentence({"type": event_type, "data": data}, {ADA: "ada"}) == said
