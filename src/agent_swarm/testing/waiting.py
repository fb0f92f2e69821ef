"""Wait for something that the test does not control, without guessing how long it takes."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.005


async def until(predicate: Callable[[], T], within: float = 10.0) -> T:
    """Look until `predicate` answers something true, and return that. AssertionError after `within` seconds."""
    give_up_at = time.monotonic() + within
    while not (answer := predicate()):
        if time.monotonic() > give_up_at:
            name = getattr(predicate, "__qualname__", repr(predicate))
            raise AssertionError(f"waited {within} s for {name}, which still answers {answer!r}")
        await asyncio.sleep(_POLL_SECONDS)
    return answer
