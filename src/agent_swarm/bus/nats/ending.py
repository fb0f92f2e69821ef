"""Ends tasks that use the client library, which swallows a cancellation now and then."""

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.1


async def ended(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Return when all of them are over; each is cancelled as often as that takes."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
