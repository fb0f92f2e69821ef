"""The usual link: one WebSocket, one frame a message."""

import json
import ssl
from collections.abc import Sequence

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from agent_swarm.domain.errors import Denied, Superseded, SwarmError, Unauthenticated, Unavailable
from agent_swarm.protocol.errors import ProtocolVersion
from agent_swarm.protocol.pool import CLOSE_SUPERSEDED, CLOSE_UNAUTHENTICATED, Frame
from agent_swarm.worker.http import Endpoint
from agent_swarm.worker.link import MAX_MESSAGE_BYTES, LinkLost, headers, readable, refusal

PATH = "/v1/pool/socket"
OPEN_SECONDS = 10.0
CLOSE_SECONDS = 1.0
PING_SECONDS = 20.0  # the worker's heartbeats notice a dead peer sooner; this keeps idle connections open in NATs


class NoWebSocket(SwarmError):
    """Something on the way does not let a WebSocket through; plain HTTP may get there."""

    code = "noWebSocket"


class WebSocketLink:
    """Meets `link.Link`."""

    kind = "websocket"

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, url: str, token: str) -> "WebSocketLink":
        """Connect. Raises NoWebSocket, LinkLost, or what the server refused with."""
        address = f"ws{url.removeprefix('http')}{PATH}"  # http -> ws, https -> wss
        try:
            connection = await connect(
                address,
                additional_headers=headers(token),
                proxy=None if Endpoint.of(url).is_local else True,
                compression=None,  # on purpose: it costs 64 KiB and more per connection on the server
                open_timeout=OPEN_SECONDS,
                close_timeout=CLOSE_SECONDS,
                ping_interval=PING_SECONDS,
                max_size=MAX_MESSAGE_BYTES,
            )
        except InvalidStatus as exc:
            raise _refused(exc.response.status_code, bytes(exc.response.body or b"")) from exc
        except InvalidURI as exc:
            raise LinkLost(f"cannot connect: {exc}", hint="check MCP_BASE_URL") from exc
        except (WebSocketException, EOFError) as exc:
            raise NoWebSocket(f"the WebSocket handshake failed: {exc}", hint="plain HTTP is tried instead") from exc
        except ssl.SSLError as exc:
            raise LinkLost(
                f"cannot connect securely: {exc.reason or exc}", hint="check the server's certificate"
            ) from exc
        except (OSError, TimeoutError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc) or "no answer in time"
            raise LinkLost(
                f"cannot reach {Endpoint.of(url).authority}: {reason.lower()}", hint="it is tried again"
            ) from exc
        return cls(connection)

    async def send(self, frames: Sequence[Frame]) -> None:
        """Send, in order."""
        try:
            for frame in frames:
                await self._connection.send(frame.model_dump_json())
        except ConnectionClosed as exc:
            raise _closed(exc) from exc

    async def receive(self) -> Sequence[Frame]:
        """Wait for the next frame of the server."""
        try:
            frame = readable(json.loads(await self._connection.recv()))
        except ConnectionClosed as exc:
            raise _closed(exc) from exc
        except (ValueError, RecursionError) as exc:
            raise LinkLost("the server sent something that is not JSON", hint="check MCP_BASE_URL") from exc
        return () if frame is None else (frame,)

    async def close(self) -> None:
        """Say goodbye on the WebSocket's level; a peer that does not answer is cut off."""
        try:
            await self._connection.close()
        except (WebSocketException, OSError, TimeoutError):
            self._connection.transport.abort()


def _refused(status: int, body: bytes) -> SwarmError:
    """Only the server's own word is taken for final: proxies refuse upgrades with almost any status."""
    told = refusal(status, body)
    final = isinstance(told, Denied | Unavailable | Superseded | ProtocolVersion)
    return told if final else NoWebSocket(f"the upgrade to a WebSocket was answered with HTTP {status}")


def _closed(exc: ConnectionClosed) -> SwarmError:
    code = exc.rcvd.code if exc.rcvd is not None else None
    reason = exc.rcvd.reason if exc.rcvd is not None else ""
    if code == CLOSE_SUPERSEDED:
        return Superseded(reason or "another process runs under this AGENT_ID")
    if code == CLOSE_UNAUTHENTICATED:
        return Unauthenticated(reason or "the server does not know this token any more")
    return LinkLost(f"the connection was closed{f': {reason}' if reason else ''}", hint="it is tried again")
