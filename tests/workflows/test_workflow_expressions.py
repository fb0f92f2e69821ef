"""The language of workflows: what it computes, and that it always ends."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_swarm.workflows import expressions, templates
from agent_swarm.workflows.expressions import ExpressionError, MissingValue

LEVELS = "(" * 50 + "1" + ")" * 50
NAMES: dict[str, Any] = {"a": {"b": [1, {"c": "x"}], "d-e": True}, "t": "one\n\n two", "n": 3, "none": None}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b[1].c == 'x'", True),
        ("a['d-e'] and not (n < 3)", True),
        ("a.d-e", True),
        ("n >= 3 and n <= 3.0 and n != 4", True),
        ("1 == true", False),
        ("'ne' in t and 'q' not in t", True),
        ("n in [1, 2, 3]", True),
        ("contains(a, 'b')", True),
        ("length(lines(t))", 2),
        ("default(a.zzz.y, 'else')", "else"),
        ("default(none, 'else')", None),
        ("fromJson('[1]')", [1]),
        ("json(a.b[0])", "1"),
        ("null == none or false", True),
        ("not not n", True),
        ("-1.5", -1.5),
    ],
)
def test_given_an_expression_when_evaluated_then_it_is_what_it_says(text: str, value: Any) -> None:
    assert expressions.evaluate(expressions.parse(text), NAMES) == value


@pytest.mark.parametrize(
    "text",
    [
        LEVELS,
        "",
        "a b",
        "(a",
        "a.",
        "a[b]",
        "f(1)",
        "length()",
        "1 + 1",
        "__import__('os')",
        "a == ",
        "[1,",
        "'x",
        "a" * 1001,
    ],
)
def test_given_what_is_no_expression_when_read_then_it_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        expressions.parse(text)


@pytest.mark.parametrize("text", ["zzz", "a.b[7]", "a.b.c", "n.real", "t.upper", "a.__class__"])
def test_given_a_path_that_leads_nowhere_when_evaluated_then_it_says_what_is_there(text: str) -> None:
    with pytest.raises(MissingValue, match="there is no"):
        expressions.evaluate(expressions.parse(text), NAMES)


@pytest.mark.parametrize("text", ["n < 'x'", "length(3)", "3 in 4", "true < false", "fromJson('{')", "lines(3)"])
def test_given_values_that_do_not_go_together_when_evaluated_then_it_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        expressions.evaluate(expressions.parse(text), NAMES)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab.[]()'\"0 1,=<>!notandrilfue\n", max_size=60))
def test_given_any_text_when_taken_for_an_expression_then_it_has_a_value_or_is_refused(text: str) -> None:
    with suppress(ExpressionError):
        expressions.evaluate(expressions.parse(text), {"a": [1], "b": {"a": "x"}})


def test_given_a_text_that_is_one_expression_when_filled_in_then_its_type_stays() -> None:
    assert templates.render("{{ a.b[0] }}", NAMES) == 1
    assert templates.render({"x": ["{{ a['d-e'] }}", "n={{ n }}, {{ a.b }}"]}, NAMES) == {
        "x": [True, 'n=3, [1, {"c": "x"}]']
    }


@given(st.text(max_size=40))
def test_given_any_text_when_it_is_meant_literally_then_it_comes_out_as_it_is(text: str) -> None:
    if "}}" not in text:
        assert templates.render_text(templates.literally(text), {}) == text
