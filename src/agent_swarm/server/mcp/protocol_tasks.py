"""Following a task from outside by the methods of the tasks extension: look at it, answer what it asks, cancel it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from agent_swarm.domain.approvals import ApprovalStatus
from agent_swarm.domain.errors import Conflict, Denied, IllegalTransition, UnknownTask
from agent_swarm.domain.ids import normalize_id
from agent_swarm.protocol import limits, rest_approvals
from agent_swarm.server.context import Context
from agent_swarm.server.mcp import handles
from agent_swarm.services import commands, lineage, readings
from agent_swarm.services.tokens import Identity, Scope


class ProtocolTasks:
    """Calls `services` with the identity of who asks, as the tools do. Raises what these raise."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._approvals = context.approvals

    async def get(self, task_id: str, by: Identity) -> dict[str, Any]:
        """How the task stands, and what came of it. Raises UnknownTask, Denied."""
        task = await self._store.read(readings.task_detail(_known(task_id), by=by))
        return handles.with_result(task, asks=await self._open(task.id, by))

    async def cancel(self, task_id: str, by: Identity) -> None:
        """End the task. One that has ended stays as it is. Raises UnknownTask, Denied."""
        if not (by.may(Scope.TASKS_WRITE) or by.may(Scope.CHILDREN_CREATE)):
            raise Denied("this token may not cancel tasks", hint="use the token of an operator or of a lead agent")
        known = _known(task_id)
        await self._store.read(lambda queries: lineage.require_below(queries, known, by=by))
        with suppress(IllegalTransition):  # it has ended
            await self._store.apply(commands.cancel(known, "", by=by))

    async def answer(self, task_id: str, responses: Mapping[str, Any], by: Identity) -> None:
        """Take answers to what the task asked. Those to what is not open are ignored. Raises InvalidInput."""
        task = await self._store.read(readings.task_detail(_known(task_id), by=by))
        for approval in await self._open(task.id, by):
            answer = handles.answer_to(approval, responses.get(approval.id))
            if answer is not None:
                with suppress(Conflict):  # somebody was faster
                    await self._approvals.answer(approval.id, answer, by=by)

    async def _open(self, task_id: str, by: Identity) -> list[rest_approvals.Approval]:
        """What the task asks and the caller may answer."""
        if not by.may(Scope.APPROVALS_WRITE):
            return []
        page = await self._approvals.page(
            ApprovalStatus.OPEN, task_id=task_id, cursor=None, limit=limits.PAGE_MAX, by=by
        )
        return page.approvals


def _known(task_id: str) -> str:
    known = normalize_id(task_id)
    if known is None:
        raise UnknownTask(task_id)
    return known
