"""Data keys wrapped by a master key.

A wrapped data key is text that describes itself: `wrapped.v1.<id of the master key>.<nonce, ciphertext and tag>`. The
id of the data key is authenticated with it. That a wrap opens proves that the master key is the right one.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent_swarm.domain.errors import SecretUnreadable
from agent_swarm.domain.sealed import WRAPPED, master_key_of
from agent_swarm.vault.keys import KEY_BYTES, MasterKey
from agent_swarm.vault.sealing import NONCE_BYTES, DataKey, decoded, encoded


def wrap(key: DataKey, master: MasterKey) -> str:
    """The data key as it may be stored."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    box = AESGCM(master.wrapping).encrypt(nonce, key.material, _bound(key.id, master.id))
    return f"{WRAPPED}.{master.id}.{encoded(nonce + box)}"


def unwrap(key_id: str, wrapped: str, master: MasterKey) -> DataKey:
    """The data key; raises SecretUnreadable where another master key wrapped it, or its text was changed."""
    wrapped_by = master_key_of(wrapped)
    if wrapped_by != master.id:
        raise SecretUnreadable(
            f"the data key {key_id} was wrapped by the master key {wrapped_by}, and the one here is {master.id}"
        )
    box = decoded(wrapped.rpartition(".")[2])
    if box is None:
        raise SecretUnreadable(f"the text of the data key {key_id} was changed")
    try:
        material = AESGCM(master.wrapping).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], _bound(key_id, master.id))
    except (InvalidTag, ValueError):
        raise SecretUnreadable(f"the text of the data key {key_id} was changed") from None
    if len(material) != KEY_BYTES:
        raise SecretUnreadable(f"the data key {key_id} has {len(material)} bytes, expected {KEY_BYTES}")
    return DataKey(key_id, material)


def _bound(key_id: str, master_id: str) -> bytes:
    return f"{WRAPPED}.{master_id}.{key_id}".encode()
