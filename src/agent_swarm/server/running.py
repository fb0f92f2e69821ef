"""Opens what is behind the front: log, store, app; and closes it again."""

import asyncio
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import structlog

from agent_swarm import __version__
from agent_swarm.domain.configuration import ConfigScope
from agent_swarm.redaction import secrets_in
from agent_swarm.server import logs
from agent_swarm.server.app import ControlPlane, build_app
from agent_swarm.server.node import Node
from agent_swarm.server.settings import ServerSettings, storable, with_stored
from agent_swarm.server.stopping import Stopping
from agent_swarm.server.ways import Ways, find_ways
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.secrets.starting import open_vault
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.services.tokens import api_key_token
from agent_swarm.store.base import Queries
from agent_swarm.store.families.configuration import CONFIG
from agent_swarm.store.opening import open_store
from agent_swarm.store.operations import PutToken
from agent_swarm.vault.backends.settings import load_backend_settings
from agent_swarm.vault.finding import find_keys

log = structlog.get_logger()


@asynccontextmanager
async def running(settings: ServerSettings, api_key: str, stopping: Stopping) -> AsyncIterator[ControlPlane]:
    """The app at work, over the store of these settings. Raises SwarmError where it cannot be."""
    redactor = Redactor()
    logs.configure(settings.log_level, redactor)
    node = Node()
    async with serving(settings, api_key, stopping, node, redactor=redactor) as app:
        log.info("started", version=__version__, data_dir=str(settings.data_dir), node=node.id)
        yield app
    log.info("stopped")


@asynccontextmanager
async def serving(
    settings: ServerSettings,
    api_key: str,
    stopping: Stopping,
    node: Node,
    ways: Ways | None = None,
    *,
    redactor: Redactor | None = None,
) -> AsyncIterator[ControlPlane]:
    """The app at work as `node`, with `ways` to the others, by default those of the settings.

    `redactor` learns every secret that is met. Raises SwarmError, having changed nothing in the database, where the
    encryption key is not the one of what is stored.
    """
    redactor = redactor or Redactor()
    redactor.register(_secrets(settings, api_key))
    backends = load_backend_settings(settings.data_dir)
    redactor.register(backends.secrets)
    keys = await asyncio.to_thread(find_keys, settings.key_sources)  # it may have to be fetched
    redactor.register(key.text for key in (keys.master, keys.previous, keys.staged) if key is not None)
    announce = node.announcing() if settings.is_shared and settings.nats is None else None
    async with open_store(settings.database, synchronous=settings.synchronous, announce=announce) as store:
        vault, known = await open_vault(store, keys, is_shared=settings.is_shared)
        redactor.register(known)
        settings = with_stored(settings, await store.read(_stored_settings(vault)))
        await store.apply(PutToken(token=api_key_token(api_key, now=store.now(), of=_owner_of_key(settings))))
        ways = ways or await find_ways(settings, store, node.id)
        node.join(ways.bus, carries_commits=ways.carries_commits)
        app = build_app(
            store,
            settings,
            vault=vault,
            redactor=redactor,
            stopping=stopping,
            node=node,
            logs=ways.logs,
            backends=backends,
        )
        await ways.logs.open(app.context.transcripts)
        try:
            async with app.router.lifespan_context(app):
                yield app
        finally:
            await ways.logs.close()


def _stored_settings(vault: Vault) -> Callable[[Queries], dict[str, str]]:
    """A reading: the settings that are stored, by variable."""

    def reading(queries: Queries) -> dict[str, str]:
        found = [queries.record(CONFIG, ConfigScope.GLOBAL, "", variable) for variable in storable()]
        return {
            entry.key: vault.open(entry.identity, entry.text) if entry.is_secret else entry.text
            for entry in found
            if entry is not None
        }

    return reading


def _secrets(settings: ServerSettings, api_key: str) -> tuple[str, ...]:
    """What must not be read in a log, an event or a transcript: what this process was told, and its environment."""
    keys = (settings.encryption_key, settings.previous_encryption_key)
    passwords = [urlsplit(settings.postgres_url).password]
    if settings.nats is not None:
        passwords += [settings.nats.password, settings.nats.token]
    passwords += [settings.embeddings_key, settings.kill_object_authorization, urlsplit(settings.kill_object).query]
    return (
        api_key,
        *keys,
        *secrets_in(os.environ),
        *(form for password in passwords if password for form in {password, unquote(password)}),
    )


def _owner_of_key(settings: ServerSettings) -> str:
    """A key that was given replaces the one before, for all servers; one that was made is this server's own."""
    if settings.api_key or not settings.is_shared:
        return ""
    place = f"{socket.gethostname()}:{settings.data_dir.absolute()}"
    return hashlib.sha256(place.encode()).hexdigest()[:8]
