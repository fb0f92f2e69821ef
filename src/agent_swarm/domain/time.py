"""Instants and spans.

An instant is an integer: microseconds since 1970-01-01 UTC. It is stored as it is, compared as it is, and becomes RFC
3339 text with milliseconds and `Z` only on the wire.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NewType

Instant = NewType("Instant", int)

SECOND = 1_000_000
DAY = 86_400 * SECOND


def micros(span: timedelta) -> int:
    """`span` in whole microseconds."""
    return span // timedelta(microseconds=1)


@lru_cache(maxsize=1024)  # what happens in one moment is told in many places
def to_wire(instant: int) -> str:
    """RFC 3339 UTC with milliseconds, such as `2026-11-20T18:44:35.000Z`."""
    moment = datetime.fromtimestamp(instant // SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{instant % SECOND // 1000:03d}Z"


def from_wire(text: str) -> Instant:
    """The instant of an RFC 3339 text; raises ValueError where it has no time zone or is not a time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it like 2026-11-20T18:44:35.000Z")
    return Instant((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
