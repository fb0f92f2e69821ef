"""Schedules: what an agent has the clock start, below its own task."""

from typing import Annotated, Any, Literal

from pydantic import Field

from agent_swarm.domain import schedules as domain
from agent_swarm.protocol import limits, rest, rest_schedules
from agent_swarm.server.access import operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.arguments import Cursor, Limit, OnceOnly, TaskArgument
from agent_swarm.services.schedules import Schedules
from agent_swarm.services.tokens import Scope

PAGE = 50
RUNS = 5
Named = Annotated[str, Field(min_length=1, max_length=domain.NAME_CHARS, description="its name or id")]


class GetSchedules(rest.Input):
    """Arguments of get-schedules."""

    name: Annotated[Named, Field(description="one of them, with its latest runs and what is in its way")] | None = None
    limit: Limit = PAGE
    cursor: Cursor | None = None


class CreateSchedule(OnceOnly, rest_schedules.RuleInput):
    """Arguments of create-schedule."""

    name: rest_schedules.Name
    tasks: Annotated[list[TaskArgument], Field(min_length=1, max_length=limits.BATCH_TASKS)]
    missed: domain.Missed = domain.Missed.LATEST
    overlap: domain.Overlap = domain.Overlap.SKIP
    until: rest_schedules.InstantText | None = None
    max_runs: rest_schedules.MaxRuns | None = None


class ScheduleAction(OnceOnly):
    """Arguments of schedule-action."""

    name: Named
    action: Literal["run", "pause", "resume", "delete"]


class SchedulingTools:
    """Parses, calls `services.schedules`, renders."""

    def __init__(self, context: Context) -> None:
        self._schedules: Schedules = context.schedules

    async def get(self, asked: GetSchedules, caller: Caller) -> dict[str, Any]:
        """All of them in short, or one whole."""
        by = caller.identity
        if asked.name is None:
            page = await self._schedules.page(cursor=asked.cursor, limit=asked.limit, by=by)
            return {"schedules": [_short(one) for one in page.schedules], "nextCursor": page.next_cursor}
        return {
            "schedule": await self._schedules.get(asked.name, by=by),
            "runs": (await self._schedules.runs(asked.name, cursor=None, limit=RUNS, by=by)).runs,
            "reasons": (await self._schedules.explain(asked.name, by=by)).reasons,
        }

    async def create(self, asked: CreateSchedule, caller: Caller) -> dict[str, Any]:
        """Add one."""
        by = caller.identity
        given = {name: getattr(asked, name) for name in asked.model_fields_set if name != "idempotency_key"}
        wanted = rest_schedules.ScheduleInput.model_construct(**given)
        return _short(await self._schedules.create(wanted, by=by, once=asked.once("create-schedule", by)))

    async def act(self, asked: ScheduleAction, caller: Caller) -> dict[str, Any]:
        """One of the actions that need no word of their own."""
        by = caller.identity
        if asked.action == "run":
            once = asked.once("schedule-action", by)
            return {"run": await self._schedules.run(asked.name, by=by, once=once)}
        verbs = {
            "pause": self._schedules.pause,
            "resume": self._schedules.resume,
            "delete": self._schedules.remove,
        }
        return _short(await verbs[asked.action](asked.name, by=by))


def _short(schedule: rest_schedules.Schedule) -> dict[str, Any]:
    return {
        "id": schedule.id,
        "name": schedule.name,
        "when": schedule.rule.words,
        "status": schedule.status.value,
        "nextAt": schedule.next_at,
        "lastOutcome": schedule.last_outcome,
        "lastFailure": schedule.last_failure,
    }


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = SchedulingTools(context)
    reading = operators_and_attempts(Scope.SCHEDULES_READ, Scope.OWN_SCHEDULES)
    writing = operators_and_attempts(Scope.SCHEDULES_WRITE, Scope.OWN_SCHEDULES)
    return [
        Tool(
            name="get-schedules",
            description="What is started by the clock; those you made, where you are an agent.",
            takes=GetSchedules,
            access=reading,
            call=face.get,
            is_reading=True,
        ),
        Tool(
            name="create-schedule",
            description=(
                "Have tasks (one or a graph, as for send-task) started by the clock: cron in timeZone, everySeconds, "
                "or once: at. From a running agent they become children of its own task, each time."
            ),
            takes=CreateSchedule,
            access=writing,
            call=face.create,
        ),
        Tool(
            name="schedule-action",
            description="Run a schedule now beside its plan, pause it, resume it, or delete it.",
            takes=ScheduleAction,
            access=writing,
            call=face.act,
        ),
    ]
