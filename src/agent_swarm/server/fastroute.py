"""Routes that cost little: validated straight from JSON text and rendered straight to it.

FastAPI reads the signature and writes the OpenAPI document; at run time the body goes through
`TypeAdapter.validate_json`, the answer through `to_json`, and nothing in between. Parameters are what
FastAPI found: path, query and header parameters, one body, and the request itself.

Signatures are read once in a process: that takes milliseconds each, most of a server's start but for imports.
"""

import copy
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MethodType
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import parse_qsl

import orjson
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.protocol.errors import InvalidJson
from agent_swarm.protocol.limits import BODY_BYTES
from agent_swarm.server import problems
from agent_swarm.server.access import Access
from agent_swarm.server.openapi import responses_of

T = TypeVar("T")
Endpoint = Callable[..., Awaitable[Any]]

QUERY_FIELDS = 100
_NAME = re.compile(rb'"\s*:')  # the end of a name; the text of a value may have it, too


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """An answer with headers of its own."""

    body: T
    headers: Mapping[str, str] = field(default_factory=dict)


def route(
    method: str,
    path: str,
    endpoint: Endpoint,
    *,
    answers: Any,
    access: Access,
    status: int = 200,
    body_limit: int = BODY_BYTES,
    conflicts: bool = False,
    refuses: tuple[int, ...] = (),
    **options: Any,
) -> "FastRoute":
    """A route: `answers` is the model of its success, `conflicts` says that the state of things may refuse it (409).

    `refuses` are statuses beyond those that follow from the rest.
    """
    declared = partial(
        FastRoute,
        path,
        methods=[method],
        response_model=answers,
        status_code=status,
        access=access,
        body_limit=body_limit,
        operation_id=_operation_id(endpoint),
        summary=_operation_id(endpoint).replace("_", " ").capitalize(),
        responses={
            **responses_of(
                method,
                path,
                access,
                conflicts=conflicts,
                has_body=method not in ("GET", "DELETE"),
                refuses=refuses,
            ),
            **options.pop("responses", {}),
        },
        **options,
    )
    if not isinstance(endpoint, MethodType):
        return declared(endpoint=endpoint)
    key = endpoint.__func__, method, path
    if key not in _READ:
        _READ[key] = declared(endpoint=MethodType(endpoint.__func__, _NO_SERVER))
    return _READ[key].bound_to(endpoint)


class FastRoute(APIRoute):
    """An `APIRoute` with a handler of its own."""

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        *,
        access: Access,
        body_limit: int = BODY_BYTES,
        **options: Any,
    ) -> None:
        super().__init__(path, endpoint, **options)
        self.access = access
        self.body_limit = body_limit
        self.app = self._handler = _Handler(self, endpoint)

    def bound_to(self, endpoint: Endpoint) -> "FastRoute":
        """The same route, with a method of another object behind it."""
        route = copy.copy(self)
        route.endpoint = endpoint
        route.app = self._handler.bound_to(endpoint)
        return route


_READ: dict[tuple[Any, str, str], FastRoute] = {}  # by function, method and path
_NO_SERVER = object()  # stands for the server of a route that was only read


class _Handler:
    """Parse, call, render."""

    def __init__(self, route: FastRoute, endpoint: Endpoint) -> None:
        dependant = route.dependant
        if dependant.dependencies or dependant.cookie_params or len(dependant.body_params) > 1:
            raise TypeError(
                f"{route.path}: a fast route takes path, query and header parameters, a body and the request"
            )
        self._endpoint = endpoint
        self._status = route.status_code or 200
        self._request_name = dependant.request_param_name
        self._path = [_Parameter(param, "path") for param in dependant.path_params]
        self._query = {param.alias: _Parameter(param, "query") for param in dependant.query_params}
        self._headers = [
            (param.alias.lower().encode(), _Parameter(param, "header")) for param in dependant.header_params
        ]
        self._body = _Body(dependant.body_params[0]) if dependant.body_params else None
        self._to_json = TypeAdapter(route.response_model).serializer.to_json

    def bound_to(self, endpoint: Endpoint) -> "_Handler":
        """The same, calling another endpoint."""
        handler = copy.copy(self)
        handler._endpoint = endpoint
        return handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arguments = self._arguments(scope)
        if self._body is not None:
            content = await whole(receive)
            arguments[self._body.name] = self._body.parse(content, _header(scope, b"content-type"))
            receive = again(content, receive)
        if self._request_name is not None:
            arguments[self._request_name] = Request(scope, receive, send)
        answer = await self._endpoint(**arguments)
        if isinstance(answer, Response):
            await answer(scope, receive, send)
            return
        extra: Mapping[str, str] = {}
        if isinstance(answer, Reply):
            answer, extra = answer.body, answer.headers
        content = self._to_json(answer, by_alias=True)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in extra.items()]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _arguments(self, scope: Scope) -> dict[str, Any]:
        arguments = {param.name: param.parse(scope["path_params"].get(param.alias)) for param in self._path}
        sent = _query_of(scope, self._query)
        for alias, param in self._query.items():
            arguments[param.name] = param.parse(sent.get(alias))
        for header, param in self._headers:
            arguments[param.name] = param.parse(_header(scope, header))
        return arguments


