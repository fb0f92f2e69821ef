"""The tries at a task, and what the agents did in them."""

import time
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import limits, rest
from agent_swarm.server import params
from agent_swarm.server.access import operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.stopping import HeldRequest
from agent_swarm.services import readings
from agent_swarm.services.tokens import Scope

After = Annotated[int, Query(ge=0, le=params.SEQ_MAX, description="the number of the first line wanted, from 0")]
Wait = Annotated[
    float,
    Query(
        alias="waitSeconds",
        ge=0,
        le=limits.LONG_POLL_SECONDS,
        description="how long to wait for a line where there is none yet",
    ),
]


class AttemptRoutes:
    """Parses, calls `services`, renders."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list_attempts(
        self, id: params.PathId, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> rest.AttemptList:
        """The tries at a task, first one first."""
        return await self._context.store.read(readings.attempts(params.task_id(id), cursor=cursor, limit=limit))

    async def get_transcript(
        self,
        request: Request,
        id: params.PathId,
        number: params.AttemptNumber,
        after: After = 0,
        limit: params.Limit = limits.PAGE_MAX,
        wait_seconds: Wait = 0,
    ) -> rest.Transcript:
        """What the agent did in an attempt, line by line."""
        task_id = params.task_id(id)
        give_up_at = time.monotonic() + wait_seconds
        if wait_seconds <= 0:
            return await self._piece(task_id, number, after, limit)
        async with HeldRequest(request.receive, self._context.stopping) as held:
            while True:
                more = self._context.transcripts.more(task_id, number)  # before looking, so that nothing is missed
                piece = await self._piece(task_id, number, after, limit)
                left = give_up_at - time.monotonic()
                if piece.lines or piece.ended or left <= 0 or held.is_over:
                    return piece
                await held.sleep_until(more, left)

    async def _piece(self, task_id: str, number: int, after: int, limit: int) -> rest.Transcript:
        attempt = await self._context.store.read(lambda queries: readings.require_attempt(queries, task_id, number))
        found = await self._context.transcripts.read(task_id, number, after=after, limit=limit)
        is_over = attempt.ended_at is not None and found.next >= found.total
        return rest.Transcript(lines=found.lines, next=found.next, ended=is_over)


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = AttemptRoutes(context)
    reading = operators_and_attempts(Scope.TASKS_READ)
    return [
        route("GET", "/api/tasks/{id}/attempts", face.list_attempts, answers=rest.AttemptList, access=reading),
        route(
            "GET",
            "/api/tasks/{id}/attempts/{number}/transcript",
            face.get_transcript,
            answers=rest.Transcript,
            access=reading,
        ),
    ]
