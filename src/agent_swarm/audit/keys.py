"""Ed25519 keys of signed checkpoints, as PEM text that `openssl pkey` reads, too.

`cryptography` is imported where a key is made or used: it takes long, and most of who imports this has no key.
"""

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agent_swarm.domain.errors import InvalidAuditKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_ID_CHARS: Final = 16
RAW_BYTES: Final = 32
_HOW = "make one with: openssl genpkey -algorithm ed25519"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What signatures are checked with. Two keys are the same that have the same 32 bytes."""

    raw: bytes

    @property
    def id(self) -> str:
        """How checkpoints name it: the beginning of its SHA-256."""
        return hashlib.sha256(self.raw).hexdigest()[:KEY_ID_CHARS]

    @property
    def text(self) -> str:
        """As it stands in a checkpoint: hexadecimal."""
        return self.raw.hex()

    @property
    def pem(self) -> str:
        """As a file that other programs read."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._loaded().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def has_signed(self, content: bytes, signature: bytes) -> bool:
        """Whether `signature` is of this key, over `content`."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._loaded().verify(signature, content)
        except InvalidSignature:
            return False
        return True

    def _loaded(self) -> "Ed25519PublicKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(self.raw)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What checkpoints are signed with."""

    private: "Ed25519PrivateKey" = field(repr=False)
    public: PublicKey

    def sign(self, content: bytes) -> bytes:
        """The signature over `content`, 64 bytes."""
        return self.private.sign(content)

    @property
    def pem(self) -> str:
        """The secret, as a file keeps it."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def new_key() -> SigningKey:
    """A key that nobody had before."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _signing(Ed25519PrivateKey.generate())


def signing_key(pem: bytes, *, where: str) -> SigningKey:
    """The key in a PEM file; raises InvalidAuditKey, which never quotes it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        loaded = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidAuditKey(
            f"{where} holds no key for signed checkpoints: expected an Ed25519 key as PEM, without a password",
            hint=_HOW,
        ) from None
    if not isinstance(loaded, Ed25519PrivateKey):
        raise InvalidAuditKey(f"the key in {where} is of another kind: expected Ed25519", hint=_HOW)
    return _signing(loaded)


def public_key(content: bytes, *, where: str) -> PublicKey:
    """The key in a file, PEM or 64 hexadecimal digits; raises InvalidAuditKey."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    text = content.decode("ascii", "replace").strip()
    if len(text) == 2 * RAW_BYTES and "-" not in text:
        return public_key_of(text, where=where)
    try:
        loaded = load_pem_public_key(content)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        loaded = None
    if not isinstance(loaded, Ed25519PublicKey):
        raise InvalidAuditKey(
            f"{where} holds no public key of checkpoints: expected an Ed25519 key as PEM, or 64 hexadecimal digits",
            hint="write it to a file with: agent-swarm audit key > audit-key.pub",
        )
    return PublicKey(loaded.public_bytes(Encoding.Raw, PublicFormat.Raw))


def public_key_of(text: str, *, where: str) -> PublicKey:
    """The key that 64 hexadecimal digits are; raises InvalidAuditKey."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != RAW_BYTES or text != raw.hex():
        raise InvalidAuditKey(f"{where} is no public key: expected 64 lower-case hexadecimal digits", hint=_HOW)
    return PublicKey(raw)


def _signing(private: "Ed25519PrivateKey") -> SigningKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return SigningKey(private, PublicKey(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)))
