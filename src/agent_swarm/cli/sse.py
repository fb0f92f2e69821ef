"""Server-sent events: the format as a pure function, and a stream that goes on where it stopped."""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agent_swarm.cli.address import Server
from agent_swarm.cli.client import Query, connect, encoded, read_json, request_headers
from agent_swarm.cli.failures import Unreachable
from agent_swarm.domain.errors import Unavailable
from agent_swarm.protocol.limits import SSE_HEARTBEAT_SECONDS

SILENCE_SECONDS = 3 * SSE_HEARTBEAT_SECONDS  # two heartbeats may get lost
RECONNECT_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)  # the last one repeats
GIVE_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Message:
    """One dispatched event of the stream. `id` is the last one seen, as the format defines it."""

    event: str
    data: str
    id: str


def messages(lines: Iterable[str]) -> Iterator[Message]:
    """The messages that `lines`, without their ends, make up (WHATWG HTML §9.2.6); comments are skipped.

    A heartbeat that only brings an id comes as a message without data.
    """
    event, data, last_id, told_id = "", list[str](), "", ""
    for line in lines:
        if not line:
            if data or last_id != told_id:
                yield Message(event or "message", "\n".join(data), last_id)
            event, data, told_id = "", [], last_id
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            last_id = value


class EventStream:
    """The events of a server from `after` on (default: from now on), over as many connections as it takes.

    Iterating yields each event as a dict, and {"type": "reset"} where the server cannot go on from the last one seen:
    read the state anew. Raises Unreachable when the server has been away for a minute, SwarmError when it refuses; ends
    after `close`, which another thread may call.
    """

    def __init__(self, server: Server, *, after: int | None = None, query: Query | None = None) -> None:
        self._server = server
        self._query = query
        self._last_id = "" if after is None else str(after)
        self._socket: socket.socket | None = None
        self._response: http.client.HTTPResponse | None = None
        self._is_closed = False

    def open(self) -> None:
        """Connect: what happens from here on will be seen. Iterating does it too, but then tries for a minute."""
        connection = connect(self._server, answer_seconds=SILENCE_SECONDS)
        headers = {**request_headers(self._server), "Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        try:
            connection.request(
                "GET", urlsplit(self._server.url).path + "/api/events" + encoded(self._query), None, headers
            )
            self._socket = connection.sock
            response = connection.getresponse()
            if response.status != 200:
                read_json(max(response.status, 400), response.read(), self._server)
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise Unreachable(f"{self._server.url} does not stream events: {exc}") from exc
        except BaseException:
            connection.close()
            raise
        self._response = response

    def close(self) -> None:
        """Disconnect for good, waking a reader; safe to repeat."""
        self._is_closed = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._disconnect()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        failures, since = 0, time.monotonic()
        while not self._is_closed:
            try:
                for event in self._connected():
                    failures, since = 0, time.monotonic()
                    yield event
            except (Unreachable, Unavailable):
                if time.monotonic() - since > GIVE_UP_SECONDS:
                    raise
            self._disconnect()
            if not self._is_closed:
                time.sleep(RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)])
                failures += 1

    def _connected(self) -> Iterator[dict[str, Any]]:
        if self._response is None:
            self.open()
        for message in messages(self._lines()):
            self._last_id = message.id
            if message.event == "reset":
                yield {"type": "reset"}
            elif message.data:
                yield json.loads(message.data)

    def _lines(self) -> Iterator[str]:
        """Lines until the connection ends, in whichever way it does."""
        try:
            while self._response is not None and (line := self._response.readline()):
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        except (OSError, http.client.HTTPException):
            return
        except (AttributeError, ValueError):
            if not self._is_closed:  # http.client reads on from what `close` took away
                raise

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()
        if self._socket is not None:
            self._socket.close()
        self._response = self._socket = None
