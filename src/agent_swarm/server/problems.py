"""Every refusal in the one shape `{"error": {code, message, hint, details}}`, whichever layer it comes from."""

import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException

from agent_swarm.domain.errors import Busy, InvalidInput, Killed, NotFound, SwarmError, Unauthenticated, Unavailable
from agent_swarm.protocol.errors import InvalidJson, MethodNotAllowed, error_body, is_retryable, status_of

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Shape = Callable[[SwarmError], dict[str, Any]]

MAX_FIELDS = 20  # of a refusal; the rest of a bad batch is as the first
FIELD_CHARS = 200


class Problem(BaseModel):
    """What was refused: a stable code, what happened and was expected, what to do, and the values behind it."""

    model_config = ConfigDict(extra="forbid")

    code: str
    message: str
    hint: str
    details: dict[str, Any]


class ErrorReply(BaseModel):
    """The body of every answer that is not a success."""

    model_config = ConfigDict(extra="forbid")

    error: Problem


async def send_problem(
    error: SwarmError, send: Send, *, headers: Sequence[tuple[bytes, bytes]] = (), shape: Shape = error_body
) -> None:
    """Answer with `error`."""
    body = orjson.dumps(shape(error), default=str, option=orjson.OPT_NON_STR_KEYS)
    extra = [*headers]
    if isinstance(error, Unauthenticated):
        extra.append((b"www-authenticate", b"Bearer"))
    if is_retryable(error) and isinstance(error, Unavailable):
        after = error.details.get("retryAfterSeconds", 10 if isinstance(error, Killed) else 1)
        extra.append((b"retry-after", str(after).encode()))
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status_of(error), "headers": start})
    await send({"type": "http.response.body", "body": body})


def from_http(error: HTTPException, *, method: str, path: str) -> SwarmError:
    """What the framework refuses, in our words."""
    if error.status_code == 404:
        return NotFound(f"there is nothing at {shown(path)}", hint="GET /openapi.json lists every path")
    if error.status_code == 405:
        return MethodNotAllowed(
            f"{shown(path)} does not answer {shown(method)}", hint="see the Allow header, or GET /openapi.json"
        )
    if error.status_code == 503:
        return Busy("the server has too much to do", hint="try again in a moment")
    if error.status_code < 500:
        return InvalidInput(f"the request was refused: {shown(str(error.detail))}")
    return internal()


def internal() -> SwarmError:
    """Something is wrong here; what it is stands in the log and nowhere else."""
    return SwarmError("something went wrong in the server", hint="try again; its log tells more, by the request id")


def from_validation(error: ValidationError, where: str = "") -> SwarmError:
    """What does not fit a model: each field with what was expected. Values are not repeated: they may be secrets."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return InvalidJson(f"the body is not JSON: {found[0]['msg']}", hint="send a JSON object")
    fields = [{"field": _field(item["loc"], where), "expected": _expected(item)} for item in found[:MAX_FIELDS]]
    first = fields[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return InvalidInput(
        f"{first['field']}: {first['expected']}{more}",
        hint="correct the fields named in details.errors",
        details={"field": first["field"], "errors": fields},
    )


def shown(text: str, *, limit: int = FIELD_CHARS) -> str:
    """Foreign text as it may stand in a message: short, printable."""
    printable = "".join(char if char.isprintable() else "�" for char in text[:limit])
    return printable + ("…" if len(text) > limit else "")


# Of a union, pydantic names the alternative it tried: that is ours, not the client's.
_ALTERNATIVE = re.compile(r"[A-Z]\w*|.*[\[(-].*|str|int|float|bool|constrained-\w+")


def _field(loc: tuple[int | str, ...], where: str) -> str:
    path = where
    for index, part in enumerate(loc):
        if isinstance(part, int):
            path += f"[{part}]"
        elif index == 0 or not _ALTERNATIVE.fullmatch(part):
            path += f".{shown(part, limit=64)}" if path else shown(part, limit=64)
    return path or "body"


def _expected(item: Any) -> str:
    match item["type"]:
        case "extra_forbidden":
            return "is not a field here; remove it"
        case "missing":
            return "is missing"
        case _:
            return str(item["msg"]).removeprefix("Value error, ")  # how pydantic introduces words of ours
