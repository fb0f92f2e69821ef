"""Asks MCP servers whether they let an agent in, before it is asked: by itself it goes on without them, in silence."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

_SECONDS = 20.0
_HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "agent-swarm", "version": "1"},
    },
}


async def refusing(servers: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of those with a URL that cannot be reached, or refuse what they are shown. Others are not asked."""
    asked = [(name, server) for name, server in servers.items() if "url" in server]
    answers = await asyncio.gather(*(asyncio.to_thread(_lets_in, server) for _, server in asked))
    return tuple(name for (name, _), lets_in in zip(asked, answers, strict=True) if not lets_in)


def _lets_in(server: Mapping[str, Any]) -> bool:
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **{str(name): str(value) for name, value in dict(server.get("headers") or {}).items()},
    }
    request = urllib.request.Request(str(server["url"]), json.dumps(_HELLO).encode(), headers, method="POST")  # noqa: S310 (the worker's own settings)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as exc:
        return exc.code not in (401, 403, 404)
    except (OSError, ValueError):
        return False
