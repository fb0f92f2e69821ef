"""What travels to and from the agent in a guest, byte by byte."""

import socket
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent_swarm.vm.errors import GuestRefused, GuestUnreachable
from agent_swarm.vm.guest.client import Channel
from agent_swarm.vm.guest.frames import (
    REQUEST_BYTES,
    BrokenStream,
    Command,
    Ending,
    Frame,
    FrameType,
    Identity,
    after_hello,
    agent_version,
    decoded,
    encoded,
)

NONCE = bytes(range(16))
HELLO = b"\x14\x00\x00\x00h\x00\x00\x00" + NONCE + b"\x01\x00\x00\x00"


@given(st.lists(st.tuples(st.sampled_from(FrameType), st.binary(max_size=200))), st.integers(1, 50))
def test_given_frames_in_pieces_of_any_size_then_they_are_read_as_they_were_sent(
    frames: list[tuple[FrameType, bytes]], piece: int
) -> None:
    stream = b"".join(encoded(kind, payload) for kind, payload in frames)
    read: list[Frame] = []
    unread = b""
    for start in range(0, len(stream), piece):
        unread += stream[start : start + piece]
        while True:
            frame, unread = decoded(unread)
            if frame is None:
                break
            read.append(frame)
    assert read == [Frame(kind, payload) for kind, payload in frames]
    assert unread == b""


def test_given_a_hello_after_what_an_earlier_command_left_then_what_follows_it_is_found() -> None:
    assert after_hello(b"left over" + HELLO[:-1], NONCE) is None
    assert after_hello(b"left over" + HELLO + b"next", NONCE) == b"next"
    assert after_hello(HELLO, b"another nonce 16") is None
    assert agent_version(HELLO, NONCE) == 1


@pytest.mark.parametrize("stream", [b"\xff\xff\xff\xffo\0\0\0", b"\0\0\0\0?\0\0\0"])
def test_given_bytes_that_are_no_frame_then_they_are_refused(stream: bytes) -> None:
    with pytest.raises(BrokenStream):
        decoded(stream)


@given(st.binary(max_size=300), st.integers(1, 40))
def test_given_any_bytes_when_they_are_read_in_pieces_then_they_are_frames_or_refused_and_nothing_else(
    stream: bytes, piece: int
) -> None:
    unread, said = b"", b""
    try:
        for start in range(0, len(stream), piece):
            frame, unread = decoded(unread + stream[start : start + piece])
            said += encoded(frame.type, frame.payload) if frame else b""
    except BrokenStream:
        return
    assert len(said) + len(unread) == len(stream)


ANSWERS = st.lists(st.tuples(st.sampled_from(FrameType), st.binary(max_size=40)), max_size=6).map(
    lambda frames: b"".join(encoded(kind, payload) for kind, payload in frames)
)


@settings(deadline=None)
@example(encoded(FrameType.ENDED))
@example(encoded(FrameType.ENDED, b"\x00"))
@example(encoded(FrameType.ENDED, b"\x09\x00"))
@example(encoded(FrameType.FAILED, b"\xff\xfe"))
@example(encoded(FrameType.WINDOW, b"\xff" * 40) + encoded(FrameType.ENDED, b"\x00\x00"))
@given(ANSWERS | st.binary(max_size=100))
def test_given_a_guest_that_says_anything_when_a_command_runs_then_it_ends_is_refused_or_the_guest_is_not_understood(
    said: bytes,
) -> None:
    ours, guests = socket.socketpair()
    with ours, guests:
        guests.sendall(said)
        guests.shutdown(socket.SHUT_WR)
        with suppress(GuestRefused, GuestUnreachable), Channel(ours, b"") as channel:
            command = Command(argv=["true"], env={})
            ended = channel.run(command, stdin=[b"x"], stdout=bytearray().extend, stderr=bytearray().extend)
            assert ended.ending in Ending


def test_given_a_command_then_each_argument_is_a_field_of_its_own() -> None:
    command = Command(argv=["echo", "a b", ""], env={"K": "v=w"}, cwd="/tmp", user="worker", timeout_seconds=1.5)
    assert command.to_bytes() == (
        b"a\x04\0\0\0echo\0a\x03\0\0\0a b\0a\x00\0\0\0\0e\x05\0\0\0K=v=w\0d\x04\0\0\0/tmp\0u\x06\0\0\0worker\0"
        b"t\x04\0\0\0\xdc\x05\0\0\0"
    )


def test_given_an_identity_then_its_time_comes_last() -> None:
    identity = Identity(random=b"\0\1", hostname="fix", machine_id="ab", now_ns=258)
    assert identity.to_bytes() == b"r\x02\0\0\0\0\1\0n\x03\0\0\0fix\0m\x02\0\0\0ab\0t\x08\0\0\0\2\1\0\0\0\0\0\0\0"


def test_given_what_the_agent_would_not_take_then_it_is_refused_here() -> None:
    with pytest.raises(ValueError, match="zero byte"):
        Command(argv=["a\0b"], env={}).to_bytes()
    with pytest.raises(ValueError, match="a frame of"):
        encoded(FrameType.EXECUTE, b"x" * (REQUEST_BYTES + 1))
    with pytest.raises(ValueError, match="a frame of"):
        encoded(FrameType.INPUT, b"x" * 65537)
