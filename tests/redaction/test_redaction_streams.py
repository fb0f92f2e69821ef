"""However a text is cut, its secrets go as if it had come whole; and what comes in lines shows line by line."""

import base64
import itertools
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent_swarm.redaction import LIKELY, MARK, Redactor
from agent_swarm.redaction.shapes import FURTHEST, SHAPES

SECRET = "hunter2-and-3-for-me-42"
WITH_ALL_SIGNS = "correct horse/battery+staple=é'\"$"
REDACTOR = Redactor([SECRET, WITH_ALL_SIGNS, "aaaaaaaaaaaa"])
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI\n-----END EC PRIVATE KEY-----"

# What texts are made of: secrets, halves of them, and what stands before and between them.
WHOLE = [*(shape.example for shape in SHAPES), SECRET, WITH_ALL_SIGNS, KEY, "a" * 14]
ENCODED = [
    base64.b64encode(b"x" * places + secret.encode() + b"yz").decode()
    for places in range(3)
    for secret in (SECRET, WITH_ALL_SIGNS)
]
BETWEEN = [" ", "x", "_", "\n", "@", ":", ".", "-", "sk-", "eyJ", "://", "bearer ", "authorization: ", "-----BEGIN "]
PARTS = st.one_of(
    st.sampled_from([*WHOLE, *ENCODED, SECRET.encode().hex()]),
    st.sampled_from(BETWEEN),
    st.builds(
        lambda text, start, size: text[start : start + size],
        st.sampled_from([*WHOLE, *ENCODED]),
        st.integers(0, 40),
        st.integers(1, 20),
    ),
)


def streamed(pieces: list[str], redactor: Redactor = REDACTOR) -> str:
    stream = redactor.stream()
    return "".join(stream.feed(piece) for piece in pieces) + stream.end()


def cut(text: str, places: list[int]) -> list[str]:
    borders = sorted({min(place, len(text)) for place in (0, *places, len(text))})
    return [text[start:end] for start, end in itertools.pairwise(borders)]


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(st.lists(PARTS, max_size=6).map("".join), st.lists(st.integers(0, 300), max_size=8))
@example("xsk-ant-api03-" + "a1B2" * 8, [1])
@example("key " + SECRET, list(range(40)))
def test_given_any_text_when_it_is_cut_anywhere_then_it_is_redacted_as_if_it_had_come_whole(
    text: str, places: list[int]
) -> None:
    whole = REDACTOR.text(text)

    assert streamed(cut(text, places)) == whole
    assert streamed(list(text)) == whole


@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 100, 5_000])
def test_given_a_token_without_an_end_when_it_streams_then_little_is_held_back_and_nothing_of_it_shows(
    size: int,
) -> None:
    text = "key sk-ant-" + "a1B2" * 10_000 + " done"
    stream, out, held = REDACTOR.stream(), "", 0
    for start in range(0, len(text), size):
        out += stream.feed(text[start : start + size])
        held = max(held, len(stream._held))

    assert out + stream.end() == f"key {MARK} done"
    assert held <= FURTHEST + size + 20


def test_given_a_private_key_in_lines_when_it_streams_then_all_of_it_goes_and_the_next_line_stays() -> None:
    stream = REDACTOR.stream()
    lines = ["before", *KEY.split("\n"), "after it"]

    assert [stream.feed(line) + stream.breathe() for line in lines] == ["before", MARK, "", "", "after it"]


def shown_line_by_line(pieces: list[str], redactor: Redactor) -> str:
    """As a transcript shows what an agent prints: what is probably no secret is not held back."""
    stream = redactor.stream()
    return "".join(stream.feed(piece) + stream.breathe() for piece in pieces) + stream.rest()


@settings(deadline=None)
@given(
    st.text("hunter2-a 4", max_size=30), st.text("hunter2-a 4", max_size=30), st.lists(st.integers(0, 90), max_size=6)
)
def test_given_a_secret_cut_anywhere_when_the_lines_are_shown_then_no_longer_part_of_it_is(
    before: str, after: str, places: list[int]
) -> None:
    out = shown_line_by_line(cut(before + SECRET + after, places), Redactor([SECRET]))

    for start in range(len(SECRET) - LIKELY):
        part = SECRET[start : start + LIKELY + 1]
        assert part not in out or part in before or part in after


@settings(deadline=None)
@given(st.lists(st.text("abcdefgh \n", max_size=20), max_size=10))
def test_given_ordinary_text_when_it_comes_in_lines_then_each_is_shown_at_once(pieces: list[str]) -> None:
    stream = Redactor([SECRET]).stream()

    assert [stream.feed(piece) + stream.breathe() for piece in pieces] == pieces
    assert stream.rest() == ""


@pytest.mark.parametrize("line", ["listening on http://127.0.0.1:8080", "needs authorization: yes", "token bearer"])
def test_given_a_line_that_ends_like_a_credential_begins_when_it_is_shown_then_it_is_not_held_back(line: str) -> None:
    stream = REDACTOR.stream()

    assert [stream.feed(text) + stream.breathe() for text in (line, "ada@example.com")] == [line, "ada@example.com"]


def test_given_a_token_at_the_beginning_of_a_line_when_the_line_before_ends_in_a_word_then_it_is_seen() -> None:
    token = "ghp_" + "a1B2" * 9
    assert shown_line_by_line(["so", f"{token} x"], REDACTOR) == f"so{MARK} x"
    assert shown_line_by_line(["a long", f"{token} x"], REDACTOR) == f"a long{MARK} x"


def test_given_the_beginning_of_a_secret_when_nothing_more_comes_then_it_does_not_show() -> None:
    assert shown_line_by_line(["key is ", SECRET[:12]], Redactor([SECRET])) == f"key is {MARK}"


def test_given_what_looked_like_a_secret_when_it_goes_on_otherwise_then_it_shows_completely() -> None:
    assert shown_line_by_line(["key is ", SECRET[:12], "-no"], Redactor([SECRET])) == f"key is {SECRET[:12]}-no"


def test_given_encoded_output_broken_into_lines_when_they_are_shown_then_the_secret_is_gone() -> None:
    noise = random.Random(1).randbytes(50)
    wrapped = base64.encodebytes(noise + SECRET.encode() + noise).decode()
    assert "\n" in wrapped.strip()

    out = shown_line_by_line(wrapped.splitlines(), Redactor([SECRET]))

    assert MARK in out
    assert SECRET.encode() not in base64.b64decode(out.replace(MARK, "") + "==")
