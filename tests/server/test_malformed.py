"""What comes in the place of a token or of a frame is read as one, or refused with an error of ours: it breaks nothing.

JSON web tokens are in `tests/services/test_jwts.py`, keys and sealed values in `tests/vault`, what guests say in
`tests/vm/test_guest_frames.py`.
"""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent_swarm.domain.errors import Unauthenticated
from agent_swarm.protocol.pool import Frame, FrameType
from agent_swarm.server.auth import Authenticator, bearer_token
from agent_swarm.server.pool import wire
from agent_swarm.server.pool.exchange import _BODIES
from agent_swarm.services import tokens
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.services.signing_keys import SigningKeys
from agent_swarm.store.opening import open_store
from agent_swarm.store.operations import PutToken
from agent_swarm.store.records import TokenKind
from agent_swarm.worker.link import LinkLost, readable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
NAMES = sorted({name for body in _BODIES.values() for name in body.json_schema(by_alias=True).get("properties", ())})
FRAMES = st.fixed_dictionaries(
    {"id": st.text(max_size=70), "type": st.sampled_from([*FrameType]).map(str) | st.text(max_size=10)},
    optional={"v": st.integers() | st.none(), "body": st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6) | JSON},
)


def answered(raw: str | bytes) -> Frame | None:
    """The frame that the server reads; what it does not read it can refuse, in words that travel."""
    try:
        return wire.read_frame(raw)
    except wire.MalformedFrame as exc:
        refused = exc
    except wire.UnreadableEnvelope:
        return None
    assert json.loads(wire.error(refused.frame_id, refused.refusal))["id"] == refused.frame_id
    return None


@pytest.mark.slow
@given(st.text(max_size=200) | st.binary(max_size=200))
@example("[" * 5_000)
@example(b"\xff\xfe{}")
@example('{"id": "\\ud800", "type": "hello", "v": 9}')
@example('{"id": 1e999}')
def test_given_any_message_when_a_server_reads_it_then_it_is_a_frame_or_refused(raw: str | bytes) -> None:
    answered(raw)


@given(FRAMES)
def test_given_frames_with_anything_in_them_when_a_server_reads_them_then_each_is_understood_or_refused(
    sent: dict[str, Any],
) -> None:
    frame = answered(json.dumps(sent))
    if frame is not None and frame.type in _BODIES:
        with suppress(ValidationError):
            _BODIES[frame.type].validate_python(frame.body)


@given(JSON | FRAMES)
def test_given_anything_from_a_server_when_a_worker_reads_it_then_it_is_a_frame_newer_than_it_or_the_link_is_lost(
    sent: Any,
) -> None:
    with suppress(LinkLost):
        frame = readable(sent)
        assert isinstance(frame, Frame) or sent["type"] not in set(FrameType)


BEARER = st.binary(max_size=120) | st.binary(max_size=80).map(b"Bearer ".__add__)


@given(st.lists(BEARER, max_size=2))
def test_given_any_authorization_when_it_is_read_then_it_is_one_token_or_refused(headers: list[bytes]) -> None:
    try:
        token = bearer_token({"headers": [(b"authorization", value) for value in headers]})
    except Unauthenticated:
        return
    (sent,) = headers
    assert token and token == token.strip() and token in sent.decode("latin-1")


MINTED: dict[TokenKind, tokens.Minted] = {
    kind: tokens.mint(kind, now=0) for kind in TokenKind if kind is not TokenKind.USER
}


@pytest.mark.slow
@settings(deadline=None)
@given(st.sampled_from([*MINTED]), st.integers(0, 60), st.characters(codec="latin-1"), st.text(max_size=60))
def test_given_a_token_of_any_kind_when_a_character_is_another_or_it_is_any_text_then_it_does_not_count(
    kind: TokenKind, place: int, char: str, other: str
) -> None:
    text = MINTED[kind].text
    place %= len(text)
    changed = text[:place] + char + text[place + 1 :]

    async def count() -> list[bool]:
        async with open_store("memory:") as store:
            await store.apply(PutToken(token=MINTED[kind].record))
            authenticator = Authenticator(store, SigningKeys(Vault()))
            return [await counts(authenticator, one) for one in (changed, other, text[:-1], f"{text}x")]

    # unchanged it counts, but for an attempt's: there is no attempt
    same = changed.strip() == text and kind is not TokenKind.ATTEMPT
    assert asyncio.run(count()) == [same, False, False, False]


async def counts(authenticator: Authenticator, token: str) -> bool:
    try:
        await authenticator.identify({"headers": [(b"authorization", f"Bearer {token}".encode("latin-1", "replace"))]})
    except Unauthenticated:
        return False
    return True
