"""The protocol itself, by the official SDK: both eras on one endpoint, without sessions.

The one module that imports the SDK. Every request stands for itself, so a server that was restarted, or another one of
the fleet, answers the next request of a client as the first one would have. A request is answered with JSON; only a
call that may take long is answered with a stream, which carries word of how it stands.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from starlette.types import Receive, Scope, Send

from agent_swarm import __version__
from agent_swarm.domain.errors import SwarmError
from agent_swarm.protocol.errors import error_body, status_of
from agent_swarm.protocol.limits import BODY_BYTES
from agent_swarm.server.auth import bearer_token
from agent_swarm.server.mcp.catalogue import Caller, Catalogue, Tool, UnknownTool
from agent_swarm.server.mcp.handles import EXTENSION, handle
from agent_swarm.server.mcp.protocol_tasks import ProtocolTasks
from agent_swarm.services.tokens import Identity

NAME = "agent-swarm"
INSTRUCTIONS = (
    "Tools of the swarm that you work in. Begin with join-swarm. Your token decides what you may do; "
    "an error says what was expected."
)
Context = ServerRequestContext[Any, Any]


class _OfTask(types.RequestParams):
    task_id: str


class _TaskUpdate(_OfTask):
    input_responses: dict[str, Any]


class Speech:
    """Answers MCP requests from a catalogue, while `running`."""

    def __init__(self, catalogue: Catalogue, tasks: ProtocolTasks) -> None:
        self._catalogue = catalogue
        self._tasks = tasks
        self._listed: dict[tuple[str, ...], types.ListToolsResult] = {}
        server = Server(
            NAME,
            version=__version__,
            instructions=INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
            get_tool_input_schema=lambda _: None,  # no argument travels in a header
        )
        server.extensions[EXTENSION] = {}
        server.add_request_handler("tasks/get", _OfTask, self._get_task)
        server.add_request_handler("tasks/update", _TaskUpdate, self._update_task)
        server.add_request_handler("tasks/cancel", _OfTask, self._cancel_task)
        server.middleware.clear()  # it would open a span per message for nobody
        self._plain = _manager(server, json_response=True)
        self._streaming = _manager(server, json_response=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve; ends what is under way at its end. Enter and leave it in one task."""
        async with self._plain.run(), self._streaming.run():
            yield

    async def answer(self, scope: Scope, receive: Receive, send: Send, *, may_take_long: bool) -> None:
        """Answer one request, whose identity the guard has put into its state."""
        manager = self._streaming if may_take_long else self._plain
        await manager.handle_request(scope, receive, send)

    async def _list(self, context: Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        tools = self._catalogue.offered_to(_identity(context))
        names = tuple(tool.name for tool in tools)
        if names not in self._listed:
            self._listed[names] = types.ListToolsResult(tools=[_described(tool) for tool in tools])
        return self._listed[names]

    async def _call(self, context: Context, params: types.CallToolRequestParams) -> Any:
        caller = Caller(identity=_identity(context), token=bearer_token(_scope(context)), tell=_Progress(context).tell)
        try:
            answer = await self._catalogue.call(params.name, params.arguments or {}, caller)
        except UnknownTool as exc:
            raise MCPError(types.INVALID_PARAMS, str(exc)) from None
        if answer.begun is not None and _follows_tasks(context):
            return {"resultType": "task", **handle(answer.begun)}
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=answer.text)], is_error=answer.is_error
        )

    async def _get_task(self, context: Context, params: _OfTask) -> dict[str, Any]:
        with _task_errors(context):
            return await self._tasks.get(params.task_id, _identity(context))

    async def _update_task(self, context: Context, params: _TaskUpdate) -> dict[str, Any]:
        with _task_errors(context):
            await self._tasks.answer(params.task_id, params.input_responses, _identity(context))
        return {}

    async def _cancel_task(self, context: Context, params: _OfTask) -> dict[str, Any]:
        with _task_errors(context):
            await self._tasks.cancel(params.task_id, _identity(context))
        return {}


class _Progress:
    """Word of a long call; only who sent a token for it gets it. Its number has to grow."""

    def __init__(self, context: Context) -> None:
        self._session = context.session
        self._told = 0

    async def tell(self, message: str) -> None:
        self._told += 1
        await self._session.report_progress(self._told, message=message)


def _manager(server: Server[Any], *, json_response: bool) -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        server, json_response=json_response, stateless=True, max_request_body_size=BODY_BYTES
    )


def _described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.schema,
        annotations=types.ToolAnnotations(read_only_hint=True) if tool.is_reading else None,
    )


def _follows_tasks(context: Context) -> bool:
    """Whether this request says that its client takes a task for an answer."""
    return EXTENSION in (getattr(context.session.client_capabilities, "extensions", None) or {})


@contextmanager
def _task_errors(context: Context) -> Iterator[None]:
    """The methods of the extension are for clients that know it, and refuse as the protocol does."""
    if not _follows_tasks(context):
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            f"declare the extension {EXTENSION} in the capabilities of the request",
            data={"requiredCapabilities": {"extensions": {EXTENSION: {}}}},
        )
    try:
        yield
    except SwarmError as exc:
        if status_of(exc) == HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        raise MCPError(types.INVALID_PARAMS, str(exc), data=error_body(exc)["error"]) from None


def _scope(context: Context) -> Scope:
    assert context.request is not None  # it came over HTTP
    scope: Scope = context.request.scope
    return scope


def _identity(context: Context) -> Identity:
    identity: Identity = _scope(context)["state"]["identity"]
    return identity
