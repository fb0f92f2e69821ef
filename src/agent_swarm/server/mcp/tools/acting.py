"""What people tell tasks to do; lead agents may cancel the tasks below their own."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field

from agent_swarm.domain.errors import Denied, InvalidInput
from agent_swarm.protocol import limits, rest
from agent_swarm.server.access import operators, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.arguments import OfTask
from agent_swarm.server.mcp.tools.looking import in_short
from agent_swarm.services import claiming, commands, lineage, offers, retrying, views
from agent_swarm.services.cancelling import cancel_with_all_below
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.operations import CommandReply, Operation

Command = Callable[[str, Identity], Operation[CommandReply]]

_COMMANDS: dict[str, Command] = {
    "to-backlog": lambda task_id, by: commands.shelve(task_id, by=by),
    "from-backlog": lambda task_id, by: commands.promote(task_id, by=by),
}

_AGENTS = frozenset({"accept", "reject", "claim", "release"})  # for whoever may answer offers


class TaskAction(OfTask):
    """Arguments of task-action."""

    action: Literal["to-backlog", "from-backlog", "retry", "set-priority", "accept", "reject", "claim", "release"]
    priority: rest.Priority | None = None
    reason: Annotated[rest.Text, Field(max_length=limits.PROGRESS_CHARS, description="with reject and release")] = ""


class CancelTask(OfTask):
    """Arguments of cancel-task."""

    reason: Annotated[rest.Text, Field(max_length=limits.PROGRESS_CHARS)] = ""
    recursive: Annotated[bool, Field(description="also all tasks below it")] = False


class ActingTools:
    """Parses, calls `services.commands`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._tasks = context.tasks
        self._rules = context.rules
        self._redactor = context.redactor

    async def act(self, asked: TaskAction, caller: Caller) -> dict[str, Any]:
        """One of the actions that need no word of their own."""
        by, task_id = caller.identity, asked.task_id
        if (asked.priority is None) == (asked.action == "set-priority"):
            wants = "is missing" if asked.priority is None else f"says nothing to {asked.action}; leave it out"
            raise InvalidInput(f"priority {wants}", details={"field": "priority"})
        if asked.action in _AGENTS:
            return await self._act_as_agent(asked, caller)
        if not by.may(Scope.TASKS_WRITE):
            raise Denied(
                f"this token may {', '.join(sorted(_AGENTS))} for its agent, not {asked.action}",
                hint="ask a person",
                details={"field": "action"},
            )
        if asked.action == "retry":
            return await self._retry(task_id, by)
        if asked.priority is not None:
            return await self._carry_out(task_id, commands.reprioritize(task_id, asked.priority, by=by))
        return await self._carry_out(task_id, _COMMANDS[asked.action](task_id, by))

    async def _act_as_agent(self, asked: TaskAction, caller: Caller) -> dict[str, Any]:
        """Answer an offer, an agent its own, a person any; or take a task of the queue, or give back one's own."""
        by, task_id, redactor = caller.identity, asked.task_id, self._redactor.also(caller.token)
        match asked.action:
            case "claim":
                return await self._claim(task_id, by)
            case "release":
                return await self._carry_out(task_id, claiming.release(task_id, asked.reason, redactor, by=by))
            case "accept":
                return await self._carry_out(task_id, offers.accept(task_id, by=by))
        return await self._carry_out(task_id, offers.reject(task_id, None, asked.reason, redactor, by=by))

    async def _claim(self, task_id: str, by: Identity) -> dict[str, Any]:
        claim = await self._store.read(claiming.claim(task_id, by=by, now=self._store.now()))
        for operation in claim:
            await self._store.apply(operation)
        return in_short(await self._tasks.get(task_id))

    async def cancel(self, asked: CancelTask, caller: Caller) -> dict[str, Any]:
        """End it for good."""
        by = caller.identity
        await self._store.read(lambda queries: lineage.require_below(queries, asked.task_id, by=by))
        if asked.recursive:
            await cancel_with_all_below(self._store, asked.task_id, asked.reason, by=by)
            return in_short(await self._tasks.get(asked.task_id))
        return await self._carry_out(asked.task_id, commands.cancel(asked.task_id, asked.reason, by=by))

    async def pause(self, asked: OfTask, caller: Caller) -> dict[str, Any]:
        """Have the run interrupted."""
        return await self._carry_out(asked.task_id, commands.request_pause(asked.task_id, by=caller.identity))

    async def resume(self, asked: OfTask, caller: Caller) -> dict[str, Any]:
        """Let it go on."""
        return await self._carry_out(asked.task_id, commands.resume(asked.task_id, by=caller.identity))

    async def _carry_out(self, task_id: str, operation: Operation[CommandReply]) -> dict[str, Any]:
        await self._store.apply(operation)
        return in_short(await self._tasks.get(task_id))

    async def _retry(self, task_id: str, by: Identity) -> dict[str, Any]:
        ended = await self._store.read(lambda queries: retrying.look_up(queries, task_id))
        created = await self._store.apply(retrying.retry(ended, by=by, rules=self._rules))
        return in_short(views.task(created.records[0]))


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = ActingTools(context)
    people = operators(Scope.TASKS_WRITE)
    return [
        Tool(
            name="task-action",
            description=(
                "Put a task into the backlog or back into the queue, file one that has ended once more (retry answers "
                "the new task), give it another priority (0 to 100), or answer an offer: accept or reject it with a "
                "reason. Agents answer their own offers only; they claim a task of the queue, which their worker "
                "begins with its next free slot, and release their own one for others, with a reason."
            ),
            takes=TaskAction,
            access=operators_and_attempts(Scope.TASKS_WRITE, Scope.OWN_OFFERS),
            call=face.act,
        ),
        Tool(
            name="cancel-task",
            description="End a task for good, whatever it is doing.",
            takes=CancelTask,
            access=operators_and_attempts(Scope.TASKS_WRITE, Scope.CHILDREN_CREATE),
            call=face.cancel,
        ),
        Tool(
            name="pause-task",
            description="Interrupt a running task in good order; it keeps its conversation and its files.",
            takes=OfTask,
            access=people,
            call=face.pause,
        ),
        Tool(
            name="resume-task",
            description="Put a paused task back into the queue; it goes on where it stopped.",
            takes=OfTask,
            access=people,
            call=face.resume,
        ),
    ]
