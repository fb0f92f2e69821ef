"""Workflow files: what is taken, and how what is wrong is told."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.workflows.document import InputType, dumped
from agent_swarm.workflows.inputs import from_text, with_defaults
from agent_swarm.workflows.reading import read_workflow, workflow_of
from agent_swarm.workflows.schema import workflow_schema

HEAD = "name: w\nstages:\n"


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(InvalidInput) as refused:
        read_workflow(text)
    return [(one["line"], one["message"]) for one in refused.value.details["problems"]]


@pytest.mark.parametrize(
    ("stages", "line", "message"),
    [
        ("- {name: a, kind: noop, foo: 1}", 3, "is not known here"),
        ("- {name: a}", 3, "noop, shell, builtin or swarm"),
        ("- {name: 'a b', kind: noop}", 3, "String should match pattern"),
        ("- {kind: noop}", 3, "is missing"),
        ("- {name: a, kind: noop}\n- {name: a, kind: noop}", 4, "another stage has this name"),
        ("- {name: a, kind: noop, needs: [b]}", 3, "there is no stage 'b'"),
        ("- {name: a, kind: noop, needs: [b]}\n- {name: b, kind: noop, needs: [a]}", 3, "a -> b -> a"),
        ("- {name: a, kind: noop, if: '1 +'}", 3, "cannot be read"),
        ("- {name: a, kind: noop, if: inputs.x}", 3, "there is no input 'x'"),
        ("- {name: a, kind: noop, if: item}", 3, "in stages with foreach only"),
        ("- {name: a, kind: noop}\n- {name: b, kind: noop, if: stages.a.status}", 4, "put it into needs"),
        ("- {name: a, kind: noop}\n- {name: b, kind: noop, needs: [a], if: stages.a.x}", 4, "a stage has data, output"),
        ("- name: a\n  kind: shell\n  run: echo {{ inputs.x }}", 5, "a script has no templates"),
        ("- {name: a, kind: builtin, uses: note, with: {}}", 3, "text is missing"),
        ("- {name: a, kind: builtin, uses: note, with: {text: a, b: 1}}", 3, "b is not known here"),
        ("- {name: a, kind: swarm, prompt: 'a {{ b'}", 3, "is not closed"),
        ("- {name: a, kind: noop, name: b}", 3, "it stands there twice"),
        ("- {name: a, kind: noop, maxParallel: 0}", 3, "greater than or equal to 1"),
        (f"- {{name: a, kind: noop, foreach: {list(range(101))}}}", 3, "at most 100"),
        ("- !!python/object:os.system {name: a}", 3, ""),
    ],
)
def test_given_a_fault_when_a_file_is_read_then_its_line_and_what_was_expected_are_told(
    stages: str, line: int, message: str
) -> None:
    found = problems(HEAD + stages)
    assert any(at == line and message in said for at, said in found), found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "a: [",
        "name: w",
        "x: &a [*a]",
        "[" * 2000,
        "a: .nan",
        "name: w\n" + "#" * 300_000,
    ],
)
def test_given_what_is_no_workflow_when_read_then_it_is_refused_in_a_moment(text: str) -> None:
    assert problems(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80) | st.text(alphabet="ab:- \n[]{}\"'!&*<>|%@0.e_x", max_size=60))
def test_given_any_text_when_read_then_it_is_a_workflow_or_refused(text: str) -> None:
    with suppress(InvalidInput):
        read_workflow(text)


def test_given_names_that_stand_for_more_and_more_when_read_then_it_is_refused_before_all_of_it_is_made() -> None:
    bomb = "a: &a [1,1,1,1,1]\nb: &b [" + "*a," * 50 + "]\nc: &c [" + "*b," * 50 + "]\nd: [" + "*c," * 3 + "]"
    ((_, message),) = problems(bomb)
    assert "more than 20000 values" in message


def test_given_a_workflow_when_it_is_stored_and_read_again_then_it_is_the_same() -> None:
    text = (
        HEAD
        + "- {name: a, kind: noop, if: 'true', gate: {title: t}}\n- {name: b, kind: builtin, uses: format, with: {}}"
    )
    workflow = read_workflow(text)
    assert workflow_of(dumped(workflow)) == workflow


def test_given_words_that_yaml_takes_for_truth_when_read_then_they_are_words() -> None:
    workflow = read_workflow("name: w\ninputs: {x: {default: 'a', description: off}}\nstages: [{name: on, kind: noop}]")
    assert (workflow.stages[0].name, workflow.inputs["x"].description) == ("on", "off")


def test_given_the_schema_then_every_kind_of_stage_is_in_it_and_nothing_else_is_taken() -> None:
    schema = workflow_schema()
    kinds = schema["properties"]["stages"]["items"]["discriminator"]["mapping"]
    assert set(kinds) == {"noop", "shell", "builtin", "swarm"}
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("given", "message"),
    [({}, "is missing"), ({"n": "3"}, "is no number"), ({"n": 1, "x": 1}, "is not an input")],
)
def test_given_inputs_that_do_not_fit_when_a_run_is_to_start_then_it_is_said_which(
    given: dict[str, Any], message: str
) -> None:
    workflow = read_workflow("name: w\ninputs: {n: {type: number}}\nstages: [{name: a, kind: noop}]")
    with pytest.raises(InvalidInput, match=message):
        with_defaults(workflow, given)


def test_given_inputs_on_a_command_line_when_read_then_texts_stay_texts_and_the_rest_is_json() -> None:
    workflow = read_workflow(
        "name: w\ninputs: {t: {}, n: {type: number}, l: {type: list, default: [1]}}\nstages: [{name: a, kind: noop}]"
    )
    assert from_text(workflow.inputs["t"], "3") == "3"
    assert from_text(workflow.inputs["n"], "3") == 3
    assert with_defaults(workflow, {"t": "", "n": 0}) == {"t": "", "n": 0, "l": [1]}
    assert workflow.inputs["l"].type is InputType.LIST
