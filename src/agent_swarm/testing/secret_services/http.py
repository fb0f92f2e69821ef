"""A small HTTP server in a thread, for clients that block."""

import json
import ssl
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Request:
    """What came in; header names in lower case."""

    method: str
    path: str  # with the query
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes out. `hangs`: nothing goes out, until the server is stopped."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False


class LoopbackServer:
    """Use it as `with Fake() as fake`; `fake.url` is where it listens. `fail_next` is answered before anything else."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._failures: deque[Reply] = deque()
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def host(self) -> str:
        """The same as `host:port`."""
        return self.url.partition("://")[2]

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on, with a certificate of the caller's."""
        self._scheme = "https"
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def fail_next(self, *replies: Reply) -> None:
        """Answer the next requests with these, in order."""
        self._failures.extend(replies)

    def answer(self, request: Request) -> Reply:
        """What a good or a bad request is answered."""
        raise NotImplementedError

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def handle_request(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, self.rfile.read(length))
                fake.requests.append(request)
                reply = fake._failures.popleft() if fake._failures else fake.answer(request)
                if reply.hangs:
                    fake._stopped.wait()
                    return
                self._send(reply)

            def _send(self, reply: Reply) -> None:
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing goes to standard error."""

            do_GET = do_POST = do_PUT = do_LIST = handle_request  # noqa: N815 - the library's names

        return Handler
