"""Master keys: 32 random bytes, as people write them.

Base64 (`openssl rand -base64 32`; padding may be missing, the alphabet of URLs is understood) or 64 hexadecimal digits
(`openssl rand -hex 32`). Whitespace around a key is trimmed. What a key is made of never appears in an error.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from agent_swarm.domain.errors import InvalidInput

KEY_BYTES = 32  # AES-256
REMEDY = (
    "make one with: openssl rand -base64 32 (or: openssl rand -hex 32), and write it without quotes: "
    "in a .env file they would become a part of the key"
)

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_HEX = frozenset("0123456789abcdefABCDEF")
_NAMES = {'"': "a quotation mark", "'": "a quotation mark", "`": "a quotation mark", "=": "an equals sign"}


class InvalidKey(InvalidInput):
    """What is given as an encryption key is none."""


class Origin(StrEnum):
    """Where a master key comes from, and so who can put another one in its place."""

    ENVIRONMENT = "environment"  # whoever starts the server
    BACKEND = "backend"  # whoever keeps what the reference that was named leads to
    FILE = "file"  # whoever keeps the file that was named
    DATA_DIR = "dataDir"  # the server itself
    REQUEST = "request"  # whoever asked for a rotation


@dataclass(frozen=True)
class MasterKey:
    """The key that wraps data keys. `place` tells people where it was found."""

    material: bytes = field(repr=False)
    place: str = ""
    origin: Origin = Origin.REQUEST

    def __post_init__(self) -> None:
        if len(self.material) != KEY_BYTES:
            raise InvalidKey(f"Invalid encryption key{_in(self.place)}: got {len(self.material)} bytes", hint=REMEDY)

    @cached_property
    def id(self) -> str:
        """A name that tells keys apart and nothing else about them; it is stored and shown."""
        return _derived(self.material, b"master key id 1")[:8].hex()

    @cached_property
    def wrapping(self) -> bytes:
        """The key that wraps: derived, so that the master key is used for nothing but deriving."""
        return _derived(self.material, b"wrapping key 1")

    @property
    def text(self) -> str:
        """The key as people write it."""
        return base64.b64encode(self.material).decode()


def parse_key(text: str, *, place: str = "", origin: Origin = Origin.REQUEST) -> MasterKey:
    """The key that `text` is; raises InvalidKey, naming `place`, where it is none."""
    trimmed = text.strip()
    if len(trimmed) == 2 * KEY_BYTES and _HEX.issuperset(trimmed):
        return MasterKey(bytes.fromhex(trimmed), place, origin)
    digits = trimmed.rstrip("=")
    wrong = next((index for index, char in enumerate(digits) if char not in _BASE64), None)
    if wrong is not None:
        what = _NAMES.get(digits[wrong], "whitespace" if digits[wrong].isspace() else "none of theirs")
        raise InvalidKey(
            f"Invalid encryption key{_in(place)}: expected {KEY_BYTES} bytes as base64 or hexadecimal digits, but "
            f"character {wrong + 1} of {len(trimmed)} is {what}",
            hint=REMEDY,
        )
    got = len(digits) * 6 // 8
    if got != KEY_BYTES or len(digits) % 4 == 1:
        raise InvalidKey(
            f"Invalid encryption key{_in(place)}: got {got} bytes after base64 decode, expected {KEY_BYTES}",
            hint=REMEDY,
        )
    standard = digits.replace("-", "+").replace("_", "/")
    return MasterKey(base64.b64decode(standard + "=" * (-len(standard) % 4)), place, origin)


def new_key(*, place: str = "", origin: Origin = Origin.REQUEST) -> MasterKey:
    """A fresh random key."""
    return MasterKey(secrets.token_bytes(KEY_BYTES), place, origin)


def _derived(material: bytes, purpose: bytes) -> bytes:
    """HKDF-Expand (RFC 5869) of one block: the material is uniformly random already."""
    return hmac.new(material, purpose + b"\x01", hashlib.sha256).digest()


def _in(place: str) -> str:
    return f" in {place}" if place else ""
