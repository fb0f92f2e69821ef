"""`/api/events`: what happened, a page at a time or as it happens."""

from typing import Annotated

from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from agent_swarm.domain.errors import Unauthenticated
from agent_swarm.protocol import limits, rest
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.rates import RateClass
from agent_swarm.server.stream import EventStream
from agent_swarm.services import events
from agent_swarm.services.events import EventFilter
from agent_swarm.services.tokens import Scope

After = Annotated[int | None, Query(ge=0, le=params.SEQ_MAX, description="the seq of the last event seen")]
Types = Annotated[str | None, Query(max_length=1000, description="comma-separated event types")]
TaskId = Annotated[rest.Id | None, Query(alias="taskId", json_schema_extra={"format": "uuid"})]
LastEventId = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=params.SEQ_MAX)]
Accept = Annotated[str | None, Header(include_in_schema=False)]

_STREAM = {
    200: {
        "description": "A page of events; with `Accept: text/event-stream` a stream of them, one message per event, "
        "its seq as the id, and `event: reset` where the client has to read the state anew.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


class EventRoutes:
    """Parses, calls `services.events` or opens a stream."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list_events(
        self,
        request: Request,
        after: After = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        task_id: TaskId = None,
        types: Types = None,
        last_event_id: LastEventId = None,
        accept: Accept = None,
    ) -> rest.EventPage | Response:
        """What happened since `after`, oldest first; as a stream from now on, or from `Last-Event-ID`."""
        wanted = EventFilter(task_id, frozenset(params.comma_separated(types)))
        if "text/event-stream" not in (accept or ""):
            return await self._context.store.read(events.page(after or 0, limit=limit, wanted=wanted))
        self._context.door.rates.check(identity_of(request), RateClass.STREAM)
        return EventStream(
            store=self._context.store,
            ring=self._context.ring,
            stopping=self._context.stopping,
            metrics=self._context.metrics,
            after=last_event_id if last_event_id is not None else after,
            wanted=wanted,
            is_allowed=lambda: self._is_allowed(request),
        )

    async def _is_allowed(self, request: Request) -> bool:
        """Whether the token of a stream still counts."""
        try:
            return (await self._context.authenticator.identify(request.scope)).may(Scope.EVENTS_READ)
        except Unauthenticated:
            return False


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = EventRoutes(context)
    return [
        route(
            "GET",
            "/api/events",
            face.list_events,
            answers=rest.EventPage,
            access=operators(Scope.EVENTS_READ),
            responses=_STREAM,
        )
    ]
