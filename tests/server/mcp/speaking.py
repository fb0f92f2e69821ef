"""A client of `/mcp` that does as it is told: plain requests of both eras, over whatever client a test has."""

import json
from typing import Any

import httpx2
from tests.server.world import API_KEY, World

MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"
_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def headers_of(era: str, method: str, name: str = "") -> dict[str, str]:
    """What a client of that era sends beside its token."""
    common = {
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": era,
    }
    named = {"mcp-name": name} if name else {}
    return {**common, "mcp-method": method, **named} if era == MODERN else common


def body_of(era: str, method: str, params: dict[str, Any], *, progress: bool = False) -> dict[str, Any]:
    """The JSON-RPC request."""
    meta = {**(_META if era == MODERN else {}), **({"progressToken": "p1"} if progress else {})}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, **({"_meta": meta} if meta else {})}}


async def ask(
    world: World, method: str, params: dict[str, Any] | None = None, *, token: str | None = API_KEY, era: str = MODERN
) -> httpx2.Response:
    """One request, by default the operator's."""
    params = params or {}
    headers = headers_of(era, method, str(params.get("name", "")))
    return await world.call(
        "POST", "/mcp", token=token, headers=headers, content=json.dumps(body_of(era, method, params))
    )


async def tools_of(world: World, token: str | None = API_KEY, era: str = MODERN) -> list[dict[str, Any]]:
    """What tools/list offers."""
    answer = await ask(world, "tools/list", token=token, era=era)
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["result"]["tools"]
    return listed


async def call_tool(
    world: World, name: str, arguments: dict[str, Any] | None = None, *, token: str | None = API_KEY, era: str = MODERN
) -> tuple[Any, bool]:
    """What a tool says, and whether that is an error."""
    answer = await ask(world, "tools/call", {"name": name, "arguments": arguments or {}}, token=token, era=era)
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    return json.loads(result["content"][0]["text"]), result.get("isError", False)


async def says(world: World, name: str, arguments: dict[str, Any] | None = None, **options: Any) -> Any:
    """What a tool says that does what it is asked."""
    said, is_error = await call_tool(world, name, arguments, **options)
    assert not is_error, said
    return said


async def refuses(world: World, name: str, arguments: dict[str, Any] | None = None, **options: Any) -> Any:
    """What a tool says that refuses."""
    said, is_error = await call_tool(world, name, arguments, **options)
    assert is_error, said
    return said["error"]


def refusal_of(answer: httpx2.Response) -> dict[str, Any]:
    """The error of a request that was refused before the protocol was spoken, out of the protocol's form for it."""
    body = answer.json()
    told: dict[str, Any] = body["error"]["data"]
    assert (body["jsonrpc"], body["id"], type(body["error"]["code"])) == ("2.0", None, int)
    assert body["error"]["message"] == f"{told['message']}; {told['hint']}"
    return told
