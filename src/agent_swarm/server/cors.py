"""What pages of other origins may do with the API: nothing, unless `CORS_ORIGINS` names their origin.

Tokens travel in a header that a page has to set itself; no cookie is ever sent along from another origin (no
`Access-Control-Allow-Credentials`), so `*` gives nothing away but what needs no token.
"""

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANY = "*"
MAX_AGE_SECONDS = 600
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_HEADERS = b"authorization, content-type, idempotency-key, last-event-id, x-request-id"
_MAY = [
    (b"access-control-allow-methods", _METHODS),
    (b"access-control-allow-headers", _HEADERS),
    (b"access-control-max-age", str(MAX_AGE_SECONDS).encode()),
]
_EXPOSED = b"retry-after, x-request-id, idempotency-replayed"


class Cors:
    """Answers preflights and marks answers for the origins that are allowed."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._any = ANY in origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None:
            await self._app(scope, receive, send)
            return
        is_allowed = self._any or origin in self._origins
        marks = self._marks(origin, is_allowed=is_allowed)
        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method") is not None:
            await send({"type": "http.response.start", "status": 204, "headers": marks + (_MAY if is_allowed else [])})
            await send({"type": "http.response.body", "body": b""})
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *marks]
            await send(message)

        await self._app(scope, receive, marked)

    def _marks(self, origin: bytes, *, is_allowed: bool) -> list[tuple[bytes, bytes]]:
        vary = [] if self._any else [(b"vary", b"origin")]
        if not is_allowed:
            return vary
        named = b"*" if self._any else origin
        return [(b"access-control-allow-origin", named), (b"access-control-expose-headers", _EXPOSED), *vary]


def parse_origins(text: str) -> tuple[str, ...]:
    """`https://a.example, http://localhost:5173` as origins, or `*`; raises ValueError for what is no origin."""
    origins = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for origin in origins:
        scheme, separator, rest = origin.partition("://")
        if origin != ANY and (scheme not in ("http", "https") or not separator or not rest or "/" in rest):
            raise ValueError(text)
    return origins


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((bytes(value) for name, value in scope["headers"] if name == wanted), None)
