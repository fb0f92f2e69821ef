"""The outer half of a run's way out: serves the listeners that its supervisor handed out (`doorway.py`).

The first is the proxy's. The others are doors: loopback addresses of the host that are on the list, which the run finds
at the same address and port inside, so that a program without support for proxies reaches the server or a local model.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from agent_swarm.sandbox.allowlist import AllowList
from agent_swarm.sandbox.proxy import DIAL_SECONDS, HEAD_BYTES, OnDenied, Proxy
from agent_swarm.sandbox.relay import Peer, relay

PROXY_HOST, PROXY_PORT = "127.0.0.1", 13128  # in a namespace of the run's own: nothing else can be there
DOORS = 32
SERVED, ACCEPTED = 64, 256  # connections of one process at a time: what is between waits, what is more is closed

_URL = f"http://{PROXY_HOST}:{PROXY_PORT}"
_DIRECT = "localhost,127.0.0.1,::1"
PROXY_ENVIRONMENT: Mapping[str, str] = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _URL),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), _DIRECT),
    "NODE_USE_ENV_PROXY": "1",  # what makes Node's own HTTP client look at the others
}

Serve = Callable[[Peer], Awaitable[None]]


class Gate:
    """One process's way out. `open` once it is started, `close` when it has ended."""

    def __init__(self, allowed: AllowList, on_denied: OnDenied) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._proxy = Proxy(allowed, on_denied)
        self._doors = allowed.doors[:DOORS]
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(SERVED)

    @property
    def way(self) -> int:
        """The supervisor's end of the socket pair, to be inherited by it."""
        return self._theirs.fileno()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the supervisor has to listen."""
        return [(PROXY_HOST, PROXY_PORT), *(door for door in self._doors if door[1] != PROXY_PORT)]

    async def open(self) -> None:
        """Serve what the supervisor has sent; it did so before it started the command."""
        self._theirs.close()
        _, fds, _, _ = socket.recv_fds(self._ours, 16, 1 + DOORS)
        self._ours.close()
        listeners = [socket.socket(fileno=fd) for fd in fds]
        doors = [_door_to(host, port) for host, port in self.addresses[1:]]
        for listener, serve in zip(listeners, (self._proxy.serve, *doors), strict=True):
            listener.setblocking(False)
            self._servers.append(await asyncio.start_server(self._serving(serve), sock=listener, limit=HEAD_BYTES))

    async def close(self) -> None:
        """End all connections; idempotent, and safe before `open`."""
        for end in (self._ours, self._theirs):
            end.close()
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._proxy.close()

    def _serving(self, serve: Serve) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connections.add(task)
            client = Peer(reader, writer)
            try:
                if len(self._connections) <= ACCEPTED:
                    async with self._room:
                        await serve(client)
            except asyncio.CancelledError:
                return  # the run is over
            finally:
                self._connections.discard(task)
                await client.close()

        return connected


def _door_to(host: str, port: int) -> Serve:
    async def serve(client: Peer) -> None:
        with suppress(OSError, TimeoutError):  # nobody listens there: the run sees its connection closed
            async with asyncio.timeout(DIAL_SECONDS):
                origin = Peer(*await asyncio.open_connection(host, port))
            try:
                await relay(client, origin)
            finally:
                await origin.close()

    return serve
