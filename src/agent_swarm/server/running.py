"""Opens what is behind the front: log, store, app; and closes it again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from agent_swarm import __version__
from agent_swarm.server import logs
from agent_swarm.server.app import ControlPlane, build_app
from agent_swarm.server.settings import ServerSettings
from agent_swarm.server.stopping import Stopping
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import api_key_token
from agent_swarm.store.opening import open_store
from agent_swarm.store.operations import PutToken

log = structlog.get_logger()


@asynccontextmanager
async def running(settings: ServerSettings, api_key: str, stopping: Stopping) -> AsyncIterator[ControlPlane]:
    """The app at work, over the store of these settings. Raises SwarmError where the store cannot be opened."""
    logs.configure(settings.log_level, Redactor((api_key,)))
    async with open_store(settings.database, synchronous=settings.synchronous) as store:
        await store.apply(PutToken(token=api_key_token(api_key, now=store.now())))
        app = build_app(store, settings, secrets=(api_key,), stopping=stopping)
        async with app.router.lifespan_context(app):
            log.info("started", version=__version__, data_dir=str(settings.data_dir))
            yield app
    log.info("stopped")
