"""The OpenAPI 3.1 document: what FastAPI reads from the routes, plus who may call them and how they refuse."""

from typing import Any

from fastapi import FastAPI

from agent_swarm.protocol.errors import REGISTRY
from agent_swarm.server.access import Access
from agent_swarm.server.problems import ErrorReply
from agent_swarm.services.tokens import Scope

DESCRIPTION = """\
One control plane for a team of coding agents.

Every call but `/health`, `/ready`, `/openapi.json`, `/docs` and `/api/auth/token` needs
`Authorization: Bearer <token>`.
JSON is camelCase, instants are RFC 3339 UTC with milliseconds, spans are `…Seconds`.
Lists take `limit` (50, at most 200) and `cursor`, and answer `nextCursor`, null at the end.
Unknown fields and parameters are refused. Every refusal is `{"error": {code, message, hint, details}}`.
"""

_REF = "#/components/schemas/{model}"
_MEANING = {
    400: "The body is not JSON.",
    401: "No token, or one that does not count.",
    403: "The token may not do this.",
    404: "There is no such thing.",
    409: "The state of the thing does not allow it.",
    413: "The body, prompt or batch is too large.",
    422: "What was sent is not acceptable as it stands; `details` names the field.",
    429: "Too many requests; `Retry-After` says when the next one is heard.",
    500: "A fault of the server.",
    503: "Too much to do, or shutting down; try again.",
}


def responses_of(
    method: str, path: str, access: Access, *, conflicts: bool, has_body: bool, refuses: tuple[int, ...] = ()
) -> dict[int | str, dict[str, Any]]:
    """How a route may refuse."""
    codes = {422, 500, 503, *refuses}
    if not access.is_public:
        codes |= {401, 403}
        if Scope.POOL_WORK not in access.scopes:
            codes.add(429)
    if "{" in path:
        codes.add(404)
    if has_body:
        codes |= {400, 413}
    if conflicts:
        codes.add(409)
    # Named, not modelled: FastAPI would build a validator for each of them, of each route.
    content = {"application/json": {"schema": {"$ref": _REF.format(model="ErrorReply")}}}
    return {code: {"description": _MEANING[code], "content": content} for code in sorted(codes)}


def document(app: FastAPI, plain: dict[str, Any]) -> dict[str, Any]:
    """`plain`, completed: the bearer token, the scopes of each operation, and the error codes."""
    components = plain.setdefault("components", {})
    reply = ErrorReply.model_json_schema(ref_template=_REF, mode="serialization")
    components.setdefault("schemas", {}).update({**reply.pop("$defs"), "ErrorReply": reply})
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An operator's API key, the access token of a session, or the token of an attempt.",
        }
    }
    for route in app.routes:
        access: Access | None = getattr(route, "access", None)
        operations = plain["paths"].get(getattr(route, "path_format", ""), {})
        for method in getattr(route, "methods", None) or ():
            operation = operations.get(method.lower())
            if operation is not None and access is not None and not access.is_public:
                operation["security"] = [{"bearer": []}]
                operation["x-token-kinds"] = sorted(access.kinds)
                operation["x-scopes"] = sorted(access.scopes)
    plain["x-error-codes"] = {
        code: {"status": spec.status, "retryable": spec.retryable, "meaning": (spec.error.__doc__ or "").strip()}
        for code, spec in sorted(REGISTRY.items())
    }
    return plain
