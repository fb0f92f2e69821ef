"""The secrets of desplega-ai/agent-swarm: base64 of nonce, ciphertext and tag, AES-256-GCM, nothing bound to it.

Nothing in a database says which key it is for, so a key is tried: one that opens nothing is the wrong one.
"""

import base64
import binascii
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.importing.fields import Row, Unreadable, flag, text

NONCE_BYTES = 12
TAG_BYTES = 16


class WrongKey(InvalidInput):
    """The key does not open the secrets that are to be imported, or none was given."""

    code = "wrongKey"


def encrypted(rows: Sequence[Row]) -> list[Row]:
    """The entries whose value is encrypted."""
    return [row for row in rows if flag(row, "encrypted")]


def fitting_key(rows: Sequence[Row], keys: Sequence[bytes]) -> bytes | None:
    """The first key that opens an entry; the first of all where none does, None where there is none."""
    closed = encrypted(rows)
    return next((key for key in keys if any(_opens(row, key) for row in closed)), keys[0] if keys else None)


def require_key(rows: Sequence[Row], key: bytes | None) -> None:
    """Raise WrongKey where there are encrypted entries and `key` opens none of them."""
    closed = encrypted(rows)
    if not closed:
        return
    if key is None:
        raise WrongKey(
            f"{len(closed)} entries are encrypted and no key was given",
            hint="give the key of that swarm: --key-file FILE, --key - to type it, or SECRETS_ENCRYPTION_KEY",
        )
    if not any(_opens(row, key) for row in closed):
        raise WrongKey(
            f"the key opens none of the {len(closed)} encrypted entries; nothing was imported",
            hint="give the key of that swarm: its SECRETS_ENCRYPTION_KEY, or the file .encryption-key beside its data",
        )


def opened(value: str, key: bytes) -> str:
    """The secret; raises Unreadable where it was changed or is under another key."""
    try:
        box = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("value is not Base64, although it is marked as encrypted") from None
    if len(box) < NONCE_BYTES + TAG_BYTES:
        raise Unreadable("value is too short for an encrypted one")
    try:
        return AESGCM(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], None).decode()
    except InvalidTag:
        raise Unreadable("value does not open with this key: it was changed, or another key encrypted it") from None
    except UnicodeDecodeError:
        raise Unreadable("value is no UTF-8 text") from None


def _opens(row: Row, key: bytes) -> bool:
    try:
        opened(text(row, "value"), key)
    except Unreadable:
        return False
    return True
