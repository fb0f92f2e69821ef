"""Values under keys: namespaces, sizes, and what comparing and counting mean."""

import re

from agent_swarm.domain.errors import InvalidInput, TooLarge
from agent_swarm.domain.time import SECOND

KEY_CHARS = 200
KEY_PATTERN = r"^[A-Za-z0-9._:@+-]+$"
VALUE_BYTES = 64 * 1024
TTL_SECONDS = 366 * 86400
COUNT_MAX = 2**53 - 1  # what every JSON reader holds exactly

_KEY = re.compile(KEY_PATTERN.strip("^$"))


def require_key(key: str) -> None:
    """Refuse a key that may not be: InvalidInput."""
    if len(key) > KEY_CHARS or not _KEY.fullmatch(key):
        raise InvalidInput(
            f"key: expected 1 to {KEY_CHARS} letters, digits and . _ : @ + -",
            hint="for example: build.last-green",
            details={"field": "key"},
        )


def require_value(text: str) -> None:
    """Refuse a value that is too large, as JSON: TooLarge."""
    size = len(text.encode())
    if size > VALUE_BYTES:
        raise TooLarge(
            f"the value has {size:,} bytes as JSON, at most {VALUE_BYTES:,} are stored",
            hint="keep what is large in a note, or in a file of the project",
            details={"field": "value", "bytes": size, "allowed": VALUE_BYTES},
        )


def next_version(before: int | None, *, now: int) -> int:
    """The version of a value that is written now: it grows, also over removals, so that no version comes twice."""
    return now if before is None else max(now, before + 1)


def counted(before: object, by: int) -> int:
    """`before` and `by` together; raises InvalidInput where that is no whole number that JSON readers hold."""
    if before is not None and (not isinstance(before, int) or isinstance(before, bool)):
        raise InvalidInput(
            "the value is not a whole number, so nothing can be added to it",
            hint="set it to a number first, or count under another key",
            details={"field": "value"},
        )
    total = (before or 0) + by
    if abs(total) > COUNT_MAX:
        raise InvalidInput(
            f"the sum would be beyond {COUNT_MAX:,}", hint="begin again with a smaller number", details={"field": "by"}
        )
    return total


def expiry(ttl: int | None, *, now: int) -> int | None:
    """When a value runs out that lives for `ttl` microseconds."""
    return None if ttl is None else now + ttl


def ttl_of(seconds: float | None) -> int | None:
    """A span on the wire in microseconds."""
    return None if seconds is None else max(1, round(seconds * SECOND))
