"""`/api/tasks`: file tasks and look at them."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import limits, rest
from agent_swarm.protocol.rest_commands import RetryInput
from agent_swarm.protocol.rest_explain import Explanation
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import Reply, route
from agent_swarm.server.repeating import REPLAYED, idempotency_of
from agent_swarm.services import explain, readings, retrying, task_references, tasks, views
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.operations import Created
from agent_swarm.store.records import TaskFilter

AgentId = Annotated[rest.Id | None, Query(alias="agentId", json_schema_extra={"format": "uuid"})]


class TaskRoutes:
    """Parses, calls `services`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._tasks = context.tasks
        self._transcripts = context.transcripts
        self._rules = context.rules

    async def create_task(
        self, request: Request, body: rest.TaskInput, idempotency_key: params.IdempotencyKey = None
    ) -> Reply[rest.Task]:
        """File a task."""
        by = identity_of(request)
        asked = await idempotency_of(request, by, idempotency_key)
        known = await self._look_up([body], by)
        created = await self._store.apply(tasks.create_task(body, known, by=by, rules=self._rules, idempotency=asked))
        return await self._created(created)

    async def create_tasks(
        self, request: Request, body: rest.BatchInput, idempotency_key: params.IdempotencyKey = None
    ) -> Reply[rest.BatchReply]:
        """File tasks that may wait for each other: all of them, or none."""
        by = identity_of(request)
        asked = await idempotency_of(request, by, idempotency_key)
        known = await self._look_up(body.tasks, by)
        graph = tasks.create_graph(body.tasks, known, by=by, rules=self._rules, idempotency=asked)
        created = await self._store.apply(graph.operation)
        ids = graph.ids(created)
        made = {record.spec.id: views.task(record) for record in created.records}
        shown = [made[task_id] for task_id in ids] if made else await self._store.read(readings.tasks(ids))
        reply = rest.BatchReply(tasks=shown, refs={ref: ids[index] for ref, index in graph.refs.items()})
        return Reply(reply, REPLAYED if created.replayed else {})

    async def list_tasks(
        self,
        status: params.StatusList = None,
        agent_id: AgentId = None,
        project: params.TextQuery = None,
        swarm: params.TextQuery = None,
        root: params.IdQuery = None,
        parent: params.IdQuery = None,
        tag: params.TextQuery = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> rest.TaskPage:
        """Tasks without their prompts, newest first."""
        filters = TaskFilter(
            statuses=params.statuses(status), agent_id=agent_id, root_id=root, parent_id=parent, label=tag
        )
        return await self._store.read(
            readings.task_page(filters, project=project, swarm=swarm, cursor=cursor, limit=limit)
        )

    async def get_task(self, request: Request, id: params.PathId) -> rest.TaskDetail:
        """A task, whole."""
        return await self._store.read(readings.task_detail(params.task_id(id), by=identity_of(request)))

    async def explain_task(self, id: params.PathId) -> Explanation:
        """Why a task is not running, and what would unblock it."""
        return await explain.explain(self._store, self._transcripts, params.task_id(id))

    async def retry_task(
        self,
        request: Request,
        id: params.PathId,
        body: RetryInput | None = None,
        idempotency_key: params.IdempotencyKey = None,
    ) -> Reply[rest.Task]:
        """File a task that has ended once more, as a new one."""
        by, task_id = identity_of(request), params.task_id(id)
        asked = await idempotency_of(request, by, idempotency_key)
        ended = await self._store.read(lambda queries: retrying.look_up(queries, task_id))
        tells = body is not None and body.include_results
        once_more = retrying.retry(ended, by=by, rules=self._rules, with_results=tells, idempotency=asked)
        created = await self._store.apply(once_more)
        return await self._created(created)

    async def _created(self, created: Created) -> Reply[rest.Task]:
        if created.records:
            return Reply(views.task(created.records[0]))
        return Reply(await self._tasks.get(created.task_ids[0]), REPLAYED)

    async def _look_up(
        self, wanted: list[rest.TaskInput] | list[rest.BatchTaskInput], by: Identity
    ) -> task_references.Known:
        if task_references.names_nothing(wanted, by=by):
            return task_references.Known()
        return await self._store.read(task_references.look_up(wanted, by=by, profiles=self._rules.profiles))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = TaskRoutes(context)
    filing = operators_and_attempts(Scope.TASKS_WRITE, Scope.CHILDREN_CREATE)
    reading = operators_and_attempts(Scope.TASKS_READ)
    return [
        route("POST", "/api/tasks", face.create_task, answers=rest.Task, status=201, access=filing),
        route(
            "POST",
            "/api/tasks/batch",
            face.create_tasks,
            answers=rest.BatchReply,
            status=201,
            access=filing,
            body_limit=limits.BATCH_BYTES,
        ),
        route("GET", "/api/tasks", face.list_tasks, answers=rest.TaskPage, access=reading),
        route(
            "GET",
            "/api/tasks/{id}",
            face.get_task,
            answers=rest.TaskDetail,
            access=operators_and_attempts(Scope.TASKS_READ, Scope.OWN_TASK_READ),
        ),
        route("GET", "/api/tasks/{id}/explain", face.explain_task, answers=Explanation, access=reading),
        route(
            "POST",
            "/api/tasks/{id}/retry",
            face.retry_task,
            answers=rest.Task,
            status=201,
            access=operators(Scope.TASKS_WRITE),
            conflicts=True,
        ),
    ]
