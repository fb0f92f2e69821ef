"""The server, composed: every part is made here and handed down; importing this module does nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_swarm import __version__
from agent_swarm.audit.key_file import KeyFile
from agent_swarm.audit.ledger import FILE_NAME as LEDGER_NAME
from agent_swarm.audit.ledger import Ledger
from agent_swarm.audit.publishing import Place, Publisher
from agent_swarm.bus.base import NoticeKind
from agent_swarm.bus.logs import LogStream
from agent_swarm.faults import crash_point
from agent_swarm.server import docs, openapi
from agent_swarm.server.access import Door, guard_routes
from agent_swarm.server.auth import Authenticator
from agent_swarm.server.boundary import Boundary
from agent_swarm.server.checkpoints import Checkpointer, Publishing
from agent_swarm.server.context import Context
from agent_swarm.server.cors import Cors
from agent_swarm.server.denials import Denials
from agent_swarm.server.hashing import Hashing
from agent_swarm.server.housekeeping import Housekeeping, SessionKeeping
from agent_swarm.server.killing.board import SwitchBoard
from agent_swarm.server.killing.watch import FlagWatch, flag_watches
from agent_swarm.server.logins import LogIns
from agent_swarm.server.methods import Methods
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.node import Ears, Following, Node
from agent_swarm.server.peers import Peers
from agent_swarm.server.pool import PoolContext
from agent_swarm.server.pool import routes as pool_routes
from agent_swarm.server.profiles import profiles_of
from agent_swarm.server.rates import RateLimits
from agent_swarm.server.ring import EventRing
from agent_swarm.server.routes import (
    agents,
    attempts,
    audit,
    auth,
    commands,
    events,
    health,
    kill_switch,
    projects,
    tasks,
    users,
)
from agent_swarm.server.service import Service
from agent_swarm.server.settings import ServerSettings
from agent_swarm.server.stopping import Stopping
from agent_swarm.server.timers import TimerService
from agent_swarm.server.unserved import UnservedWatch
from agent_swarm.services.gathered import GatheredTasks
from agent_swarm.services.notary import Notary
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tasks import Rules
from agent_swarm.services.transcripts import Transcripts
from agent_swarm.store.base import Committed
from agent_swarm.store.batcher import BatchingStore

# the routes called most often come first
FACES = (tasks, commands, events, attempts, agents, projects, kill_switch, auth, users, audit, health)

# Who follows events with such a token is to be let go at once.
ENDS_TOKENS = frozenset(
    {"session.ended", "session.allEnded", "signingKey.created", "user.changed", "user.removed", "token.revoked"}
)


class ControlPlane(FastAPI):
    """A FastAPI app behind layers of our own, instead of the framework's: they cost less and refuse in one shape."""

    context: Context
    pool: PoolContext
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
    secrets: Sequence[str] = (),
    stopping: Stopping | None = None,
    node: Node | None = None,
    logs: LogStream | None = None,
) -> ControlPlane:
    """The app over an open store; run its lifespan.

    `secrets` are values to keep out of everything that is stored; `node` is this server among others on the database,
    `logs` carries transcripts to and from those that keep their own.
    """
    node = node or Node()
    metrics = Metrics()
    context = _context(store, settings, secrets, metrics, stopping or Stopping(), node, logs)
    pool = _pool(context, store, node)
    timers = TimerService(store, store.clock, metrics)
    following = Following(node, Ears(store=store, pool=pool, transcripts=context.transcripts, timers=timers))
    services = (
        timers,
        Housekeeping(store),
        SessionKeeping(store),
        UnservedWatch(store, minutes=settings.no_agent_minutes),
        context.door.denials,
        *flag_watches(settings, store, metrics, context.redactor),
        *_publishing(context, settings),
    )
    checkpointer = Checkpointer(
        store,
        context.notary,
        events=settings.audit_checkpoint_events,
        seconds=60 * settings.audit_checkpoint_minutes,
    )
    app = ControlPlane(
        title="Agent Swarm",
        version=__version__,
        description=openapi.DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lambda _: running(context, pool, following, services, checkpointer),
    )
    app.context = context
    app.pool = pool
    app.cors_origins = settings.origins
    app.router.routes.extend(all_routes(app, context, pool))
    guard_routes(app.router.routes, context.door)
    return app


