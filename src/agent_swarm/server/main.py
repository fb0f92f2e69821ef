"""Runs the server: directory, key, socket, then store and app - in this order, and back.

The frameworks are imported in a thread while `front` already answers: this module imports little.
"""

import asyncio
import socket
import sys

import uvloop

from agent_swarm import __version__
from agent_swarm.config import SettingError
from agent_swarm.domain.errors import SwarmError
from agent_swarm.server import collector
from agent_swarm.server.api_key import FILE_NAME, find_api_key
from agent_swarm.server.datadir import locked
from agent_swarm.server.front import Front
from agent_swarm.server.listening import HttpServer, address_of, listen
from agent_swarm.server.settings import ServerSettings
from agent_swarm.server.stopping import Stopping
from agent_swarm.store.address import SqliteAddress
from agent_swarm.store.sql.foreign import require_ours


def run_server(settings: ServerSettings) -> int:
    """Serve until SIGTERM or Ctrl-C; answers the exit code: 0 after a good end, 1 where it could not start."""
    try:
        if isinstance(database := settings.database, SqliteAddress):
            require_ours(database.path)  # before anything is made beside it
        with locked(settings.data_dir):
            api_key = find_api_key(settings)
            with listen(settings.host, settings.port) as bound:
                uvloop.run(_run(settings, bound, api_key))
        return 0
    except SwarmError as exc:
        return _fail(exc)
    except OSError as exc:
        return _fail(SettingError(f"cannot start: {exc}", hint="look at the data directory and its disk"))


async def _run(settings: ServerSettings, bound: socket.socket, api_key: str) -> None:
    stopping = Stopping()
    front = Front(stopping)
    server = HttpServer(front, stopping)
    closed = asyncio.Event()
    working = asyncio.create_task(_work(settings, api_key, front, stopping, address_of(bound), closed))
    working.add_done_callback(lambda _: server.stop())  # without what is behind it, a front is of no use
    try:
        await server.serve(sockets=[bound])
    finally:
        stopping.set()
        closed.set()
        await working


async def _work(
    settings: ServerSettings, api_key: str, front: Front, stopping: Stopping, address: str, closed: asyncio.Event
) -> None:
    """Everything behind the front, until the last connection is closed."""
    await asyncio.to_thread(_import_the_rest)
    from agent_swarm.server.running import running

    async with running(settings, api_key, stopping) as app:
        front.open(app)
        collector.settle()
        if not stopping.is_set:
            print(f"Agent Swarm {__version__} API: {address}{_where_the_key_is(settings)}", flush=True)  # noqa: T201
        stopping.on_failure(closed.set)
        await closed.wait()
        if stopping.failure is not None:
            raise stopping.failure


def _import_the_rest() -> None:
    import agent_swarm.server.running
    import agent_swarm.store.sql.sqlite  # noqa: F401 - what `open_store` would import on the event loop


def _where_the_key_is(settings: ServerSettings) -> str:
    return "" if settings.api_key else f" (API key: {settings.data_dir / FILE_NAME})"


def _fail(error: SwarmError) -> int:
    """One line that says what is wrong and what to do."""
    print(f"agent-swarm api: {error.message}" + (f"; {error.hint}" if error.hint else ""), file=sys.stderr)  # noqa: T201
    return 1
