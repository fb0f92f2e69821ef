"""Splitting a stream into lines, and its tail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.sandbox.lines import LineSplitter, Tail


def split(chunks: list[bytes], limit: int = 1000) -> list[bytes]:
    splitter = LineSplitter(limit)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    rest = splitter.finish()
    return lines if rest is None else [*lines, rest]


@given(st.lists(st.binary(max_size=20).map(lambda chunk: chunk.replace(b"a", b"\n"))))
def test_given_any_stream_when_it_comes_in_any_chunks_then_its_lines_are_the_same(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    expected = whole.removesuffix(b"\n").split(b"\n") if whole else []
    assert split(chunks) == expected


@pytest.mark.parametrize("chunks", [[b"123456789\nnext\n"], [b"123", b"456789", b"", b"\nne", b"xt\n"]])
def test_given_a_line_over_the_limit_when_it_is_split_then_it_is_cut_and_says_so_and_the_next_is_whole(
    chunks: list[bytes],
) -> None:
    assert split(chunks, limit=4) == [b"1234 [cut: the line is longer than 4 bytes]", b"next"]


def test_given_a_line_of_exactly_the_limit_when_it_is_split_then_it_is_whole() -> None:
    assert split([b"1234\n"], limit=4) == [b"1234"]


def test_given_a_last_line_over_the_limit_when_the_stream_ends_then_it_is_cut_and_says_so() -> None:
    assert split([b"12345"], limit=4) == [b"1234 [cut: the line is longer than 4 bytes]"]


@given(st.lists(st.binary(max_size=20)), st.integers(min_value=4, max_value=30))
def test_given_any_bytes_when_their_tail_is_asked_for_then_it_is_the_end_of_them(
    chunks: list[bytes], limit: int
) -> None:
    tail = Tail(limit)
    for chunk in chunks:
        tail.feed(chunk)
    whole = b"".join(chunks)
    assert len(tail.text()) <= limit
    assert whole.decode(errors="replace").endswith(tail.text().lstrip("\ufffd"))


def test_given_a_tail_that_begins_inside_a_character_when_it_is_read_then_that_character_is_left_out() -> None:
    tail = Tail(4)
    tail.feed("xéaé".encode())
    assert tail.text() == "aé"
