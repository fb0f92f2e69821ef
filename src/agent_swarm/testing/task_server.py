"""A real HTTP server that takes tasks as the control plane does, for agents that create some."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "attempt-token"


@dataclass
class TaskServer:
    """What came in, and the one refusal it may be told to answer with."""

    url: str = ""
    refusal: tuple[int, dict[str, Any] | str] | None = None
    received: list[tuple[str, Any]] = field(default_factory=list)  # path and body of what was accepted
    keys: list[str] = field(default_factory=list)  # of every request that had the right token

    def answer(self, path: str, token: str | None, key: str, body: Any) -> tuple[int, Any]:
        """Status and body for one POST."""
        if token != f"Bearer {TOKEN}":
            return 401, {"error": {"code": "unauthenticated", "message": "no token"}}
        self.keys.append(key)
        if self.refusal is not None:
            return self.refusal
        self.received.append((path, body))
        return 201, {"id": f"task-{len(self.received)}"}


@contextmanager
def serving() -> Iterator[TaskServer]:
    """A server on a free port of the loopback interface, for the length of the block."""
    server = TaskServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Called by http.server."""
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = server.answer(
                self.path, self.headers["Authorization"], self.headers["Idempotency-Key"], body
            )
            content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        http.shutdown()
        thread.join()
