"""Schemas of results: what is taken, what is refused and where, and that no check costs more than it may."""

import time
from typing import Any

import pytest

from agent_swarm.domain.errors import InvalidInput, ResultMismatch
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.protocol import pool as wire
from agent_swarm.services import result_schemas
from agent_swarm.services.result_schemas import BYTES, DEPTH, asked_of_agents, checked, problems, require_usable

ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["answer"],
    "properties": {"answer": {"type": "integer"}, "why": {"type": "string", "pattern": "^[a-z ]+$"}},
    "additionalProperties": False,
}
TASK = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


def doubling(times: int) -> dict[str, Any]:
    """Small as text, and large as soon as what it refers to stands in place."""
    steps: dict[str, Any] = {"s0": {"type": "object"}}
    for number in range(times):
        steps[f"s{number + 1}"] = {"allOf": [{"$ref": f"#/$defs/s{number}"}, {"$ref": f"#/$defs/s{number}"}]}
    return {"$defs": steps, "$ref": f"#/$defs/s{times}"}


def said(text: str, data: Any = None) -> wire.Complete:
    return wire.Complete(task_id=TASK, fence=1, text=text, data=data)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        ANSWER,
        {"$schema": result_schemas.DIALECT, "type": ["object", "null"]},
        {"$defs": {"name": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/name"}}},
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}},
        deep(DEPTH - 1),
        doubling(5),
    ],
    ids=["empty", "plain", "dialect", "reference", "odd names", "deep", "doubling"],
)
def test_given_a_schema_that_can_be_used_when_it_is_looked_at_then_it_is_taken(schema: dict[str, Any]) -> None:
    require_usable(schema, field="resultSchema")


@pytest.mark.parametrize(
    ("schema", "where", "problem"),
    [
        ({"properties": {"a": {"type": "strong"}}}, "/properties/a/type", "not valid"),
        ({"type": "array"}, "/type", "a result is an object"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema", "another dialect"),
        ({"properties": {"a": {"$ref": "https://example.org/a.json"}}}, "/properties/a/$ref", "outside of this schema"),
        ({"$ref": "other.json"}, "/$ref", "outside of this schema"),
        ({"$ref": "#/$defs/a"}, "/$ref", "names nothing"),
        ({"properties": {"a": {"$ref": "#"}}}, "/properties/a/$ref", "refers to itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "/$defs/a/$ref", "refers to itself"),
        ({"$id": "https://example.org/x", "type": "object"}, "/$id", "not by names"),
        ({"properties": {"a": {"$anchor": "a"}}}, "/properties/a/$anchor", "not by names"),
        (deep(DEPTH + 1), "/not" * (DEPTH + 1), "deeper"),
        ({"description": "x" * BYTES}, "", "bytes"),
        ({"properties": {"a": {"pattern": "("}}}, "/properties/a/pattern", "regex"),
        ({"properties": {"a": {"pattern": r"(a)\1"}}}, "/properties/a/pattern", "regex"),
    ],
)
def test_given_a_schema_that_cannot_be_used_when_it_is_looked_at_then_the_place_is_named(
    schema: dict[str, Any], where: str, problem: str
) -> None:
    with pytest.raises(InvalidInput, match=problem) as refused:
        require_usable(schema, field="resultSchema")
    assert refused.value.details["field"] == "resultSchema"
    assert str(refused.value.details["where"]).startswith(where)


def test_given_a_schema_that_grows_without_end_when_it_is_looked_at_then_it_is_refused_at_once() -> None:
    began = time.process_time()
    with pytest.raises(InvalidInput, match="parts"):
        require_usable(doubling(15), field="resultSchema")
    assert time.process_time() - began < 5


def test_given_a_result_that_matches_when_it_is_checked_then_nothing_is_wrong() -> None:
    assert problems(ANSWER, {"answer": 42, "why": "because"}) == []


def test_given_a_result_that_does_not_match_when_it_is_checked_then_each_place_is_named_and_no_value_told() -> None:
    found = problems(ANSWER, {"answer": "sk-secret", "why": "Because of sk-secret", "more": 1})
    assert [one.partition(":")[0] for one in found] == ["data", "data/answer", "data/why"] or len(found) == 3
    assert "sk-secret" not in " ".join(found)


def test_given_a_pattern_that_blows_up_elsewhere_when_it_meets_its_text_then_it_is_told_at_once() -> None:
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    require_usable(schema, field="resultSchema")
    began = time.process_time()
    assert problems(schema, {"a": "a" * 100_000 + "!"})
    assert time.process_time() - began < 2


def test_given_a_result_that_is_too_much_to_check_when_it_is_checked_then_that_is_said_at_once() -> None:
    began = time.process_time()
    [problem] = problems(doubling(6), {"many": [0] * 100_000})
    assert "can be checked" in problem
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("told", "is_stated"),
    [
        (said("done", {"answer": 1}), True),
        (said("done", {"answer": 1}), False),
        (said('{"answer": 1}'), False),
        (said('```json\n{"answer": 1}\n```'), False),
        (said("done", {"output": {"answer": 1}, "permissionDenials": []}), False),
    ],
    ids=["stated", "structured", "spoken", "fenced", "of the agent CLI"],
)
def test_given_a_result_in_any_form_when_the_run_ends_then_it_is_found_and_kept_as_data(
    told: wire.Complete, is_stated: bool
) -> None:
    ended = checked(told, ANSWER, is_stated=is_stated)
    assert isinstance(ended, wire.Complete)
    assert ended.data == {"answer": 1}


@pytest.mark.parametrize(
    ("told", "is_stated"),
    [
        (said("done"), False),
        (said("[1]"), False),
        (said('{"answer": "1"}'), False),
        (said('{"answer": 1}', {"answer": "1"}), True),
        (said('{"answer": 1}'), True),
        (said("[" * 100_000), False),
    ],
    ids=["none", "a list", "another type", "stated otherwise", "stated without data", "deep"],
)
def test_given_a_result_that_does_not_match_when_the_run_ends_then_it_is_a_failure_of_the_agent(
    told: wire.Complete, is_stated: bool
) -> None:
    ended = checked(told, ANSWER, is_stated=is_stated)
    assert isinstance(ended, wire.Fail)
    assert (ended.failure, ended.code) == (FailureClass.AGENT, "resultSchema")
    assert "not what the task asks for" in ended.message


def test_given_a_mismatch_when_it_is_raised_then_the_problems_are_in_the_details() -> None:
    with pytest.raises(ResultMismatch) as refused:
        result_schemas.require_match(ANSWER, {})
    assert len(refused.value.details["problems"]) == 1


def test_given_a_schema_when_agents_are_asked_for_it_then_every_line_is_a_comment() -> None:
    schema = {"description": "first\nsecond"}
    assert all(line.startswith("# ") for line in asked_of_agents(schema).splitlines())
