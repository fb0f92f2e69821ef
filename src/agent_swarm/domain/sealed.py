"""What encrypted text says about itself without being opened.

`sealed.v1.<id of the data key>.<nonce, ciphertext and tag>` is a value, `wrapped.v1.<id of the master key>.<…>` a data
key. `vault` makes and opens both; the store looks at no more than the ids.
"""

from agent_swarm.domain.errors import SecretUnreadable

SEALED = "sealed.v1"
WRAPPED = "wrapped.v1"


def is_sealed(text: str) -> bool:
    """Whether a text says that it is sealed, in whichever version."""
    return text.startswith("sealed.")


def data_key_of(sealed: str) -> str:
    """The data key that a value is sealed with; raises SecretUnreadable for what is no sealed value of version 1."""
    return _key_of(sealed, SEALED, "sealed value")


def master_key_of(wrapped: str) -> str:
    """The master key that a data key is wrapped by; raises SecretUnreadable for what is no wrap of version 1."""
    return _key_of(wrapped, WRAPPED, "wrapped data key")


def _key_of(text: str, head: str, what: str) -> str:
    parts = text.split(".")
    if len(parts) != 4 or ".".join(parts[:2]) != head:
        raise SecretUnreadable(f"it is no {what} of a version that this program knows")
    return parts[2]
