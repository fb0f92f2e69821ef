"""Which server a command talks to, and with which key.

Address: `--url`, else `AGENT_SWARM_URL`, else `MCP_BASE_URL`, else `SWARM_API_URL`, else http://127.0.0.1:3013. Key:
`AGENT_SWARM_TOKEN`, else `API_KEY`, else `AGENT_SWARM_API_KEY`, else the file `api-key` of the server's data directory
on this machine. An
empty variable counts as unset.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.config import home

DEFAULT_URL = "http://127.0.0.1:3013"
URL_VARIABLES = ("AGENT_SWARM_URL", "MCP_BASE_URL", "SWARM_API_URL")
KEY_VARIABLES = ("AGENT_SWARM_TOKEN", "API_KEY", "AGENT_SWARM_API_KEY")  # the first is an agent's own, for its run
KEY_FILE = "api-key"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Server:
    """A server's base address without a slash at the end, and the key to show it; empty where there is none."""

    url: str
    key: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        """It is reached over this machine's own loopback."""
        return urlsplit(self.url).hostname in LOOPBACK


def locate(url: str | None = None, environ: Mapping[str, str] | None = None) -> Server:
    """The server that flags and environment name; raises CommandFailed where the address is none."""
    environ = os.environ if environ is None else environ
    server = Server(checked_url(url or first_set(environ, URL_VARIABLES) or DEFAULT_URL))
    return Server(
        server.url, first_set(environ, KEY_VARIABLES) or (key_in(server_data_dir(environ)) if server.is_local else "")
    )


def checked_url(url: str) -> str:
    """`url` without a slash at the end; raises CommandFailed where nothing could listen there."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise CommandFailed(
            f"{url!r} is not the address of a server", hint=f"write it like {DEFAULT_URL} (--url or AGENT_SWARM_URL)"
        )
    return url.rstrip("/")


def server_data_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the server of this machine keeps its files: `DATA_DIR`, else `~/.agent-swarm/server`."""
    named = (os.environ if environ is None else environ).get("DATA_DIR", "").strip()
    return Path(named).expanduser() if named else home() / "server"


def key_in(data_dir: Path) -> str:
    """The key that the server wrote into its data directory; empty where there is none to read.

    It is offered to loopback addresses only: the key of this machine's server is nobody else's business.
    """
    try:
        return (data_dir / KEY_FILE).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def first_set(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The value of the first variable that is not empty; empty where all are."""
    return next((value for name in names if (value := environ.get(name, "").strip())), "")
