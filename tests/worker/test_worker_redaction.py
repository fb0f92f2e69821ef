"""Secrets do not get through, whole or in pieces."""

import itertools
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent_swarm.worker.redaction import LIKELY, REPLACEMENT, Redactor, SplitGuard

SECRET = "hunter2-and-3-for-me-42"
SHAPED = [
    "sk-ant-api03-" + "a1B2" * 8,
    "sk-proj-" + "a1B2" * 10,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2" * 9,
    "xoxb-12345678901-abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "asw_attempt_0123456789ab_" + "a1B2" * 10,
]


@pytest.mark.parametrize("secret", [SECRET, *SHAPED])
def test_given_a_secret_when_it_stands_in_a_text_then_it_is_replaced(secret: str) -> None:
    assert Redactor([SECRET]).text(f"key={secret}, next") == f"key={REPLACEMENT}, next"


def test_given_a_value_when_secrets_are_in_keys_and_depths_then_all_are_replaced() -> None:
    value = {"a": [{SECRET: 1}, f"x{SECRET}"], "n": 3, "t": None}
    assert Redactor([SECRET]).value(value) == {"a": [{REPLACEMENT: 1}, f"x{REPLACEMENT}"], "n": 3, "t": None}


def test_given_a_secret_with_quotes_when_it_is_printed_as_json_then_it_is_found_all_the_same() -> None:
    secret = 'say "friend"\nand enter'
    assert secret not in Redactor([secret]).text(json.dumps({"key": secret}))
    assert "friend" not in Redactor([secret]).text(json.dumps({"key": secret}))


def test_given_a_password_in_a_url_when_it_is_printed_then_it_is_replaced() -> None:
    assert Redactor().text("clone https://me:pa55word@host/x") == f"clone https://{REPLACEMENT}@host/x"


def test_given_a_very_short_secret_when_it_is_known_then_ordinary_words_stay() -> None:
    assert Redactor(["abc"]).text("the abc of it") == "the abc of it"


def shown(pieces: list[str], redactor: Redactor) -> str:
    guard = SplitGuard(redactor)
    return "".join(guard.feed(piece) for piece in pieces) + guard.rest()


@given(
    st.text("hunter2-a 4", max_size=30), st.text("hunter2-a 4", max_size=30), st.lists(st.integers(0, 90), max_size=6)
)
def test_given_a_secret_cut_anywhere_when_the_pieces_are_shown_then_no_longer_part_of_it_is(
    before: str, after: str, cuts: list[int]
) -> None:
    text = before + SECRET + after
    borders = sorted({min(cut, len(text)) for cut in (0, *cuts, len(text))})
    pieces = [text[start:end] for start, end in itertools.pairwise(borders)]
    out = shown(pieces, Redactor([SECRET]))
    for start in range(len(SECRET) - LIKELY):
        part = SECRET[start : start + LIKELY + 1]
        assume(part not in before and part not in after)
        assert part not in out


@given(st.lists(st.text("abcdefgh \n", max_size=20), max_size=10))
def test_given_ordinary_text_when_it_comes_in_pieces_then_it_is_shown_as_it_is(pieces: list[str]) -> None:
    guard = SplitGuard(Redactor([SECRET]))
    assert [guard.feed(piece) for piece in pieces] == pieces
    assert guard.rest() == ""


def test_given_a_secret_that_repeats_itself_when_it_comes_in_one_piece_then_it_is_replaced() -> None:
    assert shown(["key hunter2-hunter2-hunter2"], Redactor(["hunter2-hunter2-hunter2"])) == f"key {REPLACEMENT}"


def test_given_the_beginning_of_a_secret_when_nothing_more_comes_then_it_does_not_show() -> None:
    assert shown(["key is ", SECRET[:12]], Redactor([SECRET])) == f"key is {REPLACEMENT}"


def test_given_what_looked_like_a_secret_when_it_goes_on_otherwise_then_it_shows_completely() -> None:
    assert shown(["key is ", SECRET[:12], "-no"], Redactor([SECRET])) == f"key is {SECRET[:12]}-no"
