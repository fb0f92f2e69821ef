"""Waiting for a task without asking again and again, and not for longer than clients wait."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from agent_swarm.domain.tasks import TERMINAL, TaskStatus
from agent_swarm.protocol import rest
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Tell
from agent_swarm.store.base import Committed, Queries

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
    give_up_at = time.monotonic() + seconds
    changed = asyncio.Event()

    def hear(committed: Committed) -> None:
        if any(event.task_id == task_id for event in committed.events):
            changed.set()

    ends = (context.store.subscribe(hear), context.stopping.subscribe(changed.set))
    try:
        while True:
            changed.clear()  # before looking, so that nothing is missed
            task = await context.store.read(reading)
            left = give_up_at - time.monotonic()
            if TaskStatus(task.status) in _OVER or left <= 0 or context.stopping.is_set:
                return task
            await tell(f"{task.status}{f': {task.progress}' if task.progress else ''}")
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, TELL_SECONDS)):
                    await changed.wait()
    finally:
        for end in ends:
            end()
