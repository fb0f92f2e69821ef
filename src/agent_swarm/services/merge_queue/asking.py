"""What people ask of merge queues: have one and look at it, put results in and take them out."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol import rest_merge_queue as rest
from agent_swarm.services import cursors
from agent_swarm.services.merge_queue import views
from agent_swarm.services.projects import branch_named, require_project
from agent_swarm.services.readings import require_task
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.merge_queue import (
    MERGE_QUEUES,
    QUEUE_ENTRIES,
    QUEUE_PAST,
    QUEUE_PLACES,
    MergeQueue,
    QueueEntry,
)
from agent_swarm.store.merge_queues import DropFromQueue, EnterQueue, SetQueue, TurnOffQueue, no_queue
from agent_swarm.store.records import ProjectRecord


class MergeQueues:
    """The merge queues of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, project: str, wanted: rest.MergeQueueInput, *, by: Identity) -> rest.MergeQueue:
        """Have the project's queue be so, and go on. Raises NotFound, InvalidInput, Conflict."""
        operation = await self._store.read(lambda queries: _setting(queries, project, wanted, by))
        await self._store.apply(operation)
        return await self.get(project)

    async def turn_off(self, project: str, *, by: Identity) -> rest.MergeQueue:
        """Have it stand still. Raises NotFound."""
        found = await self._store.read(lambda queries: require_queue(queries, project)[0])
        await self._store.apply(TurnOffQueue(project_id=found.id, actor=by.actor))
        return await self.get(project)

    async def get(self, project: str) -> rest.MergeQueue:
        """A project's queue. Raises NotFound."""
        return await self._store.read(lambda queries: views.queue(queries, *require_queue(queries, project)))

    async def page(self, project: str, *, settled: bool, cursor: str | None, limit: int) -> rest.QueueEntryList:
        """Results that wait, first ones first; or those that are `settled`, the latest first. Raises NotFound."""
        return await self._store.read(_page(project, settled=settled, cursor=cursor, limit=limit))

    async def enter(self, project: str, task_id: str, *, by: Identity) -> rest.QueueEntry:
        """Put the result of a task in. Raises NotFound, UnknownTask, and InvalidInput where it has none."""
        found = await self._store.read(lambda queries: _enterable(queries, project, task_id))
        entry = await self._store.apply(EnterQueue(project_id=found.id, task_id=task_id, actor=by.actor))
        return await self._shown(entry)

    async def drop(self, project: str, task_id: str, *, by: Identity) -> rest.QueueEntry:
        """Take a result out that waits. Raises NotFound, Conflict."""
        found = await self._store.read(lambda queries: require_queue(queries, project)[0])
        entry = await self._store.apply(DropFromQueue(project_id=found.id, task_id=task_id, actor=by.actor))
        return await self._shown(entry)

    async def _shown(self, entry: QueueEntry) -> rest.QueueEntry:
        def reading(queries: Queries) -> rest.QueueEntry:
            now = queries.record(QUEUE_ENTRIES, entry.task_id) or entry
            return _entries(queries, require_queue(queries, entry.project_id)[1], [now])[0]

        return await self._store.read(reading)


def require_queue(queries: Queries, project: str) -> tuple[ProjectRecord, MergeQueue]:
    """A project by its id or name, and its queue. Raises NotFound."""
    found = require_project(queries, project)
    queue = queries.record(MERGE_QUEUES, found.id)
    if queue is None:
        raise no_queue(project)
    return found, queue


def position_of(queries: Queries, entry: QueueEntry) -> int | None:
    """The place of a result among those that wait, from 1; None where it does not, or far more stand before it."""
    places = queries.scan(QUEUE_PLACES, entry.project_id, limit=PLACES) if entry.is_waiting else []
    return next((place for place, one in enumerate(places, 1) if one.task_id == entry.task_id), None)


PLACES = 200  # that are counted


def _setting(queries: Queries, project: str, wanted: rest.MergeQueueInput, by: Identity) -> SetQueue:
    found = require_project(queries, project)
    before = queries.record(MERGE_QUEUES, found.id)
    if before is None and wanted.check is None:
        raise InvalidInput(
            "check is missing: a new merge queue needs the project's own check",
            hint='give one: agent-swarm queue set REPO --check "make test"',
            details={"field": "check"},
        )
    after = before or MergeQueue(project_id=found.id, command="", set_by=by.actor)
    given = wanted.model_dump(exclude_unset=True, exclude_none=True)
    if "check" in given and not given["check"].strip():
        raise InvalidInput("check is blank, expected a shell script", details={"field": "check"})
    fields = {_FIELDS.get(name, name): value for name, value in given.items()}
    if "branch" in fields:
        branch_named(fields["branch"], field="branch")
    if "timeout" in fields:
        fields["timeout"] = max(1, int(fields["timeout"] * SECOND))
    if "tags" in fields:
        fields["tags"] = tuple(dict.fromkeys(fields["tags"]))
    return SetQueue(
        project_id=found.id,
        actor=by.actor,
        version=before.version if before is not None else 0,
        wanted=replace(after, **fields, set_by=by.actor),
    )


_FIELDS = {"check": "command", "timeout_seconds": "timeout"}


def _enterable(queries: Queries, project: str, task_id: str) -> ProjectRecord:
    found, _ = require_queue(queries, project)
    task = require_task(queries, task_id)
    problem = ""
    if task.spec.project_id != found.id:
        problem = f"works on no or another project than {found.name!r}"
    elif task.state.status is not TaskStatus.COMPLETED:
        problem = f"is {task.state.status}, and only results of completed tasks are merged"
    elif not all((task.result or {}).get(part) for part in ("branch", "commit")):
        problem = "has left no commit on a branch"
    if problem:
        raise InvalidInput(f"task {task_id} {problem}", details={"field": "taskId", "taskId": task_id})
    return found


def _page(project: str, *, settled: bool, cursor: str | None, limit: int) -> Callable[[Queries], rest.QueueEntryList]:
    after = cursors.read_place(cursor)

    def reading(queries: Queries) -> rest.QueueEntryList:
        found, queue = require_queue(queries, project)
        if settled:
            past = queries.scan(QUEUE_PAST, found.id, after=after, limit=limit + 1)
            places = [(one.rank, one.task_id) for one in past]
        else:
            waiting = queries.scan(QUEUE_PLACES, found.id, after=after, limit=limit + 1)
            places = [(one.at, one.task_id) for one in waiting]
        shown, following = cursors.page(places, limit, lambda place: cursors.after_place(*place))
        entries = [one for _, task_id in shown if (one := queries.record(QUEUE_ENTRIES, task_id)) is not None]
        return rest.QueueEntryList(entries=_entries(queries, queue, entries), next_cursor=following)

    return reading


def _entries(queries: Queries, queue: MergeQueue, entries: Sequence[QueueEntry]) -> list[rest.QueueEntry]:
    places = queries.scan(QUEUE_PLACES, queue.project_id, limit=PLACES)
    position = {one.task_id: number for number, one in enumerate(places, 1)}
    titles = {task.spec.id: task.spec.title for task in queries.tasks([one.task_id for one in entries])}
    return [
        views.entry(one, titles.get(one.task_id, ""), queue, position.get(one.task_id) if one.is_waiting else None)
        for one in entries
    ]
