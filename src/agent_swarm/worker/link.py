"""What a connection to the server has to offer, whichever way it goes, and how it can fail.

    SwarmError
    ├── Unavailable
    │   ├── LinkLost             there is no connection, or it broke before the answer came: connect and send again
    │   └── Unreachable          the server could not be reached for as long as the worker was told to try
    ├── Denied
    │   └── KeyRefused           the server does not know the API key
    └── InvalidInput
        └── ProfileRefused       what the agent says about itself is not acceptable

`refusal` reads what a server, or a proxy on the way to it, answers instead of what was asked for.
"""

import json
from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from pydantic import ValidationError

from agent_swarm.domain.errors import Denied, InvalidInput, SwarmError, Unavailable
from agent_swarm.protocol.errors import RemoteError, error_from_wire
from agent_swarm.protocol.pool import VERSION, VERSION_HEADER, Frame, FrameType

log = structlog.get_logger(__name__)

MAX_MESSAGE_BYTES = 32 * 1024 * 1024  # of the server: a claim holds a prompt and the results it builds on


class LinkLost(Unavailable):
    """There is no connection to the server, or it broke before the answer came."""

    code = "linkLost"


class Unreachable(Unavailable):
    """The server could not be reached for as long as the worker was told to try."""

    code = "unreachable"


class KeyRefused(Denied):
    """The server does not know the API key."""

    code = "keyRefused"


class ProfileRefused(InvalidInput):
    """What the agent says about itself is not acceptable; asking again does not help."""

    code = "profileRefused"


class Link(Protocol):
    """An established connection. All methods raise LinkLost, or what the server said, once it is broken."""

    @property
    def kind(self) -> str: ...

    async def send(self, frames: Sequence[Frame]) -> None:
        """Send, in order; returns before anything is answered."""
        ...

    async def receive(self) -> Sequence[Frame]:
        """Wait for the next frames of the server."""
        ...

    async def close(self) -> None:
        """Idempotent; ends a `receive` that waits."""
        ...


def readable(raw: Any) -> Frame | None:
    """A frame of the server; None for one of a type that only newer workers know. Raises LinkLost for anything else."""
    try:
        return Frame.model_validate(raw)
    except ValidationError as exc:
        is_newer = isinstance(raw, dict) and isinstance(raw.get("type"), str) and raw["type"] not in set(FrameType)
        if not is_newer:
            said = "the server sent something that is no frame"
            raise LinkLost(said, hint="is this an Agent Swarm server?") from exc
        log.info("frame_ignored", type=raw["type"][:64])
        return None


def headers(token: str) -> dict[str, str]:
    """Who asks, and which protocol is spoken."""
    return {"Authorization": f"Bearer {token}", VERSION_HEADER: str(VERSION)}


def refusal(status: int, body: bytes) -> SwarmError:
    """What an HTTP answer other than the expected one means; RemoteError where our server did not write it."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict) and isinstance(told.get("error"), dict):
        return error_from_wire(told)
    if status in (408, 429) or status >= 500:
        return LinkLost(f"the server, or a proxy before it, answered HTTP {status}", hint="it is tried again")
    return RemoteError(f"got HTTP {status}, which is not an answer of an Agent Swarm server", hint="check MCP_BASE_URL")
