"""Tokens of sessions: ours are read, and nothing else is, whatever it looks like."""

import base64
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_swarm.domain.errors import Unauthenticated
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.time import SECOND
from agent_swarm.services import jwts
from agent_swarm.services.jwts import SKEW, Claims, SigningKey, Use

NOW = 1_800_000_000 * SECOND
KEY = SigningKey(id=new_id(), secret=b"s" * 32)
CLAIMS = Claims(owner="user:ada", session_id=new_id(), epoch=0, issued_at=NOW, expires_at=NOW + 900 * SECOND)
TOKEN = jwts.issue(Use.ACCESS, CLAIMS, KEY)


def accepted(token: str, *, use: Use = Use.ACCESS, now: int = NOW, key: SigningKey = KEY) -> Claims | None:
    """What the token says; None where it does not count. Anything else that is raised fails the test."""
    try:
        if jwts.key_id_of(use, token) != key.id:
            return None
        return jwts.read(use, token, key, now=now)
    except Unauthenticated:
        return None


def with_header(**changed: Any) -> str:
    header = {"alg": "HS256", "typ": "at+jwt", "kid": KEY.id, **changed}
    body = jwt.decode(TOKEN, options={"verify_signature": False})
    extra = {name: value for name, value in header.items() if name != "alg"}
    if header["alg"] == "none":
        return jwt.encode(body, "", algorithm="none", headers=extra)
    return jwt.encode(body, KEY.secret, algorithm=header["alg"], headers=extra)


def with_body(**changed: Any) -> str:
    body = {**jwt.decode(TOKEN, options={"verify_signature": False}), **changed}
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, KEY.secret, algorithm="HS256", headers={"typ": "at+jwt", "kid": KEY.id})


def test_given_a_token_of_ours_when_it_is_read_then_it_says_what_was_put_in() -> None:
    assert accepted(TOKEN) == CLAIMS
    refresh = replace(CLAIMS, number=3)
    assert accepted(jwts.issue(Use.REFRESH, refresh, KEY), use=Use.REFRESH) == refresh


def test_given_a_token_for_one_use_when_it_is_shown_for_the_other_then_it_does_not_count() -> None:
    assert accepted(jwts.issue(Use.REFRESH, CLAIMS, KEY)) is None
    assert accepted(TOKEN, use=Use.REFRESH) is None


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS512"},
        {"typ": "JWT"},
        {"typ": "rt+jwt"},
        {"kid": "../../etc/passwd"},
        {"kid": 1},
        {"kid": None},
        {"jku": "https://example.com/keys"},
        {"jwk": {"kty": "oct", "k": "c3M"}},
        {"crit": ["exp"]},
        {"x5u": "https://example.com"},
    ],
)
def test_given_another_header_when_the_token_is_read_then_it_does_not_count(header: dict[str, Any]) -> None:
    if header.get("kid", "") is None or header.get("kid") == 1:  # the library does not write such a header
        token = f"{_part({'alg': 'HS256', 'typ': 'at+jwt', **header})}.{TOKEN.partition('.')[2]}"
    else:
        token = with_header(**header)
    assert accepted(token) is None


@pytest.mark.parametrize(
    "body",
    [
        {"aud": "somebody-else"},
        {"aud": None},
        {"aud": [Use.ACCESS.value, "x", 1]},
        {"iss": "somebody-else"},
        {"iss": None},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": 1e18},
        {"iat": None},
        {"epoch": None},
        {"epoch": -1},
        {"epoch": "0"},
        {"sid": None},
        {"sid": 1},
        {"sub": None},
        {"sub": ["user:ada"]},
        {"iat": NOW // SECOND + 60},
    ],
)
def test_given_other_claims_under_the_right_key_when_the_token_is_read_then_it_does_not_count(
    body: dict[str, Any],
) -> None:
    try:
        token = with_body(**body)
    except TypeError:
        pytest.skip("the library does not write such a token")
    assert accepted(token) is None


def test_given_clocks_that_differ_when_a_token_ends_then_it_counts_for_the_stated_skew_and_no_longer() -> None:
    end = CLAIMS.expires_at
    assert accepted(TOKEN, now=end + SKEW - 1) == CLAIMS
    assert accepted(TOKEN, now=end + SKEW) is None
    assert accepted(TOKEN, now=NOW - SKEW) == CLAIMS
    assert accepted(TOKEN, now=NOW - SKEW - 1) is None


def test_given_another_key_of_the_same_id_when_it_signed_then_the_token_does_not_count() -> None:
    assert accepted(jwts.issue(Use.ACCESS, CLAIMS, replace(KEY, secret=b"t" * 32))) is None


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_given_a_token_when_any_character_is_changed_then_it_does_not_count(place: int, char: str) -> None:
    forged = TOKEN[:place] + char + TOKEN[place + 1 :]
    found = accepted(forged)
    # Base64 has spare bits at the end of a part: another spelling of the same bytes is the same token.
    assert found is None or (found == CLAIMS and _bytes(forged) == _bytes(TOKEN))


@given(st.text(max_size=400))
@example("eyJ.eyJ.x")
@example("eyJ" + "a" * 5_000 + ".a.a")
def test_given_any_text_when_it_is_read_then_it_is_refused_and_nothing_breaks(text: str) -> None:
    assert accepted(text) is None
    assert accepted(f"eyJ{text}.{text}.{text}") is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(header=_json, body=_json, signature=st.binary(max_size=64))
def test_given_any_json_in_the_shape_of_a_token_when_it_is_read_then_it_is_refused(
    header: Any, body: Any, signature: bytes
) -> None:
    assert accepted(f"{_part(header)}.{_part(body)}.{_encoded(signature)}") is None
    assert accepted(f"{TOKEN.partition('.')[0]}.{_part(body)}.{_encoded(signature)}") is None


@given(_json)
def test_given_any_json_signed_by_our_own_key_when_it_is_read_then_it_is_claims_or_refused(body: Any) -> None:
    import hashlib
    import hmac

    signed = f"{TOKEN.partition('.')[0]}.{_part(body)}"
    signature = hmac.new(KEY.secret, signed.encode(), hashlib.sha256).digest()

    assert accepted(f"{signed}.{_encoded(signature)}") is None


def test_given_headers_nested_without_end_when_they_are_read_then_they_are_refused() -> None:
    deep = _encoded(("{" + '"a":{' * 200).encode())
    assert accepted(f"{deep}.{deep}.{deep}") is None


def _part(content: Any) -> str:
    return _encoded(json.dumps(content).encode())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]
