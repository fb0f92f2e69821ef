"""The REST API over the standard library, for commands that have to start fast.

Every request has its own connection, so none can fail on one that the server closed meanwhile. Reads, creates (which
carry an Idempotency-Key) and settings of a value are sent again when the connection breaks or the server is busy; other
writes are not, because they may have happened.
"""

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from agent_swarm import __version__
from agent_swarm.cli.address import Server
from agent_swarm.cli.failures import ConnectionLost, Unreachable
from agent_swarm.domain.errors import Killed, SwarmError, Unauthenticated, Unavailable
from agent_swarm.domain.ids import new_id
from agent_swarm.protocol.errors import RemoteError, error_from_wire
from agent_swarm.protocol.limits import PAGE_MAX

Json = dict[str, Any]
Query = Mapping[str, object]

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
RETRY_SECONDS = (0.1, 0.4, 1.0, 2.0)  # a restarting server is back within 1.5 s
REPLY_BYTES = 256 * 1024 * 1024
_OF_PATHS = "/?&=%:@!$'()*+,;~"  # what people type instead of an id may have anything else, too


class Client:
    """Talks JSON with one server. Every method raises SwarmError: what the server said, or Unreachable.

    `retry_seconds` are the pauses before what may be repeated is sent again.
    """

    def __init__(
        self,
        server: Server,
        *,
        answer_seconds: float = ANSWER_SECONDS,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self.server = server
        self._answer_seconds = answer_seconds
        self._retry_seconds = retry_seconds

    def get(self, path: str, query: Query | None = None) -> Json:
        """The answer to a read."""
        return self._send("GET", path + encoded(query), repeatable=True)

    def create(self, path: str, body: Json, *, key: str = "") -> Json:
        """Make something once, however often the connection breaks; with `key`, however often it is asked for."""
        return self._send("POST", path, body, headers={"Idempotency-Key": key or new_id()}, repeatable=True)

    def post(self, path: str, body: Json | None = None) -> Json:
        """Do something that may not be done twice."""
        return self._send("POST", path, body or {}, repeatable=False)

    def patch(self, path: str, body: Json) -> Json:
        """Set values."""
        return self._send("PATCH", path, body, repeatable=True)

    def put(self, path: str, body: Json) -> Json:
        """The body of a write that says how something is to be."""
        return self._send("PUT", path, body, repeatable=True)

    def delete(self, path: str) -> Json:
        """Remove something; answers what it was."""
        return self._send("DELETE", path, repeatable=False)

    def pages(self, path: str, query: Query | None = None) -> Iterator[Json]:
        """Every page of a list, from the first or from `query`'s cursor on."""
        page = self.get(path, {"limit": PAGE_MAX, **(query or {})})
        yield page
        while page.get("nextCursor"):
            page = self.get(path, {"limit": PAGE_MAX, **(query or {}), "cursor": page["nextCursor"]})
            yield page

    def items(self, path: str, key: str) -> list[Json]:
        """Everything in a list, whose pages have it under `key`."""
        return [item for page in self.pages(path) for item in page[key]]

    def _send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
    ) -> Json:
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        was_there = False
        for delay in (*self._retry_seconds, None):
            try:
                return self._send_once(method, path, content, headers or {})
            except Killed:
                raise  # it goes on when a person says so, not in a moment
            except (Unreachable, Unavailable) as exc:
                was_there = was_there or not isinstance(exc, Unreachable) or isinstance(exc, ConnectionLost)
                if delay is None or not was_there or not repeatable:
                    raise
                time.sleep(delay)
        raise AssertionError("the last round returns or raises")

    def _send_once(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Json:
        connection = connect(self.server, answer_seconds=self._answer_seconds)
        try:
            connection.request(
                method,
                urlsplit(self.server.url).path + quote(path, safe=_OF_PATHS),
                content,
                {
                    **request_headers(self.server),
                    **headers,
                    **({"Content-Type": "application/json"} if content else {}),
                },
            )
            response = connection.getresponse()
            return read_json(response.status, response.read(REPLY_BYTES), self.server)
        except TimeoutError as exc:
            raise _lost(self.server, method, f"no answer within {self._answer_seconds:.0f} s") from exc
        except (OSError, http.client.HTTPException) as exc:
            raise _lost(self.server, method, str(exc) or type(exc).__name__) from exc
        finally:
            connection.close()


def connect(server: Server, *, answer_seconds: float) -> http.client.HTTPConnection:
    """An open connection to the server; raises Unreachable where nobody listens."""
    parts = urlsplit(server.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)
    try:
        connection.connect()
    except OSError as exc:
        reason = exc.strerror or str(exc) or type(exc).__name__
        hint = (
            "start one with: agent-swarm up" if server.is_local else "check --url or AGENT_SWARM_URL, and the network"
        )
        raise Unreachable(f"no server answers at {server.url}: {reason}", hint=hint) from exc
    connection.sock.settimeout(answer_seconds)
    return connection


def request_headers(server: Server) -> dict[str, str]:
    """What every request says about who asks."""
    headers = {"Accept": "application/json", "User-Agent": f"agent-swarm/{__version__}"}
    return {**headers, "Authorization": f"Bearer {server.key}"} if server.key else headers


def read_json(status: int, content: bytes, server: Server) -> Json:
    """The body of a good answer; raises the error that any other one stands for."""
    if status == 204 and not content:
        return {}
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RemoteError(
            f"{server.url} answered {status} with something other than JSON", hint="is this an Agent Swarm server?"
        )
    if status >= 400:
        raise _explained(error_from_wire(body), server)
    return body


def encoded(query: Query | None) -> str:
    """`?a=1&b=2`; values that are None or empty are left out, sequences repeat their name."""
    kept = {name: value for name, value in (query or {}).items() if value not in (None, "", (), [])}
    return "?" + urlencode(kept, doseq=True) if kept else ""


def _explained(error: SwarmError, server: Server) -> SwarmError:
    """The server's hint is for programs that send headers; who types a command sets a variable."""
    if isinstance(error, Unauthenticated):
        error.hint = "set API_KEY to the server's key; on its machine it is in the file api-key of its data directory"
        if server.key:
            error.hint = f"the key that was sent is not one of this server's; {error.hint}"
    return error


def _lost(server: Server, method: str, reason: str) -> ConnectionLost:
    hint = "check whether the server runs: agent-swarm doctor"
    if method != "GET":
        hint = "it may have happened all the same: look before you repeat it"
    return ConnectionLost(f"the connection to {server.url} broke before the answer came: {reason}", hint=hint)
