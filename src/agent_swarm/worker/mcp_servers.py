"""The MCP servers that an operator gives to all agents of a worker, in the file format of MCP clients."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent_swarm.config import SettingError

Servers = Mapping[str, Mapping[str, Any]]
_EXPECTED = 'expected {"mcpServers": {"name": {"type": "http", "url": "…", "headers": {…}}}}'


def read_servers(path: Path | None) -> Servers:
    """The servers in a file such as `.mcp.json`; none without a file. Raises SettingError."""
    if path is None:
        return {}
    try:
        content = json.loads(path.read_bytes())
    except OSError as exc:
        raise _invalid(f"{path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise _invalid(f"{path} is not valid JSON: {exc}") from exc
    servers = content.get("mcpServers") if isinstance(content, dict) else None
    if not isinstance(servers, dict) or not all(isinstance(server, dict) for server in servers.values()):
        raise _invalid(f"{path} names no servers")
    return servers


def secrets_of(servers: Servers) -> Iterator[str]:
    """What must not be shown of them: the values of headers and variables."""
    for server in servers.values():
        for field in ("headers", "env"):
            values = server.get(field)
            for value in values.values() if isinstance(values, dict) else ():
                yield from (str(value), str(value).rpartition(" ")[2])  # `Bearer …`: the token alone, too


def _invalid(message: str) -> SettingError:
    return SettingError(f"AGENT_SWARM_MCP_CONFIG: {message}", hint=_EXPECTED)
