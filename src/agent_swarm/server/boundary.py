"""The outermost part of the server: every request gets an id, an answer in good shape, a line in the log and a count.

Pure ASGI, as are all layers here: `BaseHTTPMiddleware` costs several times the request.
"""

import re
import secrets
import time
from typing import Any

import structlog
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_swarm.domain.errors import SwarmError
from agent_swarm.protocol.errors import error_body, status_of
from agent_swarm.server import problems
from agent_swarm.server.metrics import Metrics

log = structlog.get_logger()

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_CLOSE = (b"connection", b"close")
# Nothing is guessed to be a page, framed by another one, or told where a request came from.
_FOR_BROWSERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class Boundary:
    """Gives requests their id, turns whatever is raised into an answer, and counts."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id), *_FOR_BROWSERS]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = status or 499  # nobody is left to answer; the number is the one proxies use
        except Exception as exc:
            error = _refusal(exc, scope)
            if status_of(error) == 500:
                log.exception(
                    "request_failed", request_id=request_id.decode(), method=scope["method"], route=_route(scope)
                )
            if status:  # half an answer cannot be taken back, but it must not look whole
                raise
            await problems.send_problem(error, send_with_id, headers=_headers(exc, error), shape=_shape(scope))
        finally:
            self._metrics.in_flight.dec()
            elapsed = time.perf_counter() - started
            self._metrics.count_request(scope["method"], _route(scope), status, elapsed)
            log.debug(
                "request",
                request_id=request_id.decode(),
                method=scope["method"],
                route=_route(scope),
                status=status,
                ms=round(elapsed * 1000, 1),
            )

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        opened = False

        async def watched(message: Message) -> None:
            nonlocal opened
            opened = opened or message["type"] != "websocket.close"
            await send(message)

        scope.setdefault("state", {})["request_id"] = _request_id(scope).decode()
        try:
            await self._app(scope, receive, watched)
        except Exception as exc:
            error = _refusal(exc, scope)
            if status_of(error) == 500:
                log.exception("socket_failed", route=_route(scope))
            if not opened:
                await _deny_socket(error, scope, send)
            elif status_of(error) == 500:
                await send({"type": "websocket.close", "code": 1011, "reason": "internal"})
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": error.code})


def _refusal(exc: Exception, scope: Scope) -> SwarmError:
    match exc:
        case SwarmError():
            # The root class is only raised for what has no name yet: its text is not for clients.
            return exc if status_of(exc) != 500 else problems.internal()
        case HTTPException():
            return problems.from_http(exc, method=str(scope.get("method", "")), path=scope["path"])
        case ValidationError():
            return problems.internal()  # input is validated by the routes; this is an answer of ours
        case _:
            return problems.internal()


def _shape(scope: Scope) -> problems.Shape:
    """What errors look like here: as everywhere, unless the clients of the route's endpoint expect something else."""
    return getattr(getattr(scope.get("route"), "endpoint", None), "error_shape", error_body)


def _headers(exc: Exception, error: SwarmError) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(exc, HTTPException) and exc.headers and "Allow" in exc.headers:
        headers.append((b"allow", exc.headers["Allow"].encode("latin-1")))
    if status_of(error) == 413:
        headers.append(_CLOSE)  # what may be left of the body is not worth reading
    return headers


async def _deny_socket(error: SwarmError, scope: Scope, send: Send) -> None:
    """Refuse the handshake, with the usual body where the server can send one."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})
        return

    async def as_socket(message: Any) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    await problems.send_problem(error, as_socket)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value)
    return secrets.token_hex(8).encode()


def _route(scope: Scope) -> str:
    """The route's pattern, never the path: paths hold ids, and there are too many of them to count by."""
    return getattr(scope.get("route"), "path", "unknown")
