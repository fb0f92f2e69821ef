"""What travels between the host and the agent in a guest; `agent/wire.c` is the other end. Pure.

A frame is a length (4 bytes, little end first), a type (1 byte), three zeros, and the payload. A request is made of
fields: a tag, a length, the bytes, a zero. Before its first frame the host says the magic words and a nonce; the agent
repeats the nonce in its hello, so that both know that nothing of an earlier command is left on the way.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

VERSION: Final = 1
SYNC_MAGIC: Final = b"\xf5ASWM\x01\r\n"
NONCE_BYTES: Final = 16
HEADER: Final = struct.Struct("<IB3x")
DATA_BYTES: Final = 65536
REQUEST_BYTES: Final = 1 << 20
WINDOW_BYTES: Final = 256 << 10
STREAM_BYTES: Final = 2048  # of one frame of a connection to the outside
STREAM_WINDOW: Final = 64 << 10  # of such a connection that may be under way, each way


class FrameType(Enum):
    """What a frame says. The first group goes to the guest, the second comes from it, the third goes both ways."""

    EXECUTE = b"E"
    CONNECT = b"C"
    PERSONALISE = b"P"
    POWER_OFF = b"H"
    FREEZE = b"Z"
    THAW = b"T"
    INPUT = b"i"
    INPUT_END = b"e"
    SIGNAL = b"s"
    RESIZE = b"R"

    HELLO = b"h"
    OUTPUT = b"o"
    ERRORS = b"r"
    WINDOW = b"w"
    ENDED = b"x"
    DONE = b"k"
    FAILED = b"f"

    # Of connections of the guest to the outside, both ways.
    STREAM_OPEN = b"O"
    STREAM_DATA = b"d"
    STREAM_END = b"n"
    STREAM_USED = b"u"
    STREAM_GONE = b"g"


class Ending(IntEnum):
    """How a command ended."""

    EXITED = 0
    SIGNALLED = 1
    TIMED_OUT = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it arrived."""

    type: FrameType
    payload: bytes = b""


class BrokenStream(ValueError):
    """What came is no frame of ours."""


def encoded(kind: FrameType, payload: bytes = b"") -> bytes:
    """The bytes of one frame; ValueError where it is longer than the agent takes."""
    most = DATA_BYTES if kind is FrameType.INPUT else REQUEST_BYTES
    if len(payload) > most:
        raise ValueError(f"a frame of {len(payload)} bytes, at most {most} are allowed")
    return HEADER.pack(len(payload), kind.value[0]) + payload


def decoded(stream: bytes) -> tuple[Frame | None, bytes]:
    """The first frame of `stream` and the rest; None where it is not all there yet. BrokenStream where it is none."""
    if len(stream) < HEADER.size:
        return None, stream
    length, kind = HEADER.unpack_from(stream)
    if length > REQUEST_BYTES:
        raise BrokenStream(f"a frame of {length} bytes")
    end = HEADER.size + length
    if len(stream) < end:
        return None, stream
    try:
        known = FrameType(bytes([kind]))
    except ValueError:
        raise BrokenStream(f"a frame of type {kind}") from None
    return Frame(known, stream[HEADER.size : end]), stream[end:]


def after_hello(stream: bytes, nonce: bytes) -> bytes | None:
    """What follows the hello that repeats `nonce`; None until it is there. What comes before it is of someone else."""
    hello = HEADER.pack(NONCE_BYTES + 4, FrameType.HELLO.value[0]) + nonce
    start = stream.find(hello)
    end = start + len(hello) + 4
    return None if start < 0 or len(stream) < end else stream[end:]


def agent_version(stream: bytes, nonce: bytes) -> int:
    """The version that the agent told in the hello which `after_hello` found."""
    return stream[stream.index(nonce) + NONCE_BYTES]


@dataclass(frozen=True, slots=True)
class WindowSize:
    """Of a terminal, in characters."""

    rows: int
    columns: int

    def to_bytes(self) -> bytes:
        """As the agent reads it."""
        return struct.pack("<HH", min(self.rows, 65535), min(self.columns, 65535))


def ending_of(frame: Frame) -> tuple[Ending, int]:
    """How the command ended, and its exit code or signal; BrokenStream where the guest does not say it."""
    try:
        how, number = frame.payload
        return Ending(how), number
    except ValueError:
        raise BrokenStream(f"an end of {len(frame.payload)} bytes, expected one of 2 that are known") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is to run in the guest: arguments as they are, no shell. Without a user it runs as root.

    With a `terminal` it has one of that size, and its errors come with its output.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None = None
    user: str | None = None
    timeout_seconds: float | None = None
    terminal: WindowSize | None = None

    def to_bytes(self) -> bytes:
        """As the payload of EXECUTE; ValueError for a text with a zero in it."""
        fields = [field(b"a", text) for text in self.argv]
        fields += [field(b"e", f"{name}={value}") for name, value in self.env.items()]
        fields += [field(b"d", self.cwd)] if self.cwd is not None else []
        fields += [field(b"u", self.user)] if self.user is not None else []
        fields += [raw_field(b"w", self.terminal.to_bytes())] if self.terminal is not None else []
        if self.timeout_seconds is not None:
            fields.append(raw_field(b"t", struct.pack("<I", max(1, round(self.timeout_seconds * 1000)))))
        return b"".join(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What makes a clone itself, and no copy of what it was cloned from."""

    random: bytes
    hostname: str
    machine_id: str
    now_ns: int

    def to_bytes(self) -> bytes:
        """As the payload of PERSONALISE; the time comes last, since it goes on meanwhile."""
        return b"".join(
            (
                raw_field(b"r", self.random),
                field(b"n", self.hostname),
                field(b"m", self.machine_id),
                raw_field(b"t", struct.pack("<Q", self.now_ns)),
            )
        )


def field(tag: bytes, text: str) -> bytes:
    """One field with a text; ValueError where a zero would end it early."""
    data = text.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise ValueError(f"a zero byte in {text[:40]!r}")
    return raw_field(tag, data)


def raw_field(tag: bytes, data: bytes) -> bytes:
    """One field with bytes."""
    return tag + struct.pack("<I", len(data)) + data + b"\0"
