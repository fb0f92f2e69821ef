"""Tools for agents: what a call costs the server in each era, the size of the list, and what the SDK weighs."""

import json
import time
from http.client import HTTPConnection
from typing import Any

from benchmarks import processes, workplace
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale
from benchmarks.server import Server, agent_swarm

MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"
REST_SECONDS = 3.0
MEGABYTE = 1_000_000
_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def measure(scale: Scale) -> list[Row]:
    """One client, one call after the other: the processor time counts, not the wait."""
    with workplace.folder() as folder, agent_swarm(folder) as server:
        time.sleep(REST_SECONDS)
        before = processes.rss(server.pid)
        client = HTTPConnection("127.0.0.1", server.port, timeout=30)
        since = time.perf_counter()
        listed = _ask(client, server, MODERN, "tools/list", {})
        first_call = time.perf_counter() - since
        calls = scale.of(2_000, 100)
        modern = _cpu_per_call(client, server, MODERN, calls)
        handshake = _cpu_per_call(client, server, HANDSHAKE, calls)
        after = processes.rss(server.pid)
    return [
        row("MCP: tools/list of an operator", len(listed) / 1000, "kB", at_most(25)),
        row("MCP: server CPU of a call, 2026-07-28", modern * 1e6, "µs", at_most(1000)),
        row("MCP: server CPU of a call, 2025-11-25", handshake * 1e6, "µs"),
        row("MCP: the first request, which loads the SDK", first_call, "s"),
        row("memory of the server: before anybody asks for tools", before / MEGABYTE, "MB", at_most(100)),
        row("memory of the server: after some thousand calls", after / MEGABYTE, "MB"),
    ]


def _cpu_per_call(client: HTTPConnection, server: Server, era: str, calls: int) -> float:
    params = {"name": "my-agent-info", "arguments": {}}
    before = processes.cpu_seconds(server.pid)
    for _ in range(calls):
        _ask(client, server, era, "tools/call", params)
    return (processes.cpu_seconds(server.pid) - before) / calls


def _ask(client: HTTPConnection, server: Server, era: str, method: str, params: dict[str, Any]) -> bytes:
    is_modern = era == MODERN
    named = {"mcp-method": method, "mcp-name": str(params.get("name", ""))} if is_modern else {}
    headers = {
        "authorization": f"Bearer {server.key}",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": era,
        **{name: value for name, value in named.items() if value},
    }
    content = {**params, **({"_meta": _META} if is_modern else {})}
    client.request(
        "POST", "/mcp", json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": content}), headers
    )
    answer = client.getresponse()
    told = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{method} was answered with {answer.status}: {told[:200]!r}")
    return told
