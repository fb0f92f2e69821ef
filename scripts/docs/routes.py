"""`docs/reference/routes.md`: every route with who may call it, what it takes and what it answers."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from scripts.docs import schemas
from scripts.docs.markdown import anchor, code, codes, page, sentence, table
from starlette.routing import BaseRoute, Route, WebSocketRoute

from agent_swarm.domain.matching import AgentRole
from agent_swarm.server.access import DASHBOARD_PATHS, Access, access_of
from agent_swarm.server.app import ControlPlane, build_app
from agent_swarm.server.settings import ServerSettings
from agent_swarm.services.tokens import Scope, scopes_of
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import TokenKind

WHO: tuple[tuple[str, TokenKind, AgentRole], ...] = (
    ("operators", TokenKind.OPERATOR, AgentRole.WORKER),
    ("worker processes", TokenKind.AGENT, AgentRole.WORKER),
    ("attempts of leads", TokenKind.ATTEMPT, AgentRole.LEAD),
    ("attempts of workers", TokenKind.ATTEMPT, AgentRole.WORKER),
)

INTRODUCTION = """
Every call but the public ones needs `Authorization: Bearer <token>`. JSON is camelCase, except under `/v1/pool`,
which is snake_case. Instants are RFC 3339 UTC with milliseconds and `Z`, spans are `…Seconds`, ids are lower-case
UUIDs. Lists take `limit` and `cursor` and answer `nextCursor`, null at the end. Unknown fields and parameters are
refused, except under `/v1/pool`. A refusal is `{"error": {code, message, hint, details}}`: see [errors](errors.md).
HEAD is answered as GET, OPTIONS with what a path allows. The running server describes itself at `/openapi.json` and
`/docs`.

A route that does not declare who may call it is closed to everyone.
"""

# Routes that the OpenAPI document has no word about, or that are described elsewhere.
TOLD = {
    "GET /assets/{name}": "A file of the dashboard.",
    **{
        f"GET {path}": "The [dashboard](../dashboard.md): one page, at each of its addresses."
        for path in DASHBOARD_PATHS
    },
    "GET /docs": "The API, described for people.",
    "GET /openapi.json": "The API, described for programs: OpenAPI 3.1.",
    "POST /mcp": "Tools for agents, by the Model Context Protocol: [MCP](../mcp.md).",
    "WebSocket /v1/pool/socket": "The worker's connection: frames in both directions.",
}
POOL = "/v1/pool/"
POOL_PAGE = "worker-protocol.md#routes"

SCOPES = """
## Who may do what

A token has the scopes below; its kind alone implies nothing. Operators hold the API key. A worker process gets its
token when it registers, and each attempt gets one with its claim, which counts while the attempt lasts.
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `described` is its part of the OpenAPI document; empty where it has none."""

    method: str
    path: str
    access: Access
    described: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`GET /api/tasks`."""
        return f"{self.method} {self.path}"


@cache
def app() -> ControlPlane:
    """The server's app over an empty store that is never opened: only its routes are looked at."""
    return build_app(BatchingStore(MemoryEngine()), ServerSettings(data_dir=Path("nowhere")))


def operations() -> list[Operation]:
    """Every operation there is, in the order of paths."""
    document = app().openapi()["paths"]
    found = [one for route in app().routes for one in _of_route(route, document)]
    return sorted(found, key=lambda one: (one.path, one.method))


def _of_route(route: BaseRoute, document: Mapping[str, Any]) -> Iterator[Operation]:
    access = access_of(route)
    if isinstance(route, WebSocketRoute):
        yield Operation("WebSocket", route.path, access, {})
    elif isinstance(route, Route):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            described = document.get(route.path, {}).get(method.lower(), {})
            yield Operation(method, route.path, access, described)


def who_may(access: Access) -> str:
    """Everyone who may call a route, exactly."""
    if access.is_public:
        return "anyone, without a token"
    allowed = [
        label
        for label, kind, role in WHO
        if kind in access.kinds and access.scopes & {Scope(scope) for scope in scopes_of(kind, role)}
    ]
    return ", ".join(allowed) or "nobody"


def render() -> str:
    """The page."""
    found = operations()
    here = [one for one in found if one.described and not one.path.startswith(POOL)]
    document = app().openapi()
    overview = table(("Route", "What it does", "Who may call it"), [_row(one) for one in found])
    models = document["components"]["schemas"]
    return page(
        "Routes",
        INTRODUCTION,
        SCOPES,
        _scopes(),
        "## All routes\n\n" + overview,
        *map(_section, here),
        "## Models",
        *(_model(name, models[name]) for name in sorted(_used(models, here))),
        source="the server's routes, their declared access and its OpenAPI document",
    )


def _scopes() -> str:
    rows = []
    for scope in Scope:
        holders = [label for label, kind, role in WHO if scope in scopes_of(kind, role)]
        rows.append((code(scope), ", ".join(holders)))
    return table(("Scope", "Who has it"), rows)


def _row(one: Operation) -> tuple[str, ...]:
    target = POOL_PAGE if one.path.startswith(POOL) else f"#{anchor(one.name)}" if one.described else ""
    heading = f"[{code(one.name)}]({target})" if target else code(one.name)
    about = TOLD.get(one.name) or sentence(one.described["description"])
    return (heading, about, who_may(one.access))


def _section(one: Operation) -> str:
    described = one.described
    scopes = f" ({codes(sorted(one.access.scopes), between=' or ')})" if one.access.scopes else ""
    parts = [f"### {one.name}", described["description"], f"For {who_may(one.access)}{scopes}."]
    rows = [_parameter(parameter) for parameter in described.get("parameters", ())]
    if rows:
        parts.append(table(("Parameter", "In", "Type", "Meaning and bounds"), rows))
    if "requestBody" in described:
        parts.append(f"Body: {_content(described['requestBody'])}.")
    parts.append(_answers(described["responses"]))
    return "\n\n".join(parts)


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, ...]:
    schema = {key: value for key, value in parameter["schema"].items() if key != "description"}
    bounds = "; ".join(filter(None, [parameter.get("description", ""), *schemas.bounds(schema)]))
    must = ", must be there" if parameter.get("required") and parameter["in"] != "path" else ""
    return (code(parameter["name"]), parameter["in"], schemas.kind(schema) + must, bounds)


def _answers(responses: Mapping[str, Any]) -> str:
    good = [f"{status} {_content(answer)}".strip() for status, answer in responses.items() if status < "400"]
    bad = [status for status in responses if status >= "400"]
    return f"Answers {', or '.join(good)}. Refuses with {', '.join(sorted(bad))}."


def _content(answer: Mapping[str, Any]) -> str:
    """The type of a body, by its media types."""
    kinds = []
    for media_type, content in answer.get("content", {}).items():
        schema = content.get("schema", {})
        kinds.append(schemas.kind(schema) if media_type == "application/json" and schema else code(media_type))
    return " or ".join(kinds)


def _used(models: Mapping[str, Any], found: Iterable[Operation]) -> set[str]:
    used: set[str] = set()
    open_ends = [name for one in found for name in schemas.references(one.described)]
    while open_ends:
        name = open_ends.pop()
        if name not in used:
            used.add(name)
            open_ends.extend(schemas.references(models[name]))
    return used


def _model(name: str, schema: Mapping[str, Any]) -> str:
    about = sentence(schema.get("description", ""))
    values = f"{schemas.kind(schema)}." if "enum" in schema else ""
    return "\n\n".join(filter(None, [f"### {name}", about, values, schemas.fields(schema)]))
