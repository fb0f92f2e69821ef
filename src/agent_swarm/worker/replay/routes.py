"""Which address inside a run stands for which one outside.

    http://127.0.0.1:<port>/<key>/<route>/…      the route is the name of a variable, or `mcp.<server>`

The key is new for each run: other programs of the host cannot speak through it, nor into the recording.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

from agent_swarm.harness.base import Turn

# The variable that says where a model is, and where it is without it, as the CLIs have it; empty: at no one place.
MODELS = {
    "ANTHROPIC_BASE_URL": "https://api.anthropic.com",
    "COPILOT_PROVIDER_BASE_URL": "",
    "OPENAI_BASE_URL": "https://api.openai.com/v1",
    "CODEX_OAUTH_BASE_URL": "https://chatgpt.com/backend-api/codex",
    "OPENROUTER_BASE_URL": "https://openrouter.ai/api/v1",
    "GOOGLE_GEMINI_BASE_URL": "https://generativelanguage.googleapis.com",
}
_MCP = "mcp."
_DIRECT = ("NO_PROXY", "no_proxy")


def is_mcp(route: str) -> bool:
    """Whether it leads to an MCP server, and not to a model."""
    return route.startswith(_MCP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """`outside` has the real address of each route."""

    outside: Mapping[str, str]
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)

    @classmethod
    def of(cls, turn: Turn, variables: tuple[str, ...], may_reach: Callable[[str], bool]) -> "Routes":
        """Those of a turn: the models its harness is told the address of, and the MCP servers that answer by HTTP.

        A server that the run may not reach by itself has none: a recording opens no way out.
        """
        models = {name: turn.env.get(name, "").strip() or MODELS[name] for name in MODELS if name in variables}
        servers = {f"{_MCP}{name}": str(server["url"]) for name, server in turn.mcp_servers.items() if "url" in server}
        known = {name: url for name, url in {**models, **servers}.items() if url}
        return cls(outside={name: url for name, url in known.items() if may_reach(url)})

    def led(self, turn: Turn, port: int) -> Turn:
        """The turn, led through `port` of loopback."""
        inside = {route: f"http://127.0.0.1:{port}/{self.key}/{quote(route, safe='')}" for route in self.outside}
        direct = {name: ",".join(filter(None, (turn.env.get(name), "127.0.0.1"))) for name in _DIRECT}
        env = {**turn.env, **direct, **{name: url for name, url in inside.items() if not is_mcp(name)}}
        return replace(
            turn, env=env, mcp_servers={n: _at(s, inside.get(_MCP + n)) for n, s in turn.mcp_servers.items()}
        )

    def find(self, target: str) -> tuple[str, str] | None:
        """The route of a request, and the rest of its target; None for what is none of ours."""
        path, _, query = target.partition("?")
        _, key, route, rest = [*path.split("/", 3), "", "", ""][:4]
        name = unquote(route)
        if not secrets.compare_digest(key.encode(), self.key.encode()) or name not in self.outside:
            return None
        below = f"/{rest}" if path.count("/") > 2 else ""
        return name, f"{below}?{query}" if query else below

    @staticmethod
    def servers(outside: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """The MCP servers among them, for a turn that is made from a recording."""
        return {name.removeprefix(_MCP): {"type": "http", "url": url} for name, url in outside.items() if is_mcp(name)}


def _at(server: Mapping[str, Any], url: str | None) -> Mapping[str, Any]:
    return server if url is None else {**server, "url": url}
