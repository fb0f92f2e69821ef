"""HTTP for the two places where the worker needs it: registration, and the long poll where no WebSocket gets through.

The standard library's blocking client, in a thread of its own: a worker host installs as little as possible. A request
that is cancelled has its socket shut down, which ends the thread's wait; the threads are daemons, so none holds up the
end of the worker.
"""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from agent_swarm.worker.link import MAX_MESSAGE_BYTES, LinkLost, headers, refusal
from agent_swarm.worker.settings import LOOPBACK

T = TypeVar("T")

CONNECT_SECONDS = 10.0
_GONE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server is."""

    scheme: str
    host: str
    port: int | None
    prefix: str

    @classmethod
    def of(cls, url: str) -> "Endpoint":
        """Parsed from a base URL such as https://swarm.example/base."""
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port, parts.path.rstrip("/"))

    @property
    def is_local(self) -> bool:
        """It is this machine: no proxy is asked."""
        return self.host in LOOPBACK

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def proxy(self) -> str | None:
        """The proxy that the environment names for it, as host:port."""
        if self.is_local or urllib.request.proxy_bypass(self.authority):
            return None
        found = urllib.request.getproxies().get(self.scheme)
        return urlsplit(found).netloc.rpartition("@")[2] if found else None


class HttpLane:
    """One connection to the server, kept open, for one request at a time."""

    def __init__(self, url: str, name: str) -> None:
        self._endpoint = Endpoint.of(url)
        self._name = f"http-{name}"
        self._connection: http.client.HTTPConnection | None = None
        self._is_closed = False

    async def post(
        self, path: str, body: Mapping[str, Any], *, token: str, patience: float, again: bool = True
    ) -> dict[str, Any]:
        """The JSON object that the server answers. Raises LinkLost, or what the server refused with.

        `patience` is in seconds. `again`: where a connection kept from before proves to be closed, try a new one.
        """
        encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            status, answer = await self._in_thread(lambda: self._post(path, encoded, token, patience, again))
        except asyncio.CancelledError:
            self._abort()
            raise
        except (OSError, http.client.HTTPException) as exc:
            raise LinkLost(
                f"cannot reach {self._endpoint.authority}: {_reason(exc)}", hint="it is tried again"
            ) from exc
        return _object(status, answer)

    def close(self) -> None:
        """End the connection and the thread; idempotent."""
        self._is_closed = True
        self._abort()

    def _in_thread(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        """What `call` answers or raises, without holding up the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(answer: T | None, error: BaseException | None) -> None:
            if future.done():
                return  # cancelled: nobody waits any more
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(cast(T, answer))

        def run() -> None:
            try:
                outcome: tuple[T | None, BaseException | None] = (call(), None)
            except BaseException as exc:
                outcome = (None, exc)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, *outcome)

        threading.Thread(target=run, name=self._name, daemon=True).start()
        return future

    def _post(self, path: str, body: bytes, token: str, patience: float, again: bool) -> tuple[int, bytes]:
        is_reused = self._connection is not None
        try:
            return self._post_once(path, body, token, patience)
        except _GONE:
            self._drop()
            if not (is_reused and again) or self._is_closed:
                raise
        except BaseException:
            self._drop()
            raise
        return self._post_once(path, body, token, patience)

    def _post_once(self, path: str, body: bytes, token: str, patience: float) -> tuple[int, bytes]:
        connection = self._connection = self._connection or self._connect()
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(patience)
        target = f"{self._endpoint.prefix}{path}"
        if self._endpoint.scheme == "http" and self._endpoint.proxy():
            target = f"http://{self._endpoint.authority}{target}"
        connection.request("POST", target, body, {**headers(token), "Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read(MAX_MESSAGE_BYTES + 1)
        if response.will_close or len(answer) > MAX_MESSAGE_BYTES:
            self._drop()
        return response.status, answer

    def _connect(self) -> http.client.HTTPConnection:
        end, proxy = self._endpoint, self._endpoint.proxy()
        kind = http.client.HTTPSConnection if end.scheme == "https" else http.client.HTTPConnection
        if proxy is None:
            return kind(end.host, end.port, timeout=CONNECT_SECONDS)
        connection = kind(proxy, timeout=CONNECT_SECONDS)
        if end.scheme == "https":
            connection.set_tunnel(end.host, end.port)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _abort(self) -> None:
        connection = self._connection
        if connection is not None and (sock := connection.sock) is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _object(status: int, answer: bytes) -> dict[str, Any]:
    if not 200 <= status < 300:
        raise refusal(status, answer)
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError) as exc:
        raise LinkLost("the server's answer is not JSON", hint="check MCP_BASE_URL") from exc
    if not isinstance(value, dict):
        raise LinkLost("the server's answer is not a JSON object", hint="check MCP_BASE_URL")
    return value


def _reason(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    return (getattr(exc, "strerror", None) or str(exc) or type(exc).__name__).lower()
