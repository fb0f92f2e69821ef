"""The dashboard: one page for every address of it, and the files that it is made of.

They are built from `web/` into a folder beside this module, are the same for everybody and hold no data: what the page
shows it asks the API for. A file is served under the name that the build gave it and no other, so no path leads
anywhere else. Without a build the page says how to make one.
"""

import gzip
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent_swarm.domain.errors import NotFound
from agent_swarm.server.access import DASHBOARD_PATHS, PUBLIC, declare

ASSETS = "/assets/{name}"
PAGE_TYPE = "text/html; charset=utf-8"
MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
# Only what this server sends runs, it talks to this server alone, and no text becomes markup.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Agent Swarm</title>
<h1>The dashboard is not built</h1>
<p>The server runs, and its API answers. To see the swarm here, install Node.js 20 or newer and run
<code>make web</code> in the clone of the repository, then load this page again.</p>
<p>Until then: <code>agent-swarm overview</code>, <code>agent-swarm watch</code>, and <a href="/docs">the API</a>.</p>
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the build, also as it is sent to whoever takes it compressed."""

    media_type: str
    content: bytes
    gzipped: bytes


@dataclass(frozen=True, slots=True)
class Build:
    """What was built at one time: the page, and its files by name."""

    made_at: int  # mtime of the page, in nanoseconds
    page: bytes
    assets: dict[str, Asset]


class Dashboard:
    """Serves the build in `folder`, kept in memory; another build is seen when the page is asked for next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._build: Build | None = None

    def page(self) -> Response:
        """The page, which is asked for anew each time; 503 with what to do where there is none."""
        build = self._current()
        content, status = (build.page, 200) if build else (NOT_BUILT.encode(), 503)
        headers = {"content-security-policy": POLICY, "cache-control": "no-cache"}
        return Response(content, status, headers, PAGE_TYPE)

    def asset(self, name: str, *, takes_gzip: bool) -> Response:
        """The file of that name, to be kept for good: another content has another name. Raises NotFound."""
        build = self._build or self._current()
        found = build.assets.get(name) if build else None
        if found is None:
            raise NotFound("the dashboard has no such file", hint="load the page again", details={"name": name})
        headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
        if takes_gzip:
            headers["content-encoding"] = "gzip"
        return Response(found.gzipped if takes_gzip else found.content, 200, headers, found.media_type)

    def _current(self) -> Build | None:
        page = self._folder / "index.html"
        try:
            made_at = page.stat().st_mtime_ns
            if self._build is None or self._build.made_at != made_at:
                self._build = Build(made_at, page.read_bytes(), _assets(self._folder / "assets"))
        except OSError:  # it is being built, or never was
            self._build = None
        return self._build


def _assets(folder: Path) -> dict[str, Asset]:
    found = {}
    for path in folder.iterdir():
        media_type = MEDIA_TYPES.get(path.suffix)
        if media_type is not None:
            content = path.read_bytes()
            found[path.name] = Asset(media_type, content, gzip.compress(content, mtime=0))
    return found


def routes(folder: Path | None = None) -> list[BaseRoute]:
    """Every address of the dashboard, and its files; `folder` is where it was built, by default beside this module."""
    if folder is None:
        with as_file(files("agent_swarm.server") / "web") as beside:
            folder = beside
    dashboard = Dashboard(folder)

    @declare(PUBLIC)
    async def page(request: Request) -> Response:
        return dashboard.page()

    @declare(PUBLIC)
    async def asset(request: Request) -> Response:
        takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
        return dashboard.asset(request.path_params["name"], takes_gzip=takes_gzip)

    pages = [Route(path, page, methods=["GET"]) for path in DASHBOARD_PATHS]
    return [*pages, Route(ASSETS, asset, methods=["GET"])]
