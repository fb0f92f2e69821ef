"""What answers while the server is still starting.

Importing the frameworks and opening the store takes longer than anything else of a start. Until they are there,
`/health` answers, because the process lives, `/ready` says not yet, and every other request is held. So this module
imports next to nothing.
"""

import asyncio
import json
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from agent_swarm import __version__
from agent_swarm.domain.errors import ShuttingDown, SwarmError, Unavailable
from agent_swarm.protocol.errors import error_body, status_of
from agent_swarm.server.stopping import Stopping

_HEALTH = {"status": "ok", "version": __version__}


class Front:
    """Hands requests to the app, once there is one."""

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping
        self._app: ASGIApp | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def open(self, app: ASGIApp) -> None:
        """The app is there: requests that were held go on."""
        self._app = app
        self._opened.set_result(None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"] == "/health":
                await _answer(200, _HEALTH, send)
                return
            if scope["type"] != "http" or scope["path"] != "/ready":
                await self._wait()
        if self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._not_yet(send)
        else:
            await send({"type": "websocket.close", "code": 1013, "reason": "starting"})

    async def _wait(self) -> None:
        """Until the app is there, or never will be. The request stays unread, it is the app's."""
        stopped = asyncio.Event()
        unsubscribe = self._stopping.subscribe(stopped.set)
        stop = asyncio.create_task(stopped.wait())
        try:
            if not self._stopping.is_set:
                first: set[asyncio.Future[Any]] = {self._opened, stop}
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            unsubscribe()
            stop.cancel()

    async def _not_yet(self, send: Send) -> None:
        error: SwarmError = Unavailable("the server is starting", hint="try again in a moment")
        if self._stopping.is_set:
            error = ShuttingDown("the server is shutting down", hint="try again when it is back")
        await _answer(status_of(error), error_body(error), send)


async def _answer(status: int, body: object, send: Send) -> None:
    content = json.dumps(body, separators=(",", ":")).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
