"""Lines of checkpoints: there is one way to write each, and nothing else is one."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.audit.checkpoints import Archived, Checkpoint, CheckpointUnreadable, parse
from agent_swarm.audit.keys import PublicKey, new_key, public_key, signing_key
from agent_swarm.domain.errors import InvalidAuditKey

KEY = new_key()
hashes = st.integers(0, 2**256 - 1).map("{:064x}".format)
archives = st.builds(
    Archived,
    from_seq=st.integers(1, 10**9),
    to_seq=st.integers(1, 10**9),
    previous=hashes,
    hash=hashes,
    file=st.just("events-1-2.jsonl.gz"),
    sha256=hashes,
)
checkpoints = st.builds(
    Checkpoint,
    number=st.integers(1, 2**63 - 1),
    seq=st.integers(0, 2**63 - 1),
    hash=hashes,
    at=st.integers(0, 253_402_300_799_000_000),
    key_id=st.just(""),
    introduces=st.none() | hashes.map(lambda text: PublicKey(bytes.fromhex(text))),
    archives=st.none() | archives,
).map(lambda made: made.signed_with(KEY))


@given(made=checkpoints)
def test_given_a_checkpoint_when_it_is_written_and_read_then_it_is_the_same_and_signed(made: Checkpoint) -> None:
    assert parse(made.line) == made
    assert parse(made.line.encode()).is_signed_by(KEY.public)
    assert not made.is_signed_by(new_key().public)


@pytest.mark.slow
@given(made=checkpoints, other=st.integers(0, 2**256 - 1).map("{:064x}".format))
def test_given_a_signed_checkpoint_when_anything_in_it_is_replaced_then_the_signature_does_not_fit(
    made: Checkpoint, other: str
) -> None:
    for spoilt in (
        replace(made, number=made.number ^ 1),
        replace(made, seq=made.seq ^ 1),
        replace(made, hash=other),
        replace(made, introduces=PublicKey(b"\0" * 32)),
        replace(made, archives=Archived(from_seq=1, to_seq=2, previous=other, hash=other, file="f", sha256=other)),
    ):
        assert spoilt == made or not spoilt.is_signed_by(KEY.public)


@pytest.mark.slow
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_given_any_bytes_when_they_are_read_as_a_checkpoint_then_they_are_refused(content: bytes) -> None:
    with pytest.raises(CheckpointUnreadable):
        parse(content)


@pytest.mark.slow
@given(made=checkpoints, data=st.data())
def test_given_a_line_when_a_field_is_of_any_other_kind_then_it_is_refused(made: Checkpoint, data: Any) -> None:
    fields = json.loads(made.line)
    name = data.draw(st.sampled_from(sorted(fields)))
    anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.none())
    value = data.draw(anything | st.dictionaries(st.text(max_size=3), st.none()))
    line = json.dumps({**fields, name: value}, separators=(",", ":"), sort_keys=True)
    with suppress(CheckpointUnreadable):
        assert not parse(line).is_signed_by(KEY.public) or line == made.line


@pytest.mark.parametrize(
    "change",
    [
        lambda line: " " + line,
        lambda line: line.replace(":", ": ", 1),
        lambda line: line[:-1] + ',"more":1}',
        lambda line: line.replace('"v":1', '"v":1.0'),
        lambda line: line.replace('{"archives"', '{"archives":null,"archives"'),
        lambda line: line + "x" * 5_000,
        lambda line: "[" * 4_000,
    ],
)
def test_given_a_line_that_says_the_same_in_other_words_when_it_is_read_then_it_is_refused(change: Any) -> None:
    made = Checkpoint(number=1, seq=0, hash="0" * 64, at=0, key_id="").signed_with(KEY)
    with pytest.raises(CheckpointUnreadable):
        parse(change(made.line))


def test_given_a_key_when_it_is_written_as_pem_and_read_then_it_signs_the_same() -> None:
    again = signing_key(KEY.pem.encode(), where="a file")
    assert again.public == KEY.public
    assert public_key(KEY.public.pem.encode(), where="a file") == KEY.public
    assert public_key(KEY.public.text.encode(), where="a file") == KEY.public
    assert KEY.pem not in repr(KEY) and "private" not in repr(KEY)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----"])
def test_given_what_is_no_key_when_it_is_read_then_it_is_refused_and_not_quoted(content: bytes) -> None:
    for read in (signing_key, public_key):
        with pytest.raises(InvalidAuditKey) as refused:
            read(content, where="a file")
        assert "nonsense" not in refused.value.message
