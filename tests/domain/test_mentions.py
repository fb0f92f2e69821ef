"""Who is meant by the @words of a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.domain.mentions import MOST, Named, Register, resolve, word_of, words_in

ADA = Named(id="ada-id", name="Ada", roles=("frontend", "worker"))
BOB = Named(id="bob-id", name="bob", roles=("frontend", "worker"))
TWIN = Named(id="twin-id", name="BOB", roles=("backend", "worker"))
REVIEWER = Named(id="rev-id", name="Code Reviewer", roles=("", "lead"))

WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=12)
PLAIN = st.text(st.characters(exclude_characters="@`~\\", exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@ada please look", ("ada",)),
        ("thanks, @Ada!", ("ada",)),
        ("(@ada), [@bob]; @code-reviewer: go", ("ada", "bob", "code-reviewer")),
        ("done @ada. Then @bob...", ("ada", "bob")),
        ("@ada @ADA @ada", ("ada",)),
        ("mail ada@example.org or ada+x@example.org", ()),
        ("see https://host/@ada", ()),
        ("@@ada and \\@ada", ()),
        ("run `@ada` and ``x ` @bob``", ()),
        ("```\n@ada\n```\n@bob", ("bob",)),
        ("~~~py\n@ada\n~~~", ()),
        ("```\n@ada is never closed", ()),
        ("an @ alone, and @. too", ()),
        ("@élan", ("élan",)),
    ],
)
def test_given_a_text_when_it_is_read_then_only_mentions_are_found(text: str, expected: tuple[str, ...]) -> None:
    assert words_in(text) == expected


@given(before=PLAIN, word=WORDS, after=PLAIN)
def test_given_a_mention_among_any_text_when_it_is_read_then_it_is_found(before: str, word: str, after: str) -> None:
    assert words_in(f"{before} @{word} {after}") == (word,)


@given(local=WORDS, word=WORDS, rest=PLAIN)
def test_given_an_address_when_it_is_read_then_it_is_no_mention(local: str, word: str, rest: str) -> None:
    assert words_in(f"{local}@{word} {rest}") == ()


@given(inside=PLAIN, word=WORDS)
def test_given_a_code_block_when_it_is_read_then_nothing_in_it_is_a_mention(inside: str, word: str) -> None:
    assert words_in(f"before\n```\n{inside} @{word}\n```\nafter") == ()


@given(st.text(max_size=300))
def test_given_any_text_when_it_is_read_then_words_are_bounded_and_written_as_they_are_looked_up(text: str) -> None:
    words = words_in(text)

    assert len(words) <= MOST
    assert all(word == word.lower() and not word.endswith((".", "-")) for word in words)


@given(st.text(min_size=1, max_size=60))
def test_given_any_name_when_it_is_written_as_a_word_then_that_word_is_written_the_same(name: str) -> None:
    assert word_of(word_of(name)) == word_of(name)


def test_given_names_roles_and_all_when_they_are_resolved_then_each_means_whom_it_says() -> None:
    found = resolve(("ada", "backend", "code-reviewer", "all"), Register.of([ADA, BOB, TWIN, REVIEWER]))

    assert found.agents == {"ada-id", "twin-id", "rev-id"}
    assert found.is_all
    assert found.unknown == found.ambiguous == ()


def test_given_a_name_of_two_and_one_of_nobody_when_they_are_resolved_then_both_are_told_and_reach_nobody() -> None:
    found = resolve(("bob", "nobody"), Register.of([BOB, TWIN]))

    assert found.agents == frozenset()
    assert (found.ambiguous, found.unknown) == (("bob",), ("nobody",))


def test_given_a_role_that_is_also_a_name_when_it_is_resolved_then_the_name_counts() -> None:
    named = Named(id="f-id", name="frontend")

    assert resolve(("frontend",), Register.of([ADA, BOB, named])).agents == {"f-id"}
