"""HEAD and OPTIONS for every path, and the whole truth in Allow."""

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Methods:
    """Answers HEAD as GET without its body and OPTIONS with what the path allows; tells it with other methods, too."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = routes
        self._fixed = fixed_paths(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif (route := self._fixed.get((scope["method"], scope["path"]))) and not scope.get("root_path"):
            scope["route"], scope["path_params"] = route, {}
            await route.app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._head(scope, receive, send)
        elif scope["method"] == "OPTIONS" and (allowed := self._allowed(scope)):
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allowed.encode())]})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._others(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["is_head"] = True
        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, _without_body(send))
        finally:
            scope["route"] = as_get.get("route")  # for the layers around this one

    async def _others(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except HTTPException as exc:
            if exc.status_code != 405:
                raise
            raise HTTPException(405, headers={"Allow": self._allowed(scope)}) from None

    def _allowed(self, scope: Scope) -> str:
        methods: set[str] = set()
        for route in self._routes:
            if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
                methods |= route.methods or set()
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted({*methods, "OPTIONS"})) if methods else ""


def fixed_paths(routes: Sequence[BaseRoute]) -> dict[tuple[str, str], Route]:
    """The routes whose path has no parameters, by method and path, as far as the router would choose them, too.

    Looked up, they cost a request a tenth of what matching route after route does.
    """
    found: dict[tuple[str, str], Route] = {}
    for route in routes:
        if isinstance(route, Route) and "{" not in route.path:
            for method in route.methods or ():
                scope = {"type": "http", "method": method, "path": route.path}
                first = next(other for other in routes if other.matches(scope)[0] is Match.FULL)
                if first is route and method not in ("HEAD", "OPTIONS"):
                    found[method, route.path] = route
    return found


def _without_body(send: Send) -> Send:
    """Pass the head of an answer on; of its body only the end."""

    async def headers_only(message: Message) -> None:
        if message["type"] == "http.response.body":
            if message.get("more_body", False):
                return
            message = {**message, "body": b""}
        await send(message)

    return headers_only
