"""Sealed values open where they belong and nowhere else; wrapped keys open under their master key alone."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_swarm.domain.errors import SecretUnreadable
from agent_swarm.domain.sealed import data_key_of, master_key_of
from agent_swarm.vault.datakeys import unwrap, wrap
from agent_swarm.vault.keys import new_key
from agent_swarm.vault.sealing import Sealer, new_data_key

PLACE = ("config", "project", "0197a1c2-5b7e-7c3d-9e4f-0123456789ab", "TOKEN")
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
PARTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=5)

KEY = new_data_key()
SEALER = Sealer([KEY])
MASTER = new_key()


def changed_at(text: str, index: int, char: str) -> str:
    return text[:index] + char + text[index + 1 :]


@given(PARTS, VALUES)
def test_given_a_value_when_sealed_then_it_opens_where_it_belongs(identity: list[str], value: str) -> None:
    sealed = SEALER.seal(identity, value)
    assert data_key_of(sealed) == KEY.id
    assert SEALER.open(identity, sealed) == value


@given(PARTS, PARTS, VALUES)
def test_given_two_rows_when_their_values_are_swapped_then_neither_opens(
    one: list[str], other: list[str], value: str
) -> None:
    if one == other:
        return
    with pytest.raises(SecretUnreadable):
        SEALER.open(other, SEALER.seal(one, value))


def test_given_names_that_run_together_alike_when_swapped_then_they_do_not_open() -> None:
    with pytest.raises(SecretUnreadable):
        SEALER.open(("ab", "c"), SEALER.seal(("a", "bc"), "hunter2"))


def test_given_a_sealed_value_when_any_one_character_is_another_then_it_does_not_open() -> None:
    """The last one has bits that mean nothing: every other character of the alphabet is tried there."""
    sealed = SEALER.seal(PLACE, "hunter2")
    alphabet = string.ascii_letters + string.digits + "-_"
    for index in range(len(sealed)):
        is_last = index == len(sealed) - 1
        for char in {*"AQgwz09-_.=+/ s", *(alphabet if is_last else "")} - {sealed[index]}:
            with pytest.raises(SecretUnreadable):
                SEALER.open(PLACE, changed_at(sealed, index, char))


@settings(max_examples=200)
@given(st.data())
def test_given_a_sealed_value_when_cut_or_grown_then_it_does_not_open(data: st.DataObject) -> None:
    sealed = SEALER.seal(PLACE, "hunter2")
    length = data.draw(st.integers(0, len(sealed) - 1))
    grown = sealed + data.draw(st.text(min_size=1, max_size=3))
    for text in (sealed[:length], sealed[length + 1 :], grown):
        with pytest.raises(SecretUnreadable):
            SEALER.open(PLACE, text)


def test_given_the_same_value_when_sealed_twice_then_nobody_sees_that_it_is_the_same() -> None:
    assert SEALER.seal(PLACE, "hunter2") != SEALER.seal(PLACE, "hunter2")


def test_given_two_data_keys_when_sealing_then_the_newest_seals_and_both_open() -> None:
    newer = new_data_key()
    both = Sealer([KEY, newer])
    assert data_key_of(both.seal(PLACE, "new")) == newer.id == both.active
    assert both.open(PLACE, SEALER.seal(PLACE, "old")) == "old"
    with pytest.raises(SecretUnreadable, match=newer.id):
        SEALER.open(PLACE, both.seal(PLACE, "new"))


def test_given_a_value_under_one_key_when_its_key_id_is_another_then_it_does_not_open() -> None:
    newer = new_data_key()
    sealed = SEALER.seal(PLACE, "hunter2").replace(KEY.id, newer.id)
    with pytest.raises(SecretUnreadable):
        Sealer([KEY, newer]).open(PLACE, sealed)


def test_given_a_data_key_when_wrapped_then_its_master_key_opens_it_and_no_other_does() -> None:
    wrapped = wrap(KEY, MASTER)
    assert master_key_of(wrapped) == MASTER.id
    assert unwrap(KEY.id, wrapped, MASTER).material == KEY.material
    with pytest.raises(SecretUnreadable, match=MASTER.id):
        unwrap(KEY.id, wrapped, new_key())
    with pytest.raises(SecretUnreadable):
        unwrap(new_data_key().id, wrapped, MASTER)


def test_given_a_wrapped_data_key_when_any_one_character_is_another_then_it_does_not_open() -> None:
    wrapped = wrap(KEY, MASTER)
    for index in range(len(wrapped)):
        for char in set("AQgw09-_.") - {wrapped[index]}:
            with pytest.raises(SecretUnreadable):
                unwrap(KEY.id, changed_at(wrapped, index, char), MASTER)


def test_given_keys_and_sealers_when_shown_then_nothing_of_them_is_seen() -> None:
    shown = f"{KEY!r} {SEALER!r}"
    assert repr(KEY.material) not in shown
    assert KEY.material.hex() not in shown
