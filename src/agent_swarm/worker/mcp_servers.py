"""The MCP servers of agents: the swarm's own, and those that an operator gives to all agents of a worker.

An operator names them in the file format of MCP clients. The swarm's own gets the token of the one attempt, so it is
made anew for each run, and leaves the worker only in the private files of the run.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent_swarm.config import SettingError

Servers = Mapping[str, Mapping[str, Any]]
OWN = "swarm"  # agents see its tools as `mcp__swarm__…`
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
    if OWN in servers:
        raise _invalid(f"{path} names a server {OWN!r}, which is the name of the swarm's own; give it another one")
    return servers


def servers_of_run(given: Servers, *, server_url: str, path: str, token: str) -> Servers:
    """What one attempt gets: those that are `given`, and the swarm's own at `path` of the server, where it has one."""
    if not path:
        return given
    headers = {"Authorization": f"Bearer {token}"}
    return {**given, OWN: {"type": "http", "url": server_url.rstrip("/") + path, "headers": headers}}


def secrets_of(servers: Servers) -> Iterator[str]:
    """What must not be shown of them: the values of headers and variables."""
    for server in servers.values():
        for field in ("headers", "env"):
            values = server.get(field)
            for value in values.values() if isinstance(values, dict) else ():
                yield from (str(value), str(value).rpartition(" ")[2])  # `Bearer …`: the token alone, too


def _invalid(message: str) -> SettingError:
    return SettingError(f"AGENT_SWARM_MCP_CONFIG: {message}", hint=_EXPECTED)
