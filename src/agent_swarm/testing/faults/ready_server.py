"""A server whose app was made before its process was forked: making it takes most of a server's start.

It is put together as `server.main` and `server.running` do it; that those work is shown by the tests that start whole
programs. Paths are relative, so that each fork has a folder of its own by going there.
"""

import asyncio
import os
import socket
from pathlib import Path

import uvloop

from agent_swarm.server import collector, logs
from agent_swarm.server.app import build_app
from agent_swarm.server.datadir import locked
from agent_swarm.server.listening import HttpServer, address_of, listen
from agent_swarm.server.settings import ServerSettings
from agent_swarm.server.stopping import Stopping
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import api_key_token
from agent_swarm.store.clock import ServerClock
from agent_swarm.store.opening import unopened_store
from agent_swarm.store.operations import PutToken
from agent_swarm.store.sql.sqlite import SqliteEngine

HERE = Path("/proc/self/cwd")  # SQLAlchemy would make a relative path absolute where the app is made


class _LateClock(ServerClock):
    """Starts when the store is opened, not when it is made."""

    def start_from(self, last: int) -> None:
        """Never answer less than `last`."""
        self._last_monotonic = self._monotonic()
        super().start_from(last)


class ReadyServer:
    """Made once; `run` it in as many forks as are needed. `key` is the operators'."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._stopping = Stopping()
        settings = ServerSettings(data_dir=HERE, api_key=key, synchronous="normal")
        self._store = unopened_store(settings.database, clock=_LateClock(), synchronous=settings.synchronous)
        self._app = build_app(self._store, settings, redactor=Redactor((key,)), stopping=self._stopping)
        self._app.middleware_stack = self._app.build_middleware_stack()
        self._server = HttpServer(self._app, self._stopping)
        self._server.config.load()

    @property
    def engine(self) -> SqliteEngine:
        """The one below its store, on the file in the folder in which it is opened."""
        engine = self._store._engine
        assert isinstance(engine, SqliteEngine)
        return engine

    def run(self, data_dir: Path, host: str) -> int:
        """Serve until SIGTERM; answers the exit code."""
        with locked(data_dir):
            os.chdir(data_dir)
            with listen(host, 0) as bound:
                uvloop.run(self._run(bound))
        return 0

    async def _run(self, bound: socket.socket) -> None:
        logs.configure("info", Redactor((self._key,)))
        await self._store.open()
        try:
            await self._store.apply(PutToken(token=api_key_token(self._key, now=self._store.now())))
            async with self._app.router.lifespan_context(self._app):
                collector.settle()
                print(f"API: {address_of(bound)}", flush=True)  # noqa: T201 - as the program does
                await self._server.serve(sockets=[bound])
        finally:
            await self._store.close()
            await asyncio.sleep(0)
