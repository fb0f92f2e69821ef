"""Cancelling a task together with everything below it."""

import asyncio
from contextlib import suppress

from agent_swarm.domain.errors import IllegalTransition
from agent_swarm.domain.tasks import OPEN
from agent_swarm.services import commands
from agent_swarm.services.readings import require_task
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.records import Cursor, TaskFilter, TaskRecord

PAGE = 200


async def cancel_with_all_below(store: Store, task_id: str, reason: str, *, by: Identity) -> None:
    """End a task and all tasks below it for good; what has ended stays as it is. Raises UnknownTask.

    From the top down, and again until nothing is open: what an attempt files while this goes on is caught as well, and
    an attempt whose task is cancelled files no more.
    """
    await store.read(lambda queries: require_task(queries, task_id))
    await _cancel(store, task_id, reason, by)
    while below := await store.read(lambda queries: open_below(queries, task_id)):
        await asyncio.gather(*(_cancel(store, one, reason, by) for one in below))


def open_below(queries: Queries, task_id: str) -> list[str]:
    """The tasks anywhere below this one that have not ended, those nearest to it first."""
    top = require_task(queries, task_id)
    lines: dict[str, bool] = {task_id: True}  # whether a task is the one, or below it
    found = [record for record in _open_of(queries, top.spec.root_id) if _is_below(queries, record, task_id, lines)]
    return [record.spec.id for record in sorted(found, key=lambda one: (one.spec.depth, one.spec.id))]


async def _cancel(store: Store, task_id: str, reason: str, by: Identity) -> None:
    with suppress(IllegalTransition):  # it has ended
        await store.apply(commands.cancel(task_id, reason, by=by))


def _open_of(queries: Queries, root_id: str) -> list[TaskRecord]:
    records: list[TaskRecord] = []
    after: Cursor | None = None
    while page := queries.list_tasks(TaskFilter(statuses=OPEN, root_id=root_id), after=after, limit=PAGE):
        records += page
        after = Cursor(page[-1].spec.created_at, page[-1].spec.id)
    return records


def _is_below(queries: Queries, record: TaskRecord, top_id: str, lines: dict[str, bool]) -> bool:
    """Whether the task stands below the one; `lines` keeps what is known of its ancestors."""
    if record.spec.id == top_id:
        return False
    line = [record.spec.id]
    parent_id = record.spec.parent_id
    while parent_id is not None and parent_id not in lines:
        line.append(parent_id)
        parent = queries.task(parent_id)
        parent_id = None if parent is None else parent.spec.parent_id
    is_below = parent_id is not None and lines[parent_id]
    lines.update(dict.fromkeys(line, is_below))
    return is_below
