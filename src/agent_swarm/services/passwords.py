"""Passwords: which ones are taken, and how they are kept.

Argon2id as OWASP advises it (46 MiB, here with two passes instead of one), by `cryptography`, which lets other threads
run meanwhile. A hash is a PHC string, so it says what it was made with, and another choice here makes new hashes
without breaking old ones. Hashing takes some 140 ms of one core: callers run it beside the event loop
(`server/hashing.py`).
"""

import unicodedata
from functools import cache
from os import urandom
from typing import TYPE_CHECKING

from agent_swarm.domain.errors import InvalidInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

SHORTEST = 12  # characters; NIST SP 800-63B asks for 8 at least, and for 15 where nothing else stands in the way
LONGEST_BYTES = 256
MEMORY_KIB = 46 * 1024
PASSES = 2
SALT_BYTES = 16
HASH_BYTES = 32


def checked(password: str, *, user_name: str) -> str:
    """`password` as it is hashed; raises InvalidInput for one that is too short, too long, or easily guessed."""
    normal = normalized(password)
    if len(normal) < SHORTEST:
        raise _refused(f"has {len(normal)} characters, expected {SHORTEST} or more")
    if len(normal.encode()) > LONGEST_BYTES:
        raise _refused(f"has {len(normal.encode())} bytes, at most {LONGEST_BYTES} are taken")
    if user_name in normal.lower() and len(normal) < len(user_name) + SHORTEST:
        raise _refused("is little more than the user's name")
    if len(set(normal)) < 5:
        raise _refused("has fewer than 5 different characters")
    return normal


def normalized(password: str) -> str:
    """The same text for the same keys, whatever keyboard sent them: Unicode form NFKC (RFC 8265)."""
    return unicodedata.normalize("NFKC", password)


def hash_password(password: str) -> str:
    """What is stored of a normalized password: an Argon2id PHC string. Slow on purpose."""
    kdf = _argon2id()(salt=urandom(SALT_BYTES), length=HASH_BYTES, iterations=PASSES, lanes=1, memory_cost=MEMORY_KIB)
    return str(kdf.derive_phc_encoded(password.encode()))


def is_right(password: str, stored: str | None) -> bool:
    """Whether `password` is the one of the hash. As slow where there is no hash: nobody shall hear the difference."""
    from cryptography.exceptions import InvalidKey

    sent = normalized(password).encode()[: LONGEST_BYTES + 1]
    nobodys = _nobodys_hash()  # made once in a process, whoever is asked for first
    try:
        _argon2id().verify_phc_encoded(sent, stored or nobodys)
    except (InvalidKey, ValueError):
        return False
    return stored is not None


@cache
def _nobodys_hash() -> str:
    """A hash that no password has, made like all others."""
    return hash_password(urandom(32).hex())


def _argon2id() -> "type[Argon2id]":
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # 25 MB and 0.1 s that a server without users saves

    return Argon2id


def _refused(problem: str) -> InvalidInput:
    return InvalidInput(
        f"password {problem}",
        hint="take one from a password manager, or four words that do not belong together",
        details={"field": "password"},
    )
