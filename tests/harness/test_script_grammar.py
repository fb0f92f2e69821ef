"""The language of the script agent."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.harness import script_grammar
from agent_swarm.harness.script_grammar import FORMS, ScriptError, Step, parse
from agent_swarm.harness.script_steps import Steps


@pytest.mark.parametrize(
    ("text", "verb", "arguments"),
    [
        ("say hello  world", "say", {"text": "hello  world"}),
        ("say <<END\none\n  two\nEND", "say", {"text": "one\n  two"}),
        ("say a << b", "say", {"text": "a << b"}),
        ("run make test && echo ok", "run", {"text": "make test && echo ok"}),
        ("run <<DONE\nset -e\nmake\nDONE", "run", {"text": "set -e\nmake"}),
        ("try run false", "try run", {"text": "false"}),
        ("write src/a.txt <<END\none\n\ntwo\nEND", "write", {"path": "src/a.txt", "text": "one\n\ntwo\n"}),
        ("write with blank.txt <<END\nEND", "write", {"path": "with blank.txt", "text": ""}),
        ("append a.txt <<X\nEND\nX", "append", {"path": "a.txt", "text": "END\n"}),
        ("commit Fix the build", "commit", {"text": "Fix the build"}),
        ("progress halfway", "progress", {"text": "halfway"}),
        ("progress 50% halfway", "progress", {"text": "halfway", "percent": 50}),
        ("progress 100%", "progress", {"text": "", "percent": 100}),
        ("usage input=10 output=2", "usage", {"inputTokens": 10, "outputTokens": 2}),
        (
            "usage model=m output=2 cost=0.01 input=0",
            "usage",
            {"inputTokens": 0, "outputTokens": 2, "costUsd": 0.01, "model": "m"},
        ),
        ("sleep 0.5", "sleep", {"seconds": 0.5}),
        ("wait-for go", "wait-for", {"path": "go"}),
        ("fail no luck", "fail", {"failure": "agent", "text": "no luck"}),
        ("fail policy not allowed", "fail", {"failure": "policy", "text": "not allowed"}),
        ("fail-until-attempt 3 not yet", "fail-until-attempt", {"attempt": 3, "text": "not yet"}),
        ('create-task {"prompt": "x"}', "create-task", {"task": {"prompt": "x"}}),
        ('create-task <<END\n{"prompt":\n "x"}\nEND', "create-task", {"task": {"prompt": "x"}}),
        ('create-tasks [{"prompt": "x"}]', "create-tasks", {"tasks": [{"prompt": "x"}]}),
        ("create-tasks <<END\n[\n]\nEND", "create-tasks", {"tasks": []}),
        ("result 42", "result", {"text": "42"}),
    ],
)
def test_given_a_step_as_documented_when_it_is_parsed_then_its_arguments_are_typed(
    text: str, verb: str, arguments: dict[str, object]
) -> None:
    assert parse(text) == [Step(1, verb, arguments)]


def test_given_blank_lines_comments_and_indents_when_a_script_is_parsed_then_steps_keep_their_line_numbers() -> None:
    steps = parse("# a plan\n\n   say one\r\nwrite a <<END\n# not a comment\nEND\n\t\n  # done\nsay two\n")
    assert [(step.line, step.verb) for step in steps] == [(3, "say"), (4, "write"), (9, "say")]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("say one\nsya two", "line 2: unknown step 'sya'; expected one of: say, run, try run, "),
        ("try make", "line 1: unknown step 'try'"),
        ("say", "line 1: cannot read 'say' (text is missing); expected: say TEXT"),
        ("say one <<END\ntwo\nEND", "line 1: cannot read 'say one <<END' (text on the line and below it)"),
        (
            "\nwrite a.txt <<END\nno end",
            "line 2: 'write a.txt <<END' has no end; expected a line further down that is only END",
        ),
        ("write a.txt", "expected: write PATH <<END"),
        ("write <<END\nEND", "expected: write PATH <<END"),
        (
            "sleep soon",
            "line 1: cannot read 'sleep soon' (could not convert string to float: 'soon'); expected: sleep SECONDS",
        ),
        ("sleep -1", "'-1' is not an amount"),
        ("sleep inf", "'inf' is not an amount"),
        ("progress 101% done", "(more than 100%); expected: progress [N%] TEXT"),
        ("usage input=1", "('' is not a count); expected: usage input=N output=N"),
        ("usage input=1 output=1 price=2", "(unknown: price)"),
        ("usage lots", "('lots' has no =)"),
        ("fail-until-attempt soon not yet", "expected: fail-until-attempt N MESSAGE"),
        ("fail policy", "text is missing"),
        ("create-task {", "expected: create-task JSON, or create-task <<END"),
        ("create-task []", "[] is not a JSON object"),
        ("create-tasks {}", "not a JSON array"),
        ("create-tasks [1]", "1 is not a JSON object"),
        ("wait-for", "a file is missing"),
    ],
)
def test_given_a_line_that_is_no_step_when_it_is_parsed_then_the_error_names_line_finding_and_expectation(
    script: str, message: str
) -> None:
    with pytest.raises(ScriptError, match=re.escape(message)):
        parse(script)


@given(st.text())
def test_given_any_text_when_it_is_parsed_then_it_is_a_script_or_a_script_error(text: str) -> None:
    with suppress(ScriptError):
        parse(text)


@pytest.mark.parametrize("verb", FORMS)
def test_given_a_verb_of_the_grammar_when_the_agent_is_asked_for_it_then_it_can_do_it_and_it_is_documented(
    verb: str,
) -> None:
    assert hasattr(Steps, "_" + verb.replace("-", "_").replace(" ", "_"))
    assert re.search(rf"^    {verb} [A-Z\[i]", script_grammar.__doc__ or "", re.MULTILINE)
