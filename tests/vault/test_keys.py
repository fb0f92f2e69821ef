"""Master keys as people write them: what is understood, what is refused, and what an error tells."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.domain.errors import SecretUnreadable
from agent_swarm.vault.datakeys import unwrap
from agent_swarm.vault.keys import InvalidKey, MasterKey, new_key, parse_key
from agent_swarm.vault.sealing import Sealer, new_data_key

KEYS = st.binary(min_size=32, max_size=32)
SPACE = st.sampled_from(["", " ", "\n", "\r\n", "\t \n"])


@given(KEYS, SPACE, SPACE)
def test_given_a_key_in_any_of_its_spellings_when_parsed_then_it_is_that_key(
    raw: bytes, before: str, after: str
) -> None:
    spellings = (
        base64.b64encode(raw).decode(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        raw.hex(),
        raw.hex().upper(),
    )
    assert {parse_key(before + text + after).material for text in spellings} == {raw}


@given(st.binary(max_size=96).filter(lambda raw: len(raw) not in (32, 48)))
def test_given_base64_of_another_size_when_parsed_then_the_error_tells_the_size(raw: bytes) -> None:
    with pytest.raises(InvalidKey, match=rf"got {len(raw)} bytes after base64 decode, expected 32"):
        parse_key(base64.b64encode(raw).decode())


def test_given_39_bytes_when_parsed_then_the_message_is_the_one_people_search_for() -> None:
    with pytest.raises(InvalidKey) as caught:
        parse_key(base64.b64encode(bytes(39)).decode(), place="SECRETS_ENCRYPTION_KEY")
    assert caught.value.message == (
        "Invalid encryption key in SECRETS_ENCRYPTION_KEY: got 39 bytes after base64 decode, expected 32"
    )
    assert "openssl rand -base64 32" in caught.value.hint
    assert "openssl rand -hex 32" in caught.value.hint


@pytest.mark.parametrize("quote", ['"', "'"])
def test_given_a_key_in_quotes_when_parsed_then_the_error_names_them(quote: str) -> None:
    with pytest.raises(InvalidKey, match="character 1 of 46 is a quotation mark") as caught:
        parse_key(f"{quote}{base64.b64encode(bytes(32)).decode()}{quote}")
    assert "quotes" in caught.value.hint


@given(st.text("abcXYZ019+/-_='\" \n", min_size=12, max_size=80))
def test_given_any_text_when_refused_then_the_error_shows_nothing_of_it(text: str) -> None:
    refusal = refused(text)
    assert text.strip()[:12] not in f"{refusal.message} {refusal.hint}" if refusal else True


@given(st.text(max_size=80) | st.text("0123456789abcdefABCDEF٣² \u00a0", min_size=60, max_size=66))
def test_given_any_text_when_parsed_then_it_is_a_key_or_refused_and_nothing_breaks(text: str) -> None:
    refusal = refused(text)
    if refusal is None:
        assert parse_key(parse_key(text).text) == parse_key(text)
    else:
        assert refusal.hint


@given(st.text(max_size=120) | st.text("sealdwrp.v1k", max_size=40).map("sealed.v1.{}".format))
def test_given_any_text_in_the_place_of_a_sealed_one_when_it_is_opened_then_it_is_refused(text: str) -> None:
    data_key, master = new_data_key(), new_key()
    for open_it in (
        lambda: Sealer([data_key]).open(("config",), text),
        lambda: Sealer([data_key]).open(("config",), f"sealed.v1.{data_key.id}.{text}"),
        lambda: unwrap(data_key.id, text, master),
        lambda: unwrap(data_key.id, f"wrapped.v1.{master.id}.{text}", master),
    ):
        with pytest.raises(SecretUnreadable):
            open_it()


def refused(text: str) -> InvalidKey | None:
    try:
        parse_key(text)
    except InvalidKey as refusal:
        return refusal
    return None


def test_given_a_key_when_shown_then_nothing_of_it_is_seen() -> None:
    key = new_key(place="here")
    assert key.text not in repr(key)
    assert key.material.hex() not in repr(key)
    assert repr(key.material) not in repr(key)


@given(KEYS)
def test_given_a_key_when_written_and_read_again_then_it_is_the_same(raw: bytes) -> None:
    key = MasterKey(raw)
    assert parse_key(key.text).id == key.id
    assert key.wrapping not in (raw, bytes.fromhex(key.id))


def test_given_two_keys_then_their_ids_differ() -> None:
    assert len({MasterKey(secrets.token_bytes(32)).id for _ in range(50)}) == 50
