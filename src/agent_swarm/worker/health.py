"""The worker's own `GET /health`, for container probes and people. On loopback unless told otherwise."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog

from agent_swarm.config import SettingError

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 5.0
HEAD_BYTES = 8 * 1024


@asynccontextmanager
async def serving_health(host: str, port: int, report: Callable[[], dict[str, Any]]) -> AsyncIterator[int | None]:
    """Serve it inside the block; gives the port, None where that is 0. Raises SettingError where it is taken."""
    if port == 0:
        yield None
        return
    try:
        server = await asyncio.start_server(
            lambda reader, writer: _answer(reader, writer, report), host, port, limit=HEAD_BYTES
        )
    except OSError as exc:
        raise SettingError(
            f"cannot listen on {host}:{port} for /health: {exc.strerror}",
            hint="set PORT to a free port, or to 0 for none",
        ) from exc
    log.info("health_served", host=host, port=port)
    try:
        yield port
    finally:
        server.close()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, report: Callable[[], dict[str, Any]]
) -> None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_response(head, report))
            await writer.drain()
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # whoever asked has gone, or was not speaking HTTP
    finally:
        writer.close()


def _response(head: bytes, report: Callable[[], dict[str, Any]]) -> bytes:
    method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if path != b"/health":
        status, body = "404 Not Found", _error("notFound", "there is only /health here")
    elif method not in (b"GET", b"HEAD"):
        status, body = "405 Method Not Allowed", _error("methodNotAllowed", "expected GET")
    else:
        status, body = "200 OK", report()
    content = json.dumps(body).encode()
    about = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\nConnection: close"
    return f"HTTP/1.1 {status}\r\n{about}\r\n\r\n".encode() + (b"" if method == b"HEAD" else content)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "hint": "GET /health", "details": {}}}
