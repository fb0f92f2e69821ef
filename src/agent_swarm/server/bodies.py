"""No body is larger than its route takes, whether it says so in advance or not."""

import asyncio
from contextlib import suppress
from typing import Any

from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_swarm.domain.errors import InvalidInput, TooLarge
from agent_swarm.protocol.limits import BODY_BYTES

# Many clients read no answer before they have sent everything: a connection that is closed on them takes it along.
PASSED_OVER_BYTES = 64 * 1024 * 1024
PASSED_OVER_SECONDS = 5.0


def limited(route: Route | WebSocketRoute) -> ASGIApp:
    """The route's app behind its limit: `route.body_limit`, by default 4 MiB."""
    return BodyLimit(route.app, getattr(route, "body_limit", BODY_BYTES))


class BodyLimit:
    """Refuses a body that is too large: at once where Content-Length tells, else as soon as it is.

    What is left of it is received and dropped first, within bounds, so that whoever sends it gets to read the refusal.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = _content_length(scope)
        if announced > self._limit:
            if announced <= PASSED_OVER_BYTES and not _waits_to_send(scope):
                await _pass_over(receive)
            raise self._too_large(announced)
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                if message.get("more_body", False):
                    await _pass_over(receive)
                raise self._too_large(received)
            return message

        await self._app(scope, counted, send)

    def _too_large(self, size: int) -> TooLarge:
        return TooLarge(
            f"the body has {size} bytes or more, at most {self._limit} are taken",
            hint="send less at once",
            details={"bytes": size, "limit": self._limit},
        )


async def _pass_over(receive: Receive) -> None:
    """Receive what is left of a body, and keep nothing of it."""
    left = PASSED_OVER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(PASSED_OVER_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _waits_to_send(scope: Scope) -> bool:
    """Whether the client asks first: a refusal spares it the sending."""
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])


def _content_length(scope: dict[str, Any] | Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or len(value) > 18:
                raise InvalidInput("the Content-Length header is not a number of bytes")
            return int(value)
    return 0
