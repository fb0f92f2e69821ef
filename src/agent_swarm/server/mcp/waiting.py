"""Waiting for something without asking again and again, and not for longer than clients wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from agent_swarm.domain.tasks import TERMINAL, TaskStatus
from agent_swarm.protocol import rest
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Tell
from agent_swarm.store.base import Committed, Queries
from agent_swarm.store.records import Event

S = TypeVar("S")

LONGEST_SECONDS = 45  # clients give up after 60, and the answer takes its time, too
TELL_SECONDS = 5.0  # how often a client that waits is told that somebody still works on it
_OVER = TERMINAL | {TaskStatus.PAUSED}  # what is paused waits for people


async def wait_for_task(
    context: Context,
    task_id: str,
    reading: Callable[[Queries], rest.TaskDetail],
    *,
    seconds: float,
    tell: Tell,
) -> rest.TaskDetail:
    """The task as soon as it has ended or is paused, else as it is after `seconds`, or when the server stops."""
    return await wait_until(
        context,
        lambda: context.store.read(reading),
        is_over=lambda task: TaskStatus(task.status) in _OVER,
        concerns=lambda event: event.task_id == task_id,
        standing=lambda task: f"{task.status}{f': {task.progress}' if task.progress else ''}",
        seconds=seconds,
        tell=tell,
    )


async def wait_until(
    context: Context,
    look: Callable[[], Awaitable[S]],
    *,
    is_over: Callable[[S], bool],
    concerns: Callable[[Event], bool],
    standing: Callable[[S], str],
    seconds: float,
    tell: Tell,
) -> S:
    """What `look` sees as soon as it is over, else after `seconds`, or when the server stops.

    It looks again after every event that concerns it, and tells at least every few seconds how it stands.
    """
    give_up_at = time.monotonic() + seconds
    changed = asyncio.Event()

    def hear(committed: Committed) -> None:
        if any(concerns(event) for event in committed.events):
            changed.set()

    ends = (context.store.subscribe(hear), context.stopping.subscribe(changed.set))
    try:
        while True:
            changed.clear()  # before looking, so that nothing is missed
            seen = await look()
            left = give_up_at - time.monotonic()
            if is_over(seen) or left <= 0 or context.stopping.is_set:
                return seen
            await tell(standing(seen))
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, TELL_SECONDS)):
                    await changed.wait()
    finally:
        for end in ends:
            end()
