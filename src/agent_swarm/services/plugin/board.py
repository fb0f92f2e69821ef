"""The tasks of a swarm: file them, change what waits, tell them what a status stands for, put them aside."""

from agent_swarm.domain.errors import Conflict, IllegalTransition, InvalidInput
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol import rest_plugin as rest
from agent_swarm.protocol.rest import TaskInput
from agent_swarm.services import commands, cursors, task_references, tasks
from agent_swarm.services.plugin import looks, views
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.archived_tasks import ARCHIVED_TASKS, ArchiveTask
from agent_swarm.store.operations import CommandReply, EditTask, Idempotency, Operation
from agent_swarm.store.records import Cursor, TaskFilter, TaskRecord
from agent_swarm.store.refusals import require_editable

_DELETED = "deleted over /swarms"
_ROUNDS = 10  # of looking for tasks that are not archived, before a page stays short
_ENDS = (TaskStatus.COMPLETED, TaskStatus.FAILED)


class Board:
    """The tasks of one store's swarms."""

    def __init__(self, store: Store, rules: tasks.Rules) -> None:
        self._store = store
        self._rules = rules

    async def page(
        self, named: str, *, statuses: tuple[TaskStatus, ...], cursor: str | None, limit: int
    ) -> rest.PluginTaskPage:
        """A page of the tasks that were not put aside, newest first. Raises NotFound."""
        after = None if cursor is None else cursors.read_task(cursor)

        def reading(queries: Queries) -> rest.PluginTaskPage:
            wanted = TaskFilter(statuses=statuses, swarm_id=looks.there(queries, named).id)
            shown, following = _not_archived(queries, wanted, after, limit)
            return rest.PluginTaskPage(
                tasks=[looks.shown_task(queries, record) for record in shown], next_cursor=following
            )

        return await self._store.read(reading)

    async def file(
        self, named: str, wanted: rest.PluginTaskInput, *, by: Identity, idempotency: Idempotency | None
    ) -> tuple[rest.PluginTask, bool]:
        """File a task; answers whether an earlier request had. Raises as `services.tasks.create_task`, NotFound."""
        swarm = await self._store.read(lambda queries: looks.there(queries, named))
        asked = _task_input(wanted, swarm.id)
        known = await self._store.read(task_references.look_up([asked], by=by, profiles=self._rules.profiles))
        operation = tasks.create_task(asked, known, by=by, rules=self._rules, idempotency=idempotency)
        created = await self._store.apply(operation)
        return await self._shown(named, created.task_ids[0]), created.replayed

    async def put(self, named: str, task_id: str, wanted: rest.PluginTaskPatch, *, by: Identity) -> rest.PluginTask:
        """Change what is given of a task. Raises UnknownTask, and IllegalTransition or Conflict before anything is."""
        record = await self._store.read(lambda queries: _open_to_change(queries, named, task_id))
        command = _command(record, wanted.status, by)
        edit = _edit(record, wanted, by)
        if edit is not None:
            await self._store.apply(edit)
        if wanted.priority is not None and wanted.priority != record.spec.priority:
            await self._store.apply(commands.reprioritize(task_id, wanted.priority, by=by))
        if command is not None:
            await self._store.apply(command)
        return await self._shown(named, task_id)

    async def delete(self, named: str, task_id: str, *, by: Identity) -> rest.PluginTask:
        """Cancel a task that has not ended, which stops its attempt, and put it aside; twice is fine."""
        record = await self._store.read(lambda queries: looks.task_of(queries, looks.there(queries, named), task_id))
        if not record.state.is_terminal:
            try:
                await self._store.apply(commands.cancel(task_id, _DELETED, by=by))
            except IllegalTransition as exc:
                if exc.details.get("status") not in (*_ENDS, TaskStatus.CANCELLED):
                    raise
        await self._store.apply(ArchiveTask(task_id=task_id, actor=by.actor))
        return await self._shown(named, task_id)

    async def _shown(self, named: str, task_id: str) -> rest.PluginTask:
        def reading(queries: Queries) -> rest.PluginTask:
            return looks.shown_task(queries, looks.task_of(queries, looks.there(queries, named), task_id))

        return await self._store.read(reading)


