"""`/api/approvals`: what agents ask people, and what those answer."""

import time
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.approvals import ApprovalStatus
from agent_swarm.protocol import limits, rest_approvals
from agent_swarm.server import params
from agent_swarm.server.access import attempts, identity_of, operators, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.problems import shown
from agent_swarm.server.stopping import HeldRequest
from agent_swarm.services.approvals import Approvals
from agent_swarm.services.tokens import Scope

StatusQuery = Annotated[ApprovalStatus | None, Query()]
Wait = Annotated[
    float,
    Query(
        alias="waitSeconds",
        ge=0,
        le=limits.LONG_POLL_SECONDS,
        description="how long to wait for what becomes of it, where it is open",
    ),
]


class ApprovalRoutes:
    """Parses, calls `services.approvals`, renders."""

    def __init__(self, context: Context) -> None:
        self._approvals: Approvals = context.approvals
        self._stopping = context.stopping

    async def ask_approval(
        self, request: Request, body: rest_approvals.ApprovalInput, idempotency_key: params.IdempotencyKey = None
    ) -> rest_approvals.Approval:
        """Ask people; the same Idempotency-Key asks once per task, whichever of its attempts sends it."""
        return await self._approvals.ask(body, key=idempotency_key, by=identity_of(request))

    async def list_approvals(
        self,
        request: Request,
        status: StatusQuery = None,
        task_id: Annotated[str | None, Query(alias="taskId", json_schema_extra={"format": "uuid"})] = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> rest_approvals.ApprovalList:
        """What waits for an answer, or was settled; an attempt sees what its task has asked."""
        wanted = None if task_id is None else params.task_id(task_id)
        return await self._approvals.page(status, task_id=wanted, cursor=cursor, limit=limit, by=identity_of(request))

    async def get_approval(
        self, request: Request, id: params.PathId, wait_seconds: Wait = 0
    ) -> rest_approvals.Approval:
        """One approval, with its answers; where it is open, after a wait for them."""
        by, name = identity_of(request), shown(id, limit=64)
        found = await self._approvals.get(name, by=by)
        give_up_at = time.monotonic() + wait_seconds
        if wait_seconds <= 0 or found.status is not ApprovalStatus.OPEN:
            return found
        async with HeldRequest(request.receive, self._stopping) as held:
            while True:
                news = self._approvals.news(found.id)  # before looking, so that nothing is missed
                found = await self._approvals.get(name, by=by)
                left = give_up_at - time.monotonic()
                if found.status is not ApprovalStatus.OPEN or left <= 0 or held.is_over:
                    return found
                await held.sleep_until(news, left)

    async def answer_approval(
        self, request: Request, id: params.PathId, body: rest_approvals.AnswerInput
    ) -> rest_approvals.Approval:
        """Answer, or deny; the first answer counts."""
        return await self._approvals.answer(shown(id, limit=64), body, by=identity_of(request))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = ApprovalRoutes(context)
    reading = operators_and_attempts(Scope.APPROVALS_READ, Scope.OWN_QUESTIONS)
    asking, answering = attempts(Scope.OWN_QUESTIONS), operators(Scope.APPROVALS_WRITE)
    one, page = rest_approvals.Approval, rest_approvals.ApprovalList
    return [
        route("POST", "/api/approvals", face.ask_approval, answers=one, access=asking, status=201, conflicts=True),
        route("GET", "/api/approvals", face.list_approvals, answers=page, access=reading, refuses=(404,)),
        route("GET", "/api/approvals/{id}", face.get_approval, answers=one, access=reading),
        route(
            "POST",
            "/api/approvals/{id}/answer",
            face.answer_approval,
            answers=one,
            access=answering,
            conflicts=True,
        ),
    ]
