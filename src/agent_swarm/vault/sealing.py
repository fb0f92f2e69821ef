"""Values sealed with a data key: AES-256-GCM, bound to where they belong.

A sealed value is text that describes itself: `sealed.v1.<id of the data key>.<nonce, ciphertext and tag in base64url>`.
Its version, its key's id and the identity of its row are authenticated with it, so a value that was changed anywhere,
or was put into another row, does not open. Its length shows how long the value is.

A random nonce of 96 bits serves 2^32 values of one key (NIST SP 800-38D, 8.3); a swarm has thousands.
"""

import base64
import binascii
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent_swarm.domain.errors import SecretUnreadable
from agent_swarm.domain.sealed import SEALED, data_key_of

NONCE_BYTES = 12
TAG_BYTES = 16

Identity = Sequence[str]  # what a value belongs to, such as ("config", scope, scope id, key)


@dataclass(frozen=True)
class DataKey:
    """A key that values are sealed with."""

    id: str
    material: bytes = field(repr=False)

    @cached_property
    def cipher(self) -> AESGCM:
        """AES-256-GCM under this key."""
        return AESGCM(self.material)


class Sealer:
    """Seals under the newest of its data keys and opens under all of them. Immutable."""

    def __init__(self, keys: Iterable[DataKey]) -> None:
        """`keys` go from the oldest to the newest; there has to be one."""
        self._keys = {key.id: key for key in keys}
        self._active = next(reversed(self._keys.values()))

    @property
    def active(self) -> str:
        """The id of the data key that new values are sealed with."""
        return self._active.id

    @property
    def key_ids(self) -> frozenset[str]:
        """The data keys that it can open values of."""
        return frozenset(self._keys)

    def seal(self, identity: Identity, value: str) -> str:
        """`value` as it may be stored in the row of `identity`; every time another text."""
        key = self._active
        nonce = secrets.token_bytes(NONCE_BYTES)
        box = key.cipher.encrypt(nonce, value.encode(), _bound(SEALED, key.id, identity))
        return f"{SEALED}.{key.id}.{encoded(nonce + box)}"

    def open(self, identity: Identity, sealed: str) -> str:
        """The value; raises SecretUnreadable where it was changed, belongs elsewhere, or its key is not here."""
        key_id = data_key_of(sealed)
        key = self._keys.get(key_id)
        if key is None:
            raise SecretUnreadable(f"it is sealed with the data key {key_id}, which is not here")
        box = decoded(sealed.rpartition(".")[2])
        if box is None or len(box) < NONCE_BYTES + TAG_BYTES:
            raise SecretUnreadable("its text was changed: it is no sealed value any more")
        try:
            value = key.cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], _bound(SEALED, key_id, identity))
        except InvalidTag:
            raise SecretUnreadable("its text was changed, or it was sealed for another row") from None
        return value.decode()


def new_data_key() -> DataKey:
    """A fresh random data key under a fresh id."""
    return DataKey(secrets.token_hex(8), AESGCM.generate_key(bit_length=256))


def encoded(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes | None:
    """What `encoded` made `text` of; None for any other text, also for another spelling of the same bytes."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if encoded(raw) == text else None


def _bound(*parts: str | Identity) -> bytes:
    """The associated data: every part with its length before it, so that no two lists of parts are alike."""
    flat = [part for one in parts for part in ((one,) if isinstance(one, str) else one)]
    return b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in flat))
