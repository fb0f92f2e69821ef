"""Work at a steady rate, whatever becomes of what was begun before."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any


async def pace(rate: float, seconds: float, begin: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Begin `rate` pieces of work per second for so long, and wait for all of them."""
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            ahead = started + number / rate - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
            group.create_task(begin(number))
