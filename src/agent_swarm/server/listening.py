"""The socket, and the server on it: SIGTERM and Ctrl-C end it in good order."""

import asyncio
import errno
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from agent_swarm.config import SettingError
from agent_swarm.protocol.limits import FRAME_BYTES
from agent_swarm.server.stopping import Stopping

BACKLOG = 4096  # a burst of reconnecting workers must not be turned away
GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 30


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; raises SettingError where the address cannot be had."""
    try:
        # "localhost" may mean ::1 alone, which clients of 127.0.0.1 would not find.
        name = "127.0.0.1" if host == "localhost" else host.strip("[]")
        family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(BACKLOG)
        except BaseException:
            bound.close()
            raise
    except socket.gaierror as exc:
        raise SettingError(
            f"cannot listen on {host}: {exc.strerror}", hint="set HOST to an address of this machine"
        ) from exc
    except OSError as exc:
        raise SettingError(f"cannot listen on {host}:{port}: {exc.strerror}", hint=_remedy(exc)) from exc
    bound.setblocking(False)
    return bound


def address_of(bound: socket.socket) -> str:
    """Where clients of this machine find the server."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class HttpServer(uvicorn.Server):
    """uvicorn, with an end that held requests hear of, and that is not a death by signal."""

    def __init__(self, app: ASGIApp, stopping: Stopping) -> None:
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            ws_max_size=FRAME_BYTES,
            ws_per_message_deflate=False,  # it doubles the memory of a connection
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            lifespan="off",  # `main` opens and closes what the app needs
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        super().__init__(config)
        self._stopping = stopping

    def stop(self) -> None:
        """Take no more connections, end those that are open; again is fine."""
        self._stopping.set()
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C stop the server; a second Ctrl-C stops waiting for what is still open."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
            loop.remove_signal_handler(signal.SIGINT)

    def _interrupt(self) -> None:
        self.force_exit = self.should_exit
        self.stop()


def _remedy(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another program has the port: stop it, or choose another one with --port or PORT"
        case errno.EACCES:
            return "ports below 1024 need privileges: choose another one with --port or PORT"
        case errno.EADDRNOTAVAIL:
            return "set HOST to an address of this machine"
        case _:
            return "choose another address with HOST and PORT"
