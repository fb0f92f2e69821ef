"""What a running agent tells of its own task."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.protocol import limits, rest
from agent_swarm.server.access import attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.looking import in_short
from agent_swarm.services import commands, outcomes, results
from agent_swarm.services.tokens import Scope

_Told = Annotated[rest.Text, Field(min_length=1, max_length=limits.RESULT_CHARS)]


class StoreProgress(rest.Input):
    """Arguments of store-progress."""

    progress: Annotated[rest.Text, Field(min_length=1, max_length=limits.PROGRESS_CHARS)] | None = None
    result: Annotated[_Told, Field(description="what came of the task, once, at the end")] | None = None
    data: Annotated[dict[str, Any], Field(description="the result for programs, beside `result`")] | None = None
    failure: Annotated[_Told, Field(description="instead of a result: why it cannot be done")] | None = None

    def require_sense(self) -> None:
        """Raise InvalidInput for what says nothing, or two things at once."""
        if self.result is not None and self.failure is not None:
            raise InvalidInput("result and failure exclude each other", details={"field": "failure"})
        if self.data is not None and self.result is None:
            raise InvalidInput("data goes along with a result", details={"field": "data"})
        if self.progress is None and self.result is None and self.failure is None:
            raise InvalidInput("progress, result or failure is missing", details={"field": "progress"})


class ReportingTools:
    """Parses, calls `services`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._tasks = context.tasks
        self._redactor = context.redactor

    async def store(self, asked: StoreProgress, caller: Caller) -> dict[str, Any]:
        """Only ever about the caller's own task."""
        asked.require_sense()
        by, redactor = caller.identity, self._redactor.also(caller.token)  # only its hash is known but for this moment
        task_id = by.task_id or ""
        if asked.progress is not None:
            await self._store.apply(commands.report_progress(task_id, asked.progress, redactor, by=by))
        if asked.result is not None:
            await results.require_match(self._store, task_id, asked.data)
            await self._store.apply(outcomes.state_result(asked.result, asked.data, redactor, by=by))
        if asked.failure is not None:
            await self._store.apply(outcomes.state_failure(asked.failure, redactor, by=by))
        stated = asked.result is not None or asked.failure is not None
        task = in_short(await self._tasks.get(task_id))
        return {**task, "next": "end your run: what you said counts from then on"} if stated else task


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = ReportingTools(context)
    return [
        Tool(
            name="store-progress",
            description=(
                "Say how far you are with your own task, and at its end what came of it: a result, or a failure. The "
                "first one counts, as soon as your run ends. Where the task wants a result by a schema, `data` has to "
                "match it: what is refused can be corrected."
            ),
            takes=StoreProgress,
            access=attempts(Scope.OWN_TASK_PROGRESS),
            call=face.store,
        )
    ]
