"""The HTTP proxy through which a run reaches what is on its list, and nothing else.

It serves sockets that listen inside the run's network namespace, from outside of it (`gate.py`). Names are looked up
out here, once per connection, and the address that was judged is the one that is dialled.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from agent_swarm.domain.addresses import Address, address_of
from agent_swarm.sandbox.allowlist import AllowList
from agent_swarm.sandbox.proxy_requests import NotUnderstood, ProxyRequest, parse_head
from agent_swarm.sandbox.relay import Peer, relay

OnDenied = Callable[[str, int, str], None]  # host, port, why; never a path or a query, which may hold secrets

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
DIAL_SECONDS = 20.0
LOOK_UPS = 4  # at a time, for one process of a run, on threads of their own: a name may take its time
_MOST_TOLD = 256  # different hosts
_TOLD_BYTES = 500


class Denied(Exception):
    """The list does not allow this."""


class Unreachable(Exception):
    """Allowed, and yet no connection."""


class Proxy:
    """Answers connections by one list."""

    def __init__(self, allowed: AllowList, on_denied: OnDenied) -> None:
        self._allowed = allowed
        self._on_denied = on_denied
        self._told: set[tuple[str, int]] = set()
        self._look_ups = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="look-up")

    def close(self) -> None:
        """Look nothing up any more."""
        self._look_ups.shutdown(wait=False, cancel_futures=True)

    async def serve(self, client: Peer) -> None:
        """One connection, from its request to its end."""
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await client.reader.readuntil(b"\r\n\r\n")
            request = parse_head(head)
            origin = await self._dial(request)
        except (asyncio.IncompleteReadError, TimeoutError, OSError):
            return
        except asyncio.LimitOverrunError:
            await answer(client, "431 Request Header Fields Too Large", f"at most {HEAD_BYTES} bytes")
        except NotUnderstood:
            await answer(client, "400 Bad Request", "expected CONNECT host:port, or a request for an http:// URL")
        except Denied as exc:
            self._tell(request, str(exc))
            await answer(client, "403 Forbidden", _refusal(request, str(exc)))
        except Unreachable as exc:
            await answer(client, "502 Bad Gateway", f"{request.host}:{request.port}: {exc}")
        else:
            await _connect(client, origin, request)

    async def _dial(self, request: ProxyRequest) -> Peer:
        host, port = request.host, request.port
        if not self._allowed.names(host, port):
            raise Denied("it is not on the list")
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                addresses = await self._look_up(host, port)
                reachable = [one for one in addresses if self._allowed.admits(host, one, port)]
                if addresses and not reachable:
                    raise Denied("its address is not public, and the list does not name that address with its port")
                return await _first(reachable, port)
        except TimeoutError:
            raise Unreachable(f"no answer within {DIAL_SECONDS:.0f} s") from None

    async def _look_up(self, host: str, port: int) -> list[Address]:
        """The addresses of a host, the preferred one first. Raises Unreachable where it has none."""
        literal = address_of(host)
        if literal is not None:
            return [literal]
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._look_ups, ask)
        except OSError as exc:
            raise Unreachable(exc.strerror or "unknown host") from None
        return [ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found]

    def _tell(self, request: ProxyRequest, why: str) -> None:
        """Each host once: an agent may try again for hours."""
        place = request.host, request.port
        if place not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(place)
            self._on_denied(*place, why)


async def answer(client: Peer, status: str, text: str) -> None:
    """A whole answer of our own."""
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with suppress(OSError):
        client.writer.write(head.encode() + body)
        await client.writer.drain()


async def _first(addresses: list[Address], port: int) -> Peer:
    last = "it has no address"
    for address in addresses:
        try:
            return Peer(*await asyncio.open_connection(str(address), port))
        except OSError as exc:
            last = exc.strerror or "refused"
    raise Unreachable(last)


async def _connect(client: Peer, origin: Peer, request: ProxyRequest) -> None:
    try:
        if request.is_tunnel:
            client.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            origin.writer.write(request.head)
        await relay(client, origin)
    finally:
        await origin.close()


def _refusal(request: ProxyRequest, why: str) -> str:
    place = f"{request.host}:{request.port}"[:_TOLD_BYTES]
    return f"{place} cannot be reached from here: {why}. The operator may add it to AGENT_SWARM_NETWORK_ALLOW."
