"""The app: its routes behind their guards, and what works in the background while it serves.

Its parts are made by `parts`; importing this module does nothing.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_swarm import __version__
from agent_swarm.bus.logs import LogStream
from agent_swarm.faults import crash_point
from agent_swarm.server import dashboard, docs, openapi
from agent_swarm.server.access import guard_routes
from agent_swarm.server.boundary import Boundary
from agent_swarm.server.context import Context
from agent_swarm.server.cors import Cors
from agent_swarm.server.killing.watch import FlagWatch
from agent_swarm.server.mcp import endpoint as mcp
from agent_swarm.server.methods import Methods
from agent_swarm.server.node import Node
from agent_swarm.server.parts import Ground, Parts, make_parts
from agent_swarm.server.pool import PoolContext
from agent_swarm.server.pool import routes as pool_routes
from agent_swarm.server.routes import (
    accounts,
    agent_profiles,
    agents,
    approvals,
    attachments,
    attempts,
    audit,
    auth,
    budgets,
    channels,
    commands,
    config,
    conflicts,
    events,
    health,
    keys,
    kill_switch,
    kv,
    memory,
    merge_queue,
    messages,
    plugin,
    projects,
    schedules,
    swarms,
    tasks,
    triggers,
    users,
    workflows,
)
from agent_swarm.server.settings import ServerSettings
from agent_swarm.server.stopping import Stopping
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.store.base import Committed
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.vault.backends.settings import BackendSettings

# the routes called most often come first
FACES = (
    tasks,
    commands,
    events,
    attachments,
    attempts,
    messages,
    channels,
    agents,
    agent_profiles,
    swarms,
    projects,
    conflicts,
    plugin,
    kill_switch,
    auth,
    users,
    audit,
    config,
    accounts,
    keys,
    memory,
    kv,
    approvals,
    schedules,
    budgets,
    triggers,
    merge_queue,
    workflows,
    health,
)

# Who follows events with such a token is to be let go at once.
ENDS_TOKENS = frozenset(
    {
        "session.ended",
        "session.allEnded",
        "signingKey.created",
        "signingKey.removed",
        "user.changed",
        "user.removed",
        "token.revoked",
    }
)


class ControlPlane(FastAPI):
    """A FastAPI app behind layers of our own, instead of the framework's: they cost less and refuse in one shape."""

    context: Context
    pool: PoolContext
    mcp: mcp.Endpoint
    cors_origins: Sequence[str] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Straight to our own layers; what the framework would do around every request is theirs."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        scope["app"] = self
        await self.middleware_stack(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """From the outside: ids, answers to whatever is raised, counts; HEAD and OPTIONS; the router."""
        app: ASGIApp = Methods(self.router, self.routes)
        if self.cors_origins:
            app = Cors(app, self.cors_origins)
        return Boundary(app, self.context.metrics)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document."""
        if not self.openapi_schema:
            self.openapi_schema = openapi.document(self, super().openapi())
        return self.openapi_schema


def build_app(
    store: BatchingStore,
    settings: ServerSettings,
    *,
    vault: Vault | None = None,
    redactor: Redactor | None = None,
    stopping: Stopping | None = None,
    node: Node | None = None,
    logs: LogStream | None = None,
    backends: BackendSettings | None = None,
) -> ControlPlane:
    """The app over an open store; run its lifespan.

    `vault` opens the secrets that are stored, by default none; `redactor` keeps them out of everything else; `node` is
    this server among others on the database, `logs` carries transcripts to and from those that keep their own;
    `backends` says how secrets that are kept elsewhere are reached, by default not at all.
    """
    redactor = redactor or Redactor()
    redactor.register([settings.api_key])
    ground = Ground(
        store=store,
        settings=settings,
        vault=vault or Vault(),
        redactor=redactor,
        stopping=stopping or Stopping(),
        node=node or Node(),
        logs=logs,
        backends=backends or BackendSettings(),
    )
    parts = make_parts(ground)
    app = ControlPlane(
        title="Agent Swarm",
        version=__version__,
        description=openapi.DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lambda _: running(parts),
    )
    app.context = parts.context
    app.pool = parts.pool
    app.mcp = parts.mcp
    app.cors_origins = settings.origins
    app.router.routes.extend(all_routes(app, parts))
    guard_routes(app.router.routes, parts.context.door)
    return app


def all_routes(app: ControlPlane, parts: Parts) -> list[BaseRoute]:
    """Every route there is."""
    faces = (route for face in FACES for route in face.routes(parts.context))
    return [*faces, *pool_routes(parts.pool), mcp.route_of(parts.mcp), *docs.routes(app), *dashboard.routes()]


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    """What works in the background while the app serves."""
    context, services = parts.context, parts.services
    unsubscribe = context.store.subscribe(_followers_of(context))
    seq, _ = await context.store.read(lambda queries: queries.head())
    context.ring.head = max(context.ring.head, seq)
    await context.environments.open()
    await context.board.open()
    for watch in services:
        if isinstance(watch, FlagWatch) and watch.is_quick:
            await watch.run_once()  # a server that starts beside the flag serves nobody before it has seen it
    async with parts.checkpointer.running(), parts.pool.running(), parts.following.running(), parts.mcp.running():
        for service in services:
            await service.start()
        try:
            yield
        finally:
            context.stopping.set()
            crash_point("server.stopping")
            for service in reversed(services):
                await service.stop()
    context.ring.close()
    context.logins.close()
    context.authenticator.close()
    context.board.close()
    unsubscribe()


def _followers_of(context: Context) -> Any:
    """Tell streams, and whoever waits for transcripts and answers, what was committed."""

    def told(committed: Committed) -> None:
        context.ring.publish(committed)
        if any(event.type in ENDS_TOKENS for event in committed.events):
            context.ring.ask_again()
        context.environments.hear(committed)
        context.keeping_keys.hear(committed)
        for event in committed.events:
            if event.task_id is not None and event.attempt is not None:
                context.transcripts.notify(event.task_id, event.attempt)
            if event.subject_kind == "approval":
                context.approvals.notify(event.subject_id)

    return told
