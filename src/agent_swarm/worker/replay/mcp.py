"""Answers of MCP servers from a recording: a call gets what the same call got, and nothing happens anywhere. Pure.

The same is a call of the same method with the same parameters. What only asks what there is may be asked more often
than it was; a tool is not called more often than it was.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_swarm.worker.replay.normal import Normal, same
from agent_swarm.worker.replay.tape import Exchange

NOT_RECORDED = -32000


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer; without a `body` the call waits for ever, as it did."""

    status: int
    body: Mapping[str, Any] | None
    headers: Mapping[str, str]


class McpAnswers:
    """The recorded exchanges with MCP servers, each to be used once."""

    def __init__(self, exchanges: Sequence[Exchange], recorded: Normal, now: Normal) -> None:
        self._left = list(exchanges)
        self._last: list[Exchange] = []  # used before
        self._recorded = recorded
        self._now = now

    def reply(self, route: str, request: Any) -> Reply:
        """To a request, or to a notification."""
        if not isinstance(request, Mapping) or "id" not in request:
            return Reply(202, {}, {})
        asked = _call(request, self._now)
        found = next((one for one in self._left if self._is(one, route, asked)), None)
        if found is not None:
            self._left.remove(found)
            self._last.append(found)
        elif request.get("method") != "tools/call":
            found = next((one for one in reversed(self._last) if self._is(one, route, asked)), None)
        return _not_recorded(request) if found is None else _answer(found, request["id"])

    def _is(self, exchange: Exchange, route: str, asked: Any) -> bool:
        is_call = exchange.route == route and isinstance(exchange.request, Mapping) and "id" in exchange.request
        return is_call and same(_call(exchange.request, self._recorded), asked)


def _call(request: Mapping[str, Any], normal: Normal) -> Any:
    params = request.get("params")
    told = {k: v for k, v in params.items() if k != "_meta"} if isinstance(params, Mapping) else params
    return normal.value({"method": request.get("method"), "params": told or {}})


def _answer(exchange: Exchange, request_id: Any) -> Reply:
    session = {name: value for name, value in exchange.headers.items() if name.startswith("mcp-")}
    for message in _messages(exchange.body):
        if "result" in message or "error" in message:
            return Reply(exchange.status, {**message, "id": request_id}, session)
    return Reply(exchange.status, None if exchange.status < 300 else {}, session)


def _messages(body: str) -> Iterator[Mapping[str, Any]]:
    """The JSON-RPC messages in a body, which is JSON or a stream of events."""
    texts = [body] if body.lstrip().startswith("{") else [line[5:] for line in body.splitlines() if line[:5] == "data:"]
    for text in texts:
        try:
            message = json.loads(text)
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message


def _not_recorded(request: Mapping[str, Any]) -> Reply:
    message = f"{request.get('method')} with these parameters is not in the recording, and a replay asks no server"
    error = {"code": NOT_RECORDED, "message": message}
    return Reply(200, {"jsonrpc": "2.0", "id": request["id"], "error": error}, {})
