"""HTTP away from here: one request to a model or an MCP server, its answer piece by piece.

The standard library's blocking client, in a thread of its own, as `worker.http` has it and for the same reasons.
"""

import asyncio
import contextlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agent_swarm.worker.http import CONNECT_SECONDS, Endpoint
from agent_swarm.worker.replay.wire import Request

PATIENCE_SECONDS = 600.0  # without a byte; models think for minutes, and the agent CLI gives up before
_PIECE_BYTES = 64 * 1024
_CERTIFICATES = ("NODE_EXTRA_CA_CERTS", "CODEX_CA_CERTIFICATE")  # of the agent CLIs, for hosts with their own
# About one connection (RFC 9110, section 7.6.1), or no longer true once a body has been taken apart.
_NOT_PASSED_ON = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "host", "content-length", "accept-encoding", "expect"),
    }
)


@dataclass(frozen=True, slots=True)
class Response:
    """The head of an answer, with lower-case names, and its body as it comes."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class _Call:
    """One request under way in a thread. Puts the head, then pieces, then None or an error."""

    def __init__(self, connection: http.client.HTTPConnection, request: Request, target: str) -> None:
        self.news: asyncio.Queue[object] = asyncio.Queue()
        self._connection = connection
        self._request = request
        self._target = target
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name="http-upstream", daemon=True).start()

    def end(self) -> None:
        """Break it off, where it goes on; the thread ends then."""
        if (sock := self._connection.sock) is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            connection = self._connection
            connection.connect()
            connection.sock.settimeout(PATIENCE_SECONDS)
            connection.request(self._request.method, self._target, self._request.body or None, self._headers())
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            self._put((response.status, {k: v for k, v in headers.items() if k not in _NOT_PASSED_ON}))
            while piece := response.read1(_PIECE_BYTES):
                self._put(piece)
            self._put(None)
        except (OSError, ValueError, http.client.HTTPException) as exc:
            self._put(exc)
        finally:
            self._connection.close()

    def _headers(self) -> dict[str, str]:
        """The client's own, in plain text both ways: what is recorded can be read."""
        kept = {name: value for name, value in self._request.headers.items() if name not in _NOT_PASSED_ON}
        return {**kept, "Accept-Encoding": "identity", "Connection": "close"}

    def _put(self, news: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.news.put_nowait, news)


@asynccontextmanager
async def asked(base_url: str, path: str, request: Request) -> AsyncIterator[Response]:
    """The answer of `base_url` + `path`, where the request is sent with the headers and the body that it has.

    Raises OSError where it cannot be reached, or breaks off.
    """
    endpoint = Endpoint.of(base_url)
    proxy = endpoint.proxy()
    target = f"{endpoint.prefix}{path}"
    if proxy is not None and endpoint.scheme == "http":
        target = f"http://{endpoint.authority}{target}"
    call = _Call(_connection(endpoint, proxy), request, target)
    try:
        head = _raised(await call.news.get())
        assert isinstance(head, tuple)
        status, headers = head
        yield Response(status, headers, _pieces(call))
    finally:
        call.end()


async def _pieces(call: _Call) -> AsyncIterator[bytes]:
    while (piece := _raised(await call.news.get())) is not None:
        assert isinstance(piece, bytes)
        yield piece


def _raised(news: object) -> object:
    if isinstance(news, OSError):
        raise news
    if isinstance(news, Exception):
        raise ConnectionError(str(news) or type(news).__name__) from news
    return news


def _connection(end: Endpoint, proxy: str | None) -> http.client.HTTPConnection:
    place = (proxy, None) if proxy is not None else (end.host, end.port)
    if end.scheme != "https":
        return http.client.HTTPConnection(*place, timeout=CONNECT_SECONDS)
    connection = http.client.HTTPSConnection(*place, timeout=CONNECT_SECONDS, context=_trust())
    if proxy is not None:
        connection.set_tunnel(end.host, end.port)
    return connection


def _trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    for name in _CERTIFICATES:
        if (path := os.environ.get(name)) is not None:
            with contextlib.suppress(OSError):
                context.load_verify_locations(path)
    return context
