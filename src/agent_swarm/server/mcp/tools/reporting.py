"""What a running agent tells of its own task."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.protocol import limits, rest
from agent_swarm.server.access import attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.looking import in_short
from agent_swarm.services import commands
from agent_swarm.services.tokens import Scope


class StoreProgress(rest.Input):
    """Arguments of store-progress."""

    progress: Annotated[rest.Text, Field(min_length=1, max_length=limits.PROGRESS_CHARS)]


class ReportingTools:
    """Parses, calls `services`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._tasks = context.tasks
        self._redactor = context.redactor

    async def store(self, asked: StoreProgress, caller: Caller) -> dict[str, Any]:
        """Only ever about the caller's own task."""
        by = caller.identity
        task_id = by.task_id or ""
        redactor = self._redactor.also(caller.token)  # only its hash is known but for this moment
        await self._store.apply(commands.report_progress(task_id, asked.progress, redactor, by=by))
        return in_short(await self._tasks.get(task_id))


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = ReportingTools(context)
    return [
        Tool(
            name="store-progress",
            description="Say in a line how far you are with your own task.",
            takes=StoreProgress,
            access=attempts(Scope.OWN_TASK_PROGRESS),
            call=face.store,
        )
    ]
