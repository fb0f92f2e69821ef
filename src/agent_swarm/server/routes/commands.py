"""What a task can be told to do. Each answers the task as it is afterwards."""

from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.protocol import rest
from agent_swarm.protocol import rest_commands as shapes
from agent_swarm.server import params
from agent_swarm.server.access import attempts, identity_of, operators, people_and_agents
from agent_swarm.server.auth import bearer_token
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import Endpoint, route
from agent_swarm.services import commands, editing, offers, results, waits
from agent_swarm.services.cancelling import cancel_with_all_below
from agent_swarm.services.tokens import Scope
from agent_swarm.store.operations import CommandReply, Operation

Empty = params.NoFields | None


class CommandRoutes:
    """Parses, calls `services.commands`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._tasks = context.tasks
        self._redactor = context.redactor

    async def update_task(self, request: Request, id: params.PathId, body: shapes.TaskPatch) -> rest.Task:
        """Give a task another priority, or have one that waits say something else."""
        task_id, by = params.task_id(id), identity_of(request)
        edit = await self._store.read(editing.edit_of(task_id, body, by=by))
        if edit is not None:
            await self._store.apply(edit)
        if body.priority is not None:
            await self._store.apply(commands.reprioritize(task_id, body.priority, by=by))
        return await self._tasks.get(task_id)

    async def cancel_task(
        self, request: Request, id: params.PathId, body: shapes.CancelInput | None = None
    ) -> rest.Task:
        """End a task for good, whatever it is doing; with `recursive` everything below it, too."""
        task_id, by, asked = params.task_id(id), identity_of(request), body or shapes.CancelInput()
        if asked.recursive:
            await cancel_with_all_below(self._store, task_id, asked.reason, by=by)
            return await self._tasks.get(task_id)
        return await self._carry_out(task_id, commands.cancel(task_id, asked.reason, by=by))

    async def pause_task(self, request: Request, id: params.PathId, body: Empty = None) -> rest.Task:
        """Have a run interrupted; it waits for a person to resume it."""
        task_id = params.task_id(id)
        return await self._carry_out(task_id, commands.request_pause(task_id, by=identity_of(request)))

    async def resume_task(self, request: Request, id: params.PathId, body: Empty = None) -> rest.Task:
        """Put a paused task back into the queue."""
        task_id = params.task_id(id)
        return await self._carry_out(task_id, commands.resume(task_id, by=identity_of(request)))

    async def shelve_task(self, request: Request, id: params.PathId, body: Empty = None) -> rest.Task:
        """Take a task out of the queue, into the backlog."""
        task_id = params.task_id(id)
        return await self._carry_out(task_id, commands.shelve(task_id, by=identity_of(request)))

    async def promote_task(self, request: Request, id: params.PathId, body: Empty = None) -> rest.Task:
        """Put a task of the backlog into the queue."""
        task_id = params.task_id(id)
        return await self._carry_out(task_id, commands.promote(task_id, by=identity_of(request)))

    async def offer_task(self, request: Request, id: params.PathId, body: shapes.OfferInput) -> rest.Task:
        """Show a task of the queue to one agent, which may accept or reject it; nobody else gets it meanwhile."""
        task_id, by = params.task_id(id), identity_of(request)
        return await self._carry_out(task_id, offers.offer(task_id, body.agent_id, seconds=body.ttl_seconds, by=by))

    async def accept_offer(
        self, request: Request, id: params.PathId, body: shapes.AcceptInput | None = None
    ) -> rest.Task:
        """Take a task for the agent that it is offered to."""
        task_id, agent_id = params.task_id(id), body.agent_id if body else None
        return await self._carry_out(task_id, offers.accept(task_id, agent_id, by=identity_of(request)))

    async def reject_offer(
        self, request: Request, id: params.PathId, body: shapes.RejectInput | None = None
    ) -> rest.Task:
        """Give a task that is offered to an agent back to the queue."""
        task_id, asked = params.task_id(id), body or shapes.RejectInput()
        redactor = self._redactor.also(bearer_token(request.scope))
        by = identity_of(request)
        return await self._carry_out(task_id, offers.reject(task_id, asked.agent_id, asked.reason, redactor, by=by))

    async def report_progress(self, request: Request, id: params.PathId, body: shapes.ProgressInput) -> rest.Task:
        """Say how far an attempt is, with its own token."""
        task_id = params.task_id(id)
        redactor = self._redactor.also(bearer_token(request.scope))  # only its hash is known but for this moment
        operation = commands.report_progress(task_id, body.text, redactor, by=identity_of(request))
        return await self._carry_out(task_id, operation)

    async def check_result(self, request: Request, id: params.PathId, body: shapes.ResultInput) -> shapes.ResultCheck:
        """Say what would be wrong with the result of this attempt, where its task has a schema; changes nothing."""
        task_id, by = params.task_id(id), identity_of(request)
        found = await results.would_fail(self._store, task_id, body.text, body.data, by=by)
        return shapes.ResultCheck(problems=found)

    async def wait_for_tasks(self, request: Request, id: params.PathId, body: Empty = None) -> rest.Task:
        """Pause the attempt of this token until the tasks below its own have ended; it goes on where none is open."""
        task_id, by = params.task_id(id), identity_of(request)
        operation = waits.wait_for_tasks(task_id, by=by)
        if await self._store.read(lambda queries: waits.waits_for_some(queries, task_id)):
            return await self._carry_out(task_id, operation)
        return await self._tasks.get(task_id)

    async def _carry_out(self, task_id: str, operation: Operation[CommandReply]) -> rest.Task:
        await self._store.apply(operation)
        return await self._tasks.get(task_id)


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = CommandRoutes(context)
    people = operators(Scope.TASKS_WRITE)
    posted: dict[str, Endpoint] = {
        "cancel": face.cancel_task,
        "pause": face.pause_task,
        "resume": face.resume_task,
        "backlog": face.shelve_task,
        "promote": face.promote_task,
    }
    answering = people_and_agents(Scope.TASKS_WRITE, Scope.OWN_OFFERS)
    answers: dict[str, Endpoint] = {"accept": face.accept_offer, "reject": face.reject_offer}
    return [
        route("PATCH", "/api/tasks/{id}", face.update_task, answers=rest.Task, access=people, conflicts=True),
        *(
            route("POST", f"/api/tasks/{{id}}/{verb}", call, answers=rest.Task, access=people, conflicts=True)
            for verb, call in posted.items()
        ),
        route("POST", "/api/tasks/{id}/offer", face.offer_task, answers=rest.Task, access=people, conflicts=True),
        *(
            route("POST", f"/api/tasks/{{id}}/{verb}", call, answers=rest.Task, access=answering, conflicts=True)
            for verb, call in answers.items()
        ),
        route(
            "POST",
            "/api/tasks/{id}/wait",
            face.wait_for_tasks,
            answers=rest.Task,
            access=attempts(Scope.CHILDREN_CREATE),
            conflicts=True,
        ),
        route(
            "POST",
            "/api/tasks/{id}/result/check",
            face.check_result,
            answers=shapes.ResultCheck,
            access=attempts(Scope.OWN_TASK_PROGRESS),
        ),
        route(
            "POST",
            "/api/tasks/{id}/progress",
            face.report_progress,
            answers=rest.Task,
            access=attempts(Scope.OWN_TASK_PROGRESS),
            conflicts=True,
        ),
    ]
