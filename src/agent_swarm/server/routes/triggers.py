"""`/api/triggers` and `/api/trigger-deliveries`: what happens when tasks have ended, and what became of it."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.triggers import NAME_CHARS
from agent_swarm.protocol import limits, rest_triggers
from agent_swarm.protocol.rest import Id
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.repeating import idempotency_of
from agent_swarm.services.tokens import Scope
from agent_swarm.services.triggers import Triggers

IdOrName = Annotated[str, Path(alias="idOrName", max_length=NAME_CHARS)]
OfTask = Annotated[Id | None, Query(alias="taskId", json_schema_extra={"format": "uuid"})]


class TriggerRoutes:
    """Parses, calls `services.triggers`, renders."""

    def __init__(self, context: Context) -> None:
        self._triggers: Triggers = context.triggers

    async def create_trigger(
        self, request: Request, body: rest_triggers.TriggerInput, idempotency_key: params.IdempotencyKey = None
    ) -> rest_triggers.NewTrigger:
        """Have something happen whenever tasks end. A secret that is made here is in this answer alone."""
        by = identity_of(request)
        once = await idempotency_of(request, by, idempotency_key)
        return await self._triggers.create(body, by=by, once=once)

    async def list_triggers(
        self, task_id: OfTask = None, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> rest_triggers.TriggerList:
        """Standing triggers by name, or with `taskId` those of one task."""
        return await self._triggers.page(task_id=task_id, cursor=cursor, limit=limit)

    async def get_trigger(self, request: Request, id_or_name: IdOrName) -> rest_triggers.TriggerDetail:
        """A standing trigger, whole. Who may not change it does not see the path that its webhook goes to."""
        return await self._triggers.get(id_or_name, by=identity_of(request))

    async def remove_trigger(self, request: Request, id_or_name: IdOrName) -> rest_triggers.Trigger:
        """Take a trigger away; answers what it was. What it has made stays."""
        return await self._triggers.remove(id_or_name, by=identity_of(request))

    async def pause_trigger(
        self, request: Request, id_or_name: IdOrName, body: params.NoFields | None = None
    ) -> rest_triggers.Trigger:
        """Have it fire for no ending until it is resumed."""
        return await self._triggers.pause(id_or_name, by=identity_of(request))

    async def resume_trigger(
        self, request: Request, id_or_name: IdOrName, body: params.NoFields | None = None
    ) -> rest_triggers.Trigger:
        """Have it fire for what ends from now on."""
        return await self._triggers.resume(id_or_name, by=identity_of(request))

    async def list_trigger_deliveries(
        self, id_or_name: IdOrName, limit: params.Limit = limits.PAGE_DEFAULT, cursor: params.Cursor = None
    ) -> rest_triggers.DeliveryList:
        """What became of its firings, the latest first; a task's trigger is named by its id."""
        return await self._triggers.deliveries(id_or_name, cursor=cursor, limit=limit)

    async def get_delivery(self, id: params.PathId) -> rest_triggers.Delivery:
        """What became of one firing."""
        return await self._triggers.delivery(params.task_id(id))

    async def redeliver(
        self, request: Request, id: params.PathId, body: params.NoFields | None = None
    ) -> rest_triggers.Delivery:
        """Send a webhook again, under the same id."""
        return await self._triggers.redeliver(params.task_id(id), by=identity_of(request))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face, shapes = TriggerRoutes(context), rest_triggers
    reading, writing = operators(Scope.TRIGGERS_READ), operators(Scope.TRIGGERS_WRITE)
    table, one, delivery = "/api/triggers", "/api/triggers/{idOrName}", "/api/trigger-deliveries/{id}"
    shown = shapes.Trigger
    return [
        route(
            "POST", table, face.create_trigger, answers=shapes.NewTrigger, status=201, access=writing, conflicts=True
        ),
        route("GET", table, face.list_triggers, answers=shapes.TriggerList, access=reading),
        route("GET", one, face.get_trigger, answers=shapes.TriggerDetail, access=reading),
        route("DELETE", one, face.remove_trigger, answers=shown, access=writing),
        route("POST", f"{one}/pause", face.pause_trigger, answers=shown, access=writing),
        route("POST", f"{one}/resume", face.resume_trigger, answers=shown, access=writing),
        route("GET", f"{one}/deliveries", face.list_trigger_deliveries, answers=shapes.DeliveryList, access=reading),
        route("GET", delivery, face.get_delivery, answers=shapes.Delivery, access=reading),
        route(
            "POST",
            f"{delivery}/redeliver",
            face.redeliver,
            answers=shapes.Delivery,
            access=writing,
            conflicts=True,
        ),
    ]