def _task_input(wanted: rest.PluginTaskInput, swarm_id: str) -> TaskInput:
    title = " ".join(wanted.title.split())
    if not title:
        raise InvalidInput("title is blank, expected what there is to do", details={"field": "title"})
    return TaskInput.model_validate(
        {
            "prompt": views.prompt_of(title, wanted.description),
            "title": title,
            "tags": wanted.tags,
            "requires": {"anyTag": wanted.tags},
            "priority": wanted.priority,
            "dependsOn": wanted.depends_on,
            "triggers": wanted.triggers,
            "project": wanted.project,
            "agentId": wanted.sandbox_id,
            "harness": wanted.harness,
            "model": wanted.model,
            "timeoutSeconds": wanted.timeout_seconds,
            "swarm": swarm_id,
        }
    )


def _not_archived(
    queries: Queries, wanted: TaskFilter, after: Cursor | None, limit: int
) -> tuple[list[TaskRecord], str | None]:
    shown: list[TaskRecord] = []
    for _ in range(_ROUNDS):
        found = queries.list_tasks(wanted, after=after, limit=limit + 1)
        for record in found[:limit]:
            if queries.record(ARCHIVED_TASKS, record.spec.id) is None:
                shown.append(record)
            after = Cursor(record.spec.created_at, record.spec.id)
            if len(shown) == limit:
                has_more = len(found) > limit or record is not found[-1]
                return shown, cursors.after_task(record) if has_more else None
        if len(found) <= limit:
            return shown, None
    return shown, cursors.after_task(found[limit - 1])


def _open_to_change(queries: Queries, named: str, task_id: str) -> TaskRecord:
    record = looks.task_of(queries, looks.there(queries, named), task_id)
    if queries.record(ARCHIVED_TASKS, task_id) is not None:
        raise Conflict(
            f"task {task_id!r} was deleted: it is kept for the history alone",
            hint="file it anew",
            details={"taskId": task_id},
        )
    return record


def _edit(record: TaskRecord, wanted: rest.PluginTaskPatch, by: Identity) -> EditTask | None:
    """What the task is to say instead; None where it says so already. Raises IllegalTransition for one under way."""
    spec = record.spec
    title = spec.title if wanted.title is None else " ".join(wanted.title.split()) or spec.title
    description = views.description_of(spec) if wanted.description is None else wanted.description
    prompt = views.prompt_of(title, description) if views.has_title(spec) else description or title
    labels = spec.labels if wanted.tags is None else tuple(dict.fromkeys(wanted.tags))
    if (title, prompt, labels) == (spec.title, spec.prompt, spec.labels):
        return None
    require_editable(record.state)
    tasks.require_prompt(prompt, field="description")
    return EditTask(
        task_id=spec.id,
        actor=by.actor,
        title=None if title == spec.title else title,
        prompt=None if prompt == spec.prompt else prompt,
        labels=None if labels == spec.labels else labels,
        any_tag=True,
    )


def _command(record: TaskRecord, wanted: TaskStatus | None, by: Identity) -> Operation[CommandReply] | None:
    """The command that leads to a status. Raises Conflict where none does."""
    task_id, status = record.spec.id, record.state.status
    if wanted is None or wanted is status:
        return None
    match status, wanted:
        case TaskStatus.BACKLOG, TaskStatus.PENDING:
            return commands.promote(task_id, by=by)
        case TaskStatus.PAUSED, TaskStatus.PENDING:
            return commands.resume(task_id, by=by)
        case TaskStatus.PENDING, TaskStatus.BACKLOG:
            return commands.shelve(task_id, by=by)
        case ((TaskStatus.CLAIMED | TaskStatus.RUNNING), TaskStatus.PAUSED):
            return commands.request_pause(task_id, by=by)
        case _, TaskStatus.CANCELLED if not record.state.is_terminal:
            return commands.cancel(task_id, "", by=by)
    why = "only the agent that runs it ends it so" if wanted in _ENDS else "no command leads there"
    raise Conflict(
        f"task {task_id!r} is {status.value} and cannot be made {wanted.value}: {why}",
        hint="a status can be put to cancelled, to paused while the task runs, to pending from the backlog or a pause",
        details={"taskId": task_id, "status": status.value, "wanted": wanted.value},
    )
