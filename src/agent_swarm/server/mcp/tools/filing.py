"""Tasks, handed to others."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.protocol import limits
from agent_swarm.server.access import attempts, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Begun, Caller, Tool
from agent_swarm.server.mcp.tools.arguments import Nothing, OnceOnly, TaskArgument
from agent_swarm.server.mcp.tools.looking import in_short
from agent_swarm.services import readings, task_references, tasks, views, waits
from agent_swarm.services.tokens import Scope


class SendTask(OnceOnly):
    """Arguments of send-task."""

    tasks: Annotated[list[TaskArgument], Field(min_length=1, max_length=limits.BATCH_TASKS)]


class FilingTools:
    """Parses, calls `services.tasks`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._rules = context.rules

    async def send(self, asked: SendTask, caller: Caller) -> dict[str, Any] | Begun:
        """File all of them, or none; one alone can be followed as a task of the protocol."""
        by = caller.identity
        if task_references.names_nothing(asked.tasks, by=by):
            known = task_references.Known()
        else:
            known = await self._store.read(task_references.look_up(asked.tasks, by=by, profiles=self._rules.profiles))
        once = asked.once("send-task", by)
        graph = tasks.create_graph(asked.tasks, known, by=by, rules=self._rules, idempotency=once)
        created = await self._store.apply(graph.operation)
        ids = graph.ids(created)
        made = {record.spec.id: views.task(record) for record in created.records}
        shown = [made[task_id] for task_id in ids] if made else await self._store.read(readings.tasks(ids))
        said = {
            "tasks": [in_short(task) for task in shown],
            "refs": {ref: ids[index] for ref, index in graph.refs.items()},
            "replayed": created.replayed or None,
        }
        return Begun(said, shown[0]) if len(shown) == 1 else said

    async def wait(self, _: Nothing, caller: Caller) -> dict[str, Any]:
        """Pause until the tasks below have ended; at once what they came to where they have."""
        by = caller.identity
        task_id = by.task_id or ""
        operation = waits.wait_for_tasks(task_id, by=by)
        if await self._store.read(lambda queries: waits.waits_for_some(queries, task_id)):
            await self._store.apply(operation)
            return _paused()
        return {"ended": await self._store.read(lambda queries: waits.account_of(queries, task_id))}


def _paused() -> dict[str, Any]:
    return {"paused": True, "next": "stop here: your run is interrupted, and goes on with what they came to"}


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = FilingTools(context)
    return [
        Tool(
            name="send-task",
            description=(
                "Hand over one task or a graph of them: all are filed, or none. Give a task a `ref` to let others of "
                "the call name it in dependsOn. From a running agent they become children of its own task. "
                "Answers the ids."
            ),
            takes=SendTask,
            access=operators_and_attempts(Scope.TASKS_WRITE, Scope.CHILDREN_CREATE),
            call=face.send,
        ),
        Tool(
            name="wait-for-tasks",
            description=(
                "Stop here until all tasks that you have sent have ended; your run is paused, and goes on with one "
                "account of what they came to. Where all have ended it answers that account."
            ),
            takes=Nothing,
            access=attempts(Scope.CHILDREN_CREATE),
            call=face.wait,
        ),
    ]
