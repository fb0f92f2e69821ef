"""`/api/projects/{idOrName}/queue`: the merge queue of a project, and the results in it."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import limits
from agent_swarm.protocol import rest_merge_queue as shapes
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.routes.projects import IdOrName
from agent_swarm.services.merge_queue.asking import MergeQueues
from agent_swarm.services.tokens import Scope

Settled = Annotated[bool, Query(description="those that are settled, the latest first, instead of those that wait")]


class MergeQueueRoutes:
    """Parses, calls `services.merge_queue`, renders."""

    def __init__(self, context: Context) -> None:
        self._queues: MergeQueues = context.merge_queues

    async def get_merge_queue(self, id_or_name: IdOrName) -> shapes.MergeQueue:
        """The merge queue of a project, with what it does now."""
        return await self._queues.get(id_or_name)

    async def set_merge_queue(
        self, request: Request, id_or_name: IdOrName, body: shapes.MergeQueueInput
    ) -> shapes.MergeQueue:
        """Have results of the project checked together and landed on its branch, from now on or again."""
        return await self._queues.put(id_or_name, body, by=identity_of(request))

    async def turn_off_merge_queue(
        self, request: Request, id_or_name: IdOrName, body: params.NoFields | None = None
    ) -> shapes.MergeQueue:
        """Check nothing more, and let nothing in by itself; what is under way ends."""
        return await self._queues.turn_off(id_or_name, by=identity_of(request))

    async def list_merge_queue_entries(
        self,
        id_or_name: IdOrName,
        settled: Settled = False,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> shapes.QueueEntryList:
        """Results that wait, first ones first; or what became of others."""
        return await self._queues.page(id_or_name, settled=settled, cursor=cursor, limit=limit)

    async def enter_merge_queue(
        self, request: Request, id_or_name: IdOrName, body: shapes.QueueEntryInput
    ) -> shapes.QueueEntry:
        """Put the result of a task in; one that is in, or on the branch, is answered as it is."""
        return await self._queues.enter(id_or_name, body.task_id, by=identity_of(request))

    async def drop_merge_queue_entry(
        self, request: Request, id_or_name: IdOrName, id: params.PathId
    ) -> shapes.QueueEntry:
        """Take the result of a task out that waits."""
        return await self._queues.drop(id_or_name, params.task_id(id), by=identity_of(request))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = MergeQueueRoutes(context)
    reading = operators_and_attempts(Scope.PROJECTS_READ)
    setting, writing = operators(Scope.PROJECTS_WRITE), operators(Scope.TASKS_WRITE)
    queue = "/api/projects/{idOrName}/queue"
    entries, one = f"{queue}/entries", f"{queue}/entries/{{id}}"
    whole, entry = shapes.MergeQueue, shapes.QueueEntry
    return [
        route("GET", queue, face.get_merge_queue, answers=whole, access=reading),
        route("PUT", queue, face.set_merge_queue, answers=whole, access=setting, conflicts=True),
        route("POST", f"{queue}/off", face.turn_off_merge_queue, answers=whole, access=setting),
        route("GET", entries, face.list_merge_queue_entries, answers=shapes.QueueEntryList, access=reading),
        route("POST", entries, face.enter_merge_queue, answers=entry, status=201, access=writing),
        route("DELETE", one, face.drop_merge_queue_entry, answers=entry, access=writing, conflicts=True),
    ]
