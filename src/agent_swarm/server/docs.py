"""The API described for people: one page of our own over `/openapi.json`, which loads nothing from anywhere else."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent_swarm.server.access import PUBLIC, declare


def routes(app: FastAPI) -> list[BaseRoute]:
    """`/openapi.json`, made when it is first asked for, and `/docs`."""

    @cache
    def document() -> bytes:
        return orjson.dumps(app.openapi())

    @declare(PUBLIC)
    async def openapi(request: Request) -> Response:
        return Response(document(), media_type="application/json")

    @declare(PUBLIC)
    async def docs(request: Request) -> Response:
        return Response(_page(), media_type="text/html; charset=utf-8", headers=_headers())

    return [Route("/openapi.json", openapi, methods=["GET"]), Route("/docs", docs, methods=["GET"])]


@cache
def _page() -> str:
    return (files("agent_swarm.server") / "docs.html").read_text(encoding="utf-8")


@cache
def _headers() -> dict[str, str]:
    """Nothing but the page's own script and style may run, and it may only talk to this server."""
    policy = [
        "default-src 'none'",
        "connect-src 'self'",
        f"script-src '{_digest('script')}'",
        f"style-src '{_digest('style')}'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    return {"content-security-policy": "; ".join(policy)}


def _digest(tag: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>", _page(), re.DOTALL)
    content = found[1] if found else ""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