def _context(
    store: BatchingStore,
    settings: ServerSettings,
    secrets: Sequence[str],
    metrics: Metrics,
    stopping: Stopping,
    node: Node,
    logs: LogStream | None,
) -> Context:
    redactor = Redactor((*secrets, settings.api_key))
    transcripts = Transcripts(
        settings.transcripts,
        redactor,
        is_shared=settings.is_shared and settings.nats is None,
        logs=logs,
        on_growth=node.grew,
    )
    door = Door(
        authenticator=Authenticator(store),
        rates=RateLimits(settings.rates),
        denials=Denials(store),
        peers=Peers(settings.proxies),
        metrics=metrics,
        board=SwitchBoard(store, metrics),
    )
    return Context(
        store=store,
        tasks=GatheredTasks(store),
        redactor=redactor,
        transcripts=transcripts,
        authenticator=door.authenticator,
        board=door.board,
        door=door,
        logins=LogIns(store, Hashing(), door),
        metrics=metrics,
        ring=EventRing(),
        stopping=stopping,
        rules=Rules(caps=settings.caps, profiles=profiles_of(settings)),
        notary=Notary(
            store,
            keys=KeyFile(settings.audit_key, is_given=settings.audit_key_file is not None),
            ledger=Ledger(settings.audit / LEDGER_NAME),
            folder=settings.audit,
        ),
    )


def _publishing(context: Context, settings: ServerSettings) -> tuple[Service, ...]:
    """What takes checkpoints to another place, where there is one."""
    if not settings.audit_url:
        return ()
    notary = context.notary
    publishing = Publishing(Publisher(notary.ledger, Place(settings.audit_url, settings.audit_url_token).send))
    notary.on_growth = publishing.hurry
    return (publishing,)


def _pool(context: Context, store: BatchingStore, node: Node) -> PoolContext:
    return PoolContext.build(
        store,
        redactor=context.redactor,
        transcripts=context.transcripts,
        stopping=context.stopping,
        board=context.board,
        profiles=context.rules.profiles,
        on_enter=lambda presence: node.tell(
            NoticeKind.CONNECTED, agent=presence.agent.id, instance=presence.instance_id, at=presence.met_at
        ),
    )


def all_routes(app: ControlPlane, context: Context, pool: PoolContext) -> list[BaseRoute]:
    """Every route there is."""
    return [*(route for face in FACES for route in face.routes(context)), *pool_routes(pool), *docs.routes(app)]


@asynccontextmanager
async def running(
    context: Context, pool: PoolContext, following: Following, services: Sequence[Service], checkpointer: Checkpointer
) -> AsyncIterator[None]:
    """What works in the background while the app serves."""
    unsubscribe = context.store.subscribe(_followers_of(context))
    seq, _ = await context.store.read(lambda queries: queries.head())
    context.ring.head = max(context.ring.head, seq)
    await context.board.open()
    for watch in services:
        if isinstance(watch, FlagWatch) and watch.is_quick:
            await watch.run_once()  # a server that starts beside the flag serves nobody before it has seen it
    async with checkpointer.running(), pool.running(), following.running():
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
    """Tell streams and transcripts what was committed."""

    def told(committed: Committed) -> None:
        context.ring.publish(committed)
        if any(event.type in ENDS_TOKENS for event in committed.events):
            context.ring.ask_again()
        for event in committed.events:
            if event.task_id is not None and event.attempt is not None:
                context.transcripts.notify(event.task_id, event.attempt)

    return told
