"""Tasks, looked at and waited for."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.domain.tasks import TERMINAL, TaskStatus
from agent_swarm.protocol import rest
from agent_swarm.protocol.rest_explain import Explanation
from agent_swarm.server.access import operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.arguments import Cursor, Limit, OfTask, OfTaskOrOwn
from agent_swarm.server.mcp.waiting import LONGEST_SECONDS, wait_for_task
from agent_swarm.services import explain, readings
from agent_swarm.services.tokens import Scope
from agent_swarm.store.records import TaskFilter

PAGE = 20  # a model reads every word of it
_SHOWN = ("id", "title", "status", "priority", "tags", "agentId", "parentTaskId", "progress", "failure")


class GetTasks(rest.Input):
    """Arguments of get-tasks."""

    status: Annotated[list[TaskStatus], Field(max_length=len(TaskStatus))] = Field(default_factory=list)
    agent_id: rest.Id | None = None
    project: Annotated[rest.Label, Field(description="name or id")] | None = None
    parent_task_id: Annotated[rest.Id, Field(description="children of this task")] | None = None
    root_task_id: Annotated[rest.Id, Field(description="everything below this root task")] | None = None
    tag: rest.Label | None = None
    limit: Limit = PAGE
    cursor: Cursor | None = None


class GetTaskDetails(OfTaskOrOwn):
    """Arguments of get-task-details."""

    wait_seconds: Annotated[
        float, Field(ge=0, le=LONGEST_SECONDS, description="answer when the task has ended or is paused, at the latest")
    ] = 0


class LookingTools:
    """Parses, calls `services`, renders."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    async def get_tasks(self, asked: GetTasks, _: Caller) -> dict[str, Any]:
        """A page, newest first, in short."""
        filters = TaskFilter(
            statuses=tuple(asked.status),
            agent_id=asked.agent_id,
            root_id=asked.root_task_id,
            parent_id=asked.parent_task_id,
            label=asked.tag,
        )
        page = await self._store.read(
            readings.task_page(filters, project=asked.project, cursor=asked.cursor, limit=asked.limit)
        )
        return {"tasks": [in_short(task) for task in page.tasks], "nextCursor": page.next_cursor}

    async def get_details(self, asked: GetTaskDetails, caller: Caller) -> dict[str, Any]:
        """A task, whole, now or when it has ended."""
        reading = readings.task_detail(asked.of(caller.identity), by=caller.identity)
        task = await wait_for_task(
            self._context, asked.of(caller.identity), reading, seconds=asked.wait_seconds, tell=caller.tell
        )
        return {**task.model_dump(mode="json", by_alias=True, exclude={"prompt_preview"}), "ended": has_ended(task)}

    async def explain(self, asked: OfTask, _: Caller) -> Explanation:
        """Why it waits."""
        return await explain.explain(self._store, self._context.transcripts, asked.task_id)


def has_ended(task: rest.Task) -> bool:
    """Whether nothing more will come of it."""
    return TaskStatus(task.status) in TERMINAL


def in_short(task: rest.Task) -> dict[str, Any]:
    """A task as lists show it to a model."""
    whole = task.model_dump(mode="json", by_alias=True)
    return {name: whole[name] for name in _SHOWN}


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = LookingTools(context)
    return [
        Tool(
            name="get-tasks",
            description="Tasks in short, newest first; filter by status, agent, project, parent, root or tag.",
            takes=GetTasks,
            access=operators_and_attempts(Scope.TASKS_READ),
            call=face.get_tasks,
            is_reading=True,
        ),
        Tool(
            name="get-task-details",
            description=(
                "A task, whole: prompt, status, progress, result or failure, dependencies. Without taskId: your own. "
                "With waitSeconds it waits for the end of the task; call again while `ended` is false."
            ),
            takes=GetTaskDetails,
            access=operators_and_attempts(Scope.TASKS_READ, Scope.OWN_TASK_READ),
            call=face.get_details,
            is_reading=True,
        ),
        Tool(
            name="explain-task",
            description="Why a task does not run, and what would unblock it.",
            takes=OfTask,
            access=operators_and_attempts(Scope.TASKS_READ),
            call=face.explain,
            is_reading=True,
        ),
    ]