class _Parameter:
    """One parameter of path, query or header, as FastAPI read it from the signature."""

    def __init__(self, param: Any, where: str) -> None:
        self.name: str = param.name
        self.alias: str = param.alias
        self._place = f"{where}.{param.alias}"
        self._field = param.field_info
        annotated: Any = Annotated[self._field.annotation, *self._field.metadata, None]  # it may have no metadata
        self._validate = TypeAdapter(annotated).validator.validate_python

    def parse(self, value: str | None) -> Any:
        """The value, or the default where none was sent."""
        if value is None:
            if self._field.is_required():
                raise InvalidInput(f"{self._place} is missing", details={"field": self._place})
            return self._field.get_default(call_default_factory=True)
        try:
            return self._validate(value)
        except ValidationError as exc:
            raise problems.from_validation(exc, self._place) from None


class _Body:
    """The one body of a route."""

    def __init__(self, param: Any) -> None:
        self.name: str = param.name
        self._required = param.field_info.is_required()
        self._validate = TypeAdapter(param.field_info.annotation).validator.validate_json

    def parse(self, content: bytes, content_type: str | None) -> Any:
        """The body as its model; None where there is none and none is needed."""
        if not content and not self._required:
            return None
        if content_type and not _is_json(content_type):
            raise InvalidJson(
                f"the body is {problems.shown(content_type, limit=64)!r}, expected JSON",
                hint="send the header Content-Type: application/json",
            )
        try:
            parsed = self._validate(content)
        except ValidationError as exc:
            raise problems.from_validation(exc) from None
        _refuse_repeated_names(content)
        return parsed


def _header(scope: Scope, wanted: bytes) -> str | None:
    return next((str(value, "latin-1") for name, value in scope["headers"] if name == wanted), None)


async def whole(receive: Receive) -> bytes:
    """The body of a request; raises ClientDisconnect where it does not come to an end."""
    message = await receive()
    parts = [message.get("body", b"")]
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    if message["type"] != "http.request":
        raise ClientDisconnect
    return b"".join(parts)


def again(content: bytes, receive: Receive) -> Receive:
    """`receive` for those who want to read the body once more."""
    unread = [content]

    async def replayed() -> Message:
        return {"type": "http.request", "body": unread.pop()} if unread else await receive()

    return replayed


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _refuse_repeated_names(content: bytes) -> None:
    """Of {"a": 1, "a": 2}, which one counts differs from reader to reader (RFC 8259 §4): nobody shall rely on it."""
    if not _may_repeat_names(content):
        return

    def checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InvalidInput(
                f"the body names {problems.shown(twice, limit=64)!r} twice in one object", hint="send every field once"
            )
        return found

    try:
        json.loads(content, object_pairs_hook=checked)
    except (ValueError, RecursionError):  # what pydantic takes and the standard library does not
        raise InvalidJson("the body is not JSON that every reader understands", hint="send a JSON object") from None


def _may_repeat_names(content: bytes) -> bool:
    """Whether a closer look is needed: a repeated name is one that the text has and the parsed value has not."""
    try:
        return len(_NAME.findall(content)) != _names_in(orjson.loads(content))
    except orjson.JSONDecodeError:
        return True


def _names_in(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_names_in, value.values()))
    return sum(map(_names_in, value)) if isinstance(value, list) else 0


def _query_of(scope: Scope, known: Mapping[str, _Parameter]) -> dict[str, str]:
    """The query's parameters; empty ones count as not sent, unknown ones are refused like unknown fields of a body."""
    raw = scope.get("query_string", b"")
    if not raw:
        return {}
    try:
        pairs = parse_qsl(str(raw, "latin-1"), keep_blank_values=True, max_num_fields=QUERY_FIELDS)
    except ValueError:
        raise InvalidInput(f"the query has more than {QUERY_FIELDS} parameters") from None
    sent = {}
    for name, value in pairs:
        if name not in known:
            raise InvalidInput(
                f"query.{problems.shown(name, limit=64)} is not a parameter here",
                hint=f"known here: {', '.join(sorted(known)) or 'none'}",
                details={"field": f"query.{problems.shown(name, limit=64)}"},
            )
        if value:
            sent[name] = value
    return sent


def _operation_id(endpoint: Endpoint) -> str:
    return str(getattr(endpoint, "__name__", "call")).strip("_")
