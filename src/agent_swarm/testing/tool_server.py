"""A small MCP server on loopback, for agents that are given tools: one tool, a bearer token, JSON answers.

It speaks as much of the streamable HTTP transport as clients need to call a tool: no sessions, no streams.
"""

import asyncio
import json
from types import TracebackType
from typing import Any, Self

from agent_swarm.testing.model_server.wire import HEAD_BYTES, Answer, BadRequest, Received, receive

VERSION = "2025-11-25"
TOOL = {
    "name": "echo",
    "description": "Gives back its text.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}


class ToolServer:
    """Use it as `async with ToolServer(token) as tools`; `tools.config()` is its entry among `mcpServers`."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.calls: list[dict[str, Any]] = []  # arguments, in the order of arrival
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._listener is not None
        return f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}/mcp"

    def config(self, *, token: str | None = None) -> dict[str, Any]:
        """As clients are told of it; with another token it will not let them in."""
        return {"type": "http", "url": self.url, "headers": {"Authorization": f"Bearer {token or self.token}"}}

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                await self._handle(await receive(reader), Answer(writer))
        except (OSError, BadRequest, asyncio.IncompleteReadError):
            pass  # the client has left
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _handle(self, received: Received, answer: Answer) -> None:
        if received.method != "POST":
            await answer.send(405, b"", {"allow": "POST"})
        elif received.headers.get("authorization") != f"Bearer {self.token}":
            await answer.send_json(401, {"error": "wrong token"}, {})
        else:
            await self._answer(json.loads(received.content), answer)

    async def _answer(self, body: dict[str, Any], answer: Answer) -> None:
        if "id" not in body:
            await answer.send(202, b"", {})
            return
        about = {"jsonrpc": "2.0", "id": body["id"]}
        result = self._result(body.get("method"), body.get("params") or {})
        if result is not None:
            await answer.send_json(200, {**about, "result": result}, {})
            return
        error = {"code": -32601, "message": "no such method"}
        status = 400 if body.get("method") == "server/discover" else 200  # clients of today fall back then
        await answer.send_json(status, {**about, "error": error}, {})

    def _result(self, method: Any, params: dict[str, Any]) -> dict[str, Any] | None:
        match method:
            case "initialize":
                about = {"name": "tool-server", "version": "1"}
                version = str(params.get("protocolVersion") or VERSION)
                return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
            case "tools/list":
                return {"tools": [TOOL]}
            case "tools/call":
                arguments = params.get("arguments") or {}
                self.calls.append(arguments)
                return {"content": [{"type": "text", "text": f"echo: {arguments.get('text')}"}]}
            case "ping":
                return {}
        return None
