"""`/api/schedules`: what the clock starts."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain import schedules as domain
from agent_swarm.domain.cron import CRON_CHARS
from agent_swarm.protocol import limits, rest_schedules
from agent_swarm.protocol.rest import Text
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.repeating import idempotency_of
from agent_swarm.services.schedules import Schedules
from agent_swarm.services.tokens import Scope

IdOrName = Annotated[str, Path(alias="idOrName", max_length=domain.NAME_CHARS)]
Count = Annotated[int, Query(ge=1, le=domain.NEXT_MAX)]
CronQuery = Annotated[Text | None, Query(min_length=1, max_length=CRON_CHARS)]
ZoneQuery = Annotated[Text | None, Query(alias="timeZone", min_length=1, max_length=64)]
EveryQuery = Annotated[float | None, Query(alias="everySeconds", ge=domain.SHORTEST_SECONDS, le=domain.LONGEST_SECONDS)]
StartQuery = Annotated[Text | None, Query(alias="startAt", max_length=64)]
AtQuery = Annotated[Text | None, Query(max_length=64)]
COUNT = 5


class ScheduleRoutes:
    """Parses, calls `services.schedules`, renders."""

    def __init__(self, context: Context) -> None:
        self._schedules: Schedules = context.schedules

    async def create_schedule(
        self, request: Request, body: rest_schedules.ScheduleInput, idempotency_key: params.IdempotencyKey = None
    ) -> rest_schedules.ScheduleDetail:
        """Have work started by the clock."""
        by = identity_of(request)
        once = await idempotency_of(request, by, idempotency_key)
        return await self._schedules.create(body, by=by, once=once)

    async def list_schedules(
        self, request: Request, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> rest_schedules.ScheduleList:
        """Schedules without what they start, by name."""
        return await self._schedules.page(cursor=cursor, limit=limit, by=identity_of(request))

    async def preview_schedule(
        self,
        cron: CronQuery = None,
        time_zone: ZoneQuery = None,
        every_seconds: EveryQuery = None,
        start_at: StartQuery = None,
        at: AtQuery = None,
        count: Count = COUNT,
    ) -> rest_schedules.ScheduleTimes:
        """The next instants of a rule, before anybody stores it."""
        wanted = rest_schedules.RuleInput.model_validate(
            {"cron": cron, "timeZone": time_zone, "everySeconds": every_seconds, "startAt": start_at, "at": at}
        )
        return self._schedules.preview(wanted, count=count)

    async def get_schedule(self, request: Request, id_or_name: IdOrName) -> rest_schedules.ScheduleDetail:
        """A schedule, whole."""
        return await self._schedules.get(id_or_name, by=identity_of(request))

    async def change_schedule(
        self, request: Request, id_or_name: IdOrName, body: rest_schedules.SchedulePatch
    ) -> rest_schedules.ScheduleDetail:
        """Change what is said, and keep the rest."""
        return await self._schedules.change(id_or_name, body, by=identity_of(request))

    async def remove_schedule(self, request: Request, id_or_name: IdOrName) -> rest_schedules.Schedule:
        """Take a schedule away; answers what it was. What it has started goes on."""
        return await self._schedules.remove(id_or_name, by=identity_of(request))

    async def run_schedule(
        self,
        request: Request,
        id_or_name: IdOrName,
        body: params.NoFields | None = None,
        idempotency_key: params.IdempotencyKey = None,
    ) -> rest_schedules.ScheduleRun:
        """Start what it starts now, beside the plan."""
        by = identity_of(request)
        once = await idempotency_of(request, by, idempotency_key)
        return await self._schedules.run(id_or_name, by=by, once=once)

    async def pause_schedule(
        self, request: Request, id_or_name: IdOrName, body: params.NoFields | None = None
    ) -> rest_schedules.Schedule:
        """Have it start nothing until it is resumed."""
        return await self._schedules.pause(id_or_name, by=identity_of(request))

    async def resume_schedule(
        self, request: Request, id_or_name: IdOrName, body: params.NoFields | None = None
    ) -> rest_schedules.Schedule:
        """Have it go on from now; what passed meanwhile was not missed."""
        return await self._schedules.resume(id_or_name, by=identity_of(request))

    async def list_schedule_runs(
        self,
        request: Request,
        id_or_name: IdOrName,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> rest_schedules.ScheduleRunList:
        """The latest runs, the last one first."""
        return await self._schedules.runs(id_or_name, cursor=cursor, limit=limit, by=identity_of(request))

    async def next_of_schedule(
        self, request: Request, id_or_name: IdOrName, count: Count = COUNT
    ) -> rest_schedules.ScheduleTimes:
        """The next instants of a schedule, whether it is paused or not."""
        return await self._schedules.next(id_or_name, count=count, by=identity_of(request))

    async def explain_schedule(self, request: Request, id_or_name: IdOrName) -> rest_schedules.ScheduleExplanation:
        """Why a schedule starts nothing now, and what would clear that."""
        return await self._schedules.explain(id_or_name, by=identity_of(request))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face, shapes = ScheduleRoutes(context), rest_schedules
    reading = operators_and_attempts(Scope.SCHEDULES_READ, Scope.OWN_SCHEDULES)
    writing = operators_and_attempts(Scope.SCHEDULES_WRITE, Scope.OWN_SCHEDULES)
    table, one = "/api/schedules", "/api/schedules/{idOrName}"
    detail, shown = shapes.ScheduleDetail, shapes.Schedule
    return [
        route("POST", table, face.create_schedule, answers=detail, status=201, access=writing, conflicts=True),
        route("GET", table, face.list_schedules, answers=shapes.ScheduleList, access=reading),
        route("GET", f"{table}/next", face.preview_schedule, answers=shapes.ScheduleTimes, access=reading),
        route("GET", one, face.get_schedule, answers=detail, access=reading),
        route("PATCH", one, face.change_schedule, answers=detail, access=writing, conflicts=True),
        route("DELETE", one, face.remove_schedule, answers=shown, access=writing),
        route("POST", f"{one}/run", face.run_schedule, answers=shapes.ScheduleRun, access=writing, conflicts=True),
        route("POST", f"{one}/pause", face.pause_schedule, answers=shown, access=writing, conflicts=True),
        route("POST", f"{one}/resume", face.resume_schedule, answers=shown, access=writing, conflicts=True),
        route("GET", f"{one}/runs", face.list_schedule_runs, answers=shapes.ScheduleRunList, access=reading),
        route("GET", f"{one}/next", face.next_of_schedule, answers=shapes.ScheduleTimes, access=reading),
        route("GET", f"{one}/explain", face.explain_schedule, answers=shapes.ScheduleExplanation, access=reading),
    ]
