"""Whether the server lives, whether it can work, and its figures."""

import asyncio

from fastapi import Response
from pydantic import BaseModel
from starlette.routing import BaseRoute

from agent_swarm import __version__
from agent_swarm.domain.errors import ShuttingDown, Unavailable
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.server.access import PUBLIC, operators
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.metrics import CONTENT_TYPE, WithoutAgent
from agent_swarm.services import readings
from agent_swarm.services.tokens import Scope
from agent_swarm.store.base import Queries
from agent_swarm.store.records import UnservedClass

READY_SECONDS = 2.0


class Health(BaseModel):
    """The process answers."""

    status: str
    version: str


class HealthRoutes:
    """`/health` never waits for the store, so that a slow disk does not get the server restarted; `/ready` does."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def health(self) -> Health:
        """The process lives."""
        return Health(status="ok", version=__version__)

    async def ready(self) -> Health:
        """The store answers: requests will be served."""
        if self._context.stopping.is_set:
            raise ShuttingDown("the server is shutting down", hint="try again when it is back")
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._context.store.read(lambda queries: queries.head())
        except Exception as exc:
            raise Unavailable("the store does not answer", hint="look at the server's log and at its disk") from exc
        return Health(status="ok", version=__version__)

    async def metrics(self) -> Response:
        """Figures for Prometheus."""
        now = self._context.store.now()
        overview = await self._context.store.read(readings.overview(now=now))
        unserved = [found for found in await self._context.store.read(_unserved) if found.told_at is not None]
        nobody = WithoutAgent(
            tasks=sum(found.tasks for found in unserved),
            classes=len(unserved),
            seconds=max(((now - found.since) / SECOND for found in unserved), default=0.0),
        )
        tasks = {status.value: overview.tasks.get(status.value, 0) for status in TaskStatus}
        page = self._context.metrics.page({"tasks": tasks, "agents": overview.agents}, nobody)
        return Response(page, media_type=CONTENT_TYPE)


def _unserved(queries: Queries) -> list[UnservedClass]:
    return queries.unserved()


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = HealthRoutes(context)
    text = {200: {"description": "Prometheus text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    return [
        route("GET", "/health", face.health, answers=Health, access=PUBLIC),
        route("GET", "/ready", face.ready, answers=Health, access=PUBLIC),
        route(
            "GET",
            "/metrics",
            face.metrics,
            answers=None,
            access=operators(Scope.METRICS_READ),
            response_class=Response,
            responses=text,
        ),
    ]
