"""`/mcp` on the server: behind the guard like every route, with the SDK behind it as soon as somebody comes.

What is refused before the protocol is spoken has the status that it has everywhere, and the form of the protocol's
errors: clients show nothing else of it to their models.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from agent_swarm.domain.errors import Denied, ShuttingDown, SwarmError
from agent_swarm.protocol.errors import error_body, status_of
from agent_swarm.server.access import operators_and_attempts
from agent_swarm.server.cors import ANY
from agent_swarm.server.fastroute import again, whole
from agent_swarm.server.mcp.catalogue import Catalogue
from agent_swarm.server.mcp.protocol_tasks import ProtocolTasks
from agent_swarm.services.tokens import Scope as Permission

if TYPE_CHECKING:
    from agent_swarm.server.mcp.speech import Speech

PATH = "/mcp"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# A tool that waits takes this argument; who wants to hear how it stands sends this beside it.
_SIGNS_OF_LENGTH = (b'"waitSeconds"', b'"progressToken"')


_INVALID_REQUEST, _INTERNAL_ERROR = -32600, -32603  # JSON-RPC 2.0 §5.1


def as_protocol_error(error: SwarmError) -> dict[str, Any]:
    """A JSON-RPC error without an id, as the request was not read; `data` is the error as it is told elsewhere."""
    message = f"{error.message}; {error.hint}" if error.hint else error.message
    code = _INVALID_REQUEST if status_of(error) < 500 else _INTERNAL_ERROR
    told = {"code": code, "message": message, "data": error_body(error)["error"]}
    return {"jsonrpc": "2.0", "id": None, "error": told}


class Endpoint:
    """Takes MCP requests. Serves while `running`."""

    access = operators_and_attempts(Permission.TASKS_READ, Permission.OWN_TASK_READ)
    error_shape = staticmethod(as_protocol_error)

    def __init__(self, catalogue: Catalogue, tasks: ProtocolTasks, origins: tuple[str, ...]) -> None:
        self._catalogue = catalogue
        self._tasks = tasks
        self._origins = frozenset(origins)
        self._speech: asyncio.Future[Speech] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._end = asyncio.Event()

    @property
    def is_loaded(self) -> bool:
        """Whether somebody has come, and the SDK is there."""
        return self._speech is not None and self._speech.done()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve; at the end what is under way is over."""
        try:
            yield
        finally:
            self._end.set()
            if self._serving is not None:
                await asyncio.wait({self._serving})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that the guard has let through."""
        self._refuse_foreign_pages(scope)
        body = await whole(receive)
        speech = await self._loaded()
        may_take_long = all(sign in body for sign in _SIGNS_OF_LENGTH)
        await speech.answer(_trimmed(scope), again(body, receive), _plainly(send), may_take_long=may_take_long)

    def _refuse_foreign_pages(self, scope: Scope) -> None:
        """Only browsers send an origin; a page that has its own name lead here (DNS rebinding) sends a foreign one."""
        for name, value in scope["headers"]:
            if name == b"origin" and not self._may_call(str(value, "latin-1")):
                raise Denied(
                    "pages of this origin may not call MCP tools",
                    hint="name the origin in CORS_ORIGINS",
                    details={"origin": str(value, "latin-1")[:200]},
                )

    def _may_call(self, origin: str) -> bool:
        if ANY in self._origins or origin in self._origins:
            return True
        try:
            return urlsplit(origin).hostname in _LOOPBACK
        except ValueError:
            return False

    async def _loaded(self) -> "Speech":
        if self._end.is_set():
            raise ShuttingDown("the server stops", hint="try again when it is back")
        if self._speech is None:
            self._speech = asyncio.get_running_loop().create_future()
            self._serving = asyncio.create_task(self._serve(self._speech), name="mcp")
        return await asyncio.shield(self._speech)

    async def _serve(self, loaded: "asyncio.Future[Speech]") -> None:
        """Load the SDK aside, and serve until the end."""
        try:
            speech = (await asyncio.to_thread(_import_speech))(self._catalogue, self._tasks)
            async with speech.running():
                loaded.set_result(speech)
                await self._end.wait()
        except Exception as exc:
            self._speech = None  # the next one who comes tries again
            if loaded.done():
                raise
            loaded.set_exception(exc)


def _trimmed(scope: Scope) -> Scope:
    """White space around a header is no part of it (RFC 9110 §5.5); the SDK compares headers with the body."""
    return {**scope, "headers": [(name, value.strip(b" \t")) for name, value in scope["headers"]]}


def _plainly(send: Send) -> Send:
    """The SDK gives statuses by name; logs and figures count numbers."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["status"] = int(message["status"])
        await send(message)

    return sent


def _import_speech() -> "type[Speech]":
    from agent_swarm.server.mcp.speech import Speech

    return Speech


def route_of(endpoint: Endpoint) -> BaseRoute:
    """The route. It answers POST alone: there are no sessions to follow or to end."""
    return Route(PATH, endpoint, methods=["POST"])
