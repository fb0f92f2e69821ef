"""`/api/workflows`: stages that wait for each other, carried out by the server's runner and by agents."""

from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import limits, rest_workflows
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.repeating import idempotency_of
from agent_swarm.services.tokens import Scope
from agent_swarm.services.workflows import Workflows


class WorkflowRoutes:
    """Parses, calls `services.workflows`, renders."""

    def __init__(self, context: Context) -> None:
        self._workflows: Workflows = context.workflows

    async def run_workflow(
        self, request: Request, body: rest_workflows.WorkflowRunInput, idempotency_key: params.IdempotencyKey = None
    ) -> rest_workflows.WorkflowRunDetail:
        """Start a workflow: all of its tasks are filed, or none."""
        by = identity_of(request)
        once = await idempotency_of(request, by, idempotency_key)
        return await self._workflows.run(body, by=by, once=once)

    async def validate_workflow(self, body: rest_workflows.WorkflowInput) -> rest_workflows.WorkflowCheck:
        """Say what a workflow has, or everything that is wrong with it; nothing is started."""
        return self._workflows.check(body)

    async def list_workflow_runs(
        self, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> rest_workflows.WorkflowRunList:
        """Runs, the latest first."""
        return await self._workflows.page(cursor=cursor, limit=limit)

    async def get_workflow_run(self, id: params.PathId) -> rest_workflows.WorkflowRunDetail:
        """A run with its stages, as it stands."""
        return await self._workflows.get(id)

    async def cancel_workflow_run(
        self, request: Request, id: params.PathId, body: rest_workflows.WorkflowCancelInput | None = None
    ) -> rest_workflows.WorkflowRunDetail:
        """End a run with everything below it."""
        reason = "" if body is None else body.reason
        return await self._workflows.cancel(id, reason, by=identity_of(request))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face, shapes = WorkflowRoutes(context), rest_workflows
    reading, writing = operators(Scope.WORKFLOWS_READ), operators(Scope.WORKFLOWS_WRITE)
    table, one, detail = "/api/workflows", "/api/workflows/{id}", rest_workflows.WorkflowRunDetail
    return [
        route("POST", table, face.run_workflow, answers=detail, status=201, access=writing, conflicts=True),
        route("POST", f"{table}/validate", face.validate_workflow, answers=shapes.WorkflowCheck, access=reading),
        route("GET", table, face.list_workflow_runs, answers=shapes.WorkflowRunList, access=reading),
        route("GET", one, face.get_workflow_run, answers=detail, access=reading),
        route("POST", f"{one}/cancel", face.cancel_workflow_run, answers=detail, access=writing, conflicts=True),
    ]
