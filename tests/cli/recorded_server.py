"""A server of answers that a test lays down beforehand: real sockets, one connection per answer, every request kept."""

import json
import socketserver
import threading
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

HANG_UP = b""  # take the request, then close the connection without a word


@dataclass(frozen=True, slots=True)
class Request:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def answer(body: Any, status: int = 200, content_type: str = "application/json") -> bytes:
    """A whole HTTP answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(content)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + content


def refusal(code: str, status: int, message: str = "no", hint: str = "do something else") -> bytes:
    """An error as our server words it."""
    return answer({"error": {"code": code, "message": message, "hint": hint, "details": {}}}, status)


def stream(text: str) -> bytes:
    """An event stream that ends after `text`."""
    return b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + text.encode()


@dataclass
class RecordedServer:
    """Answers in the order laid down; the last one repeats."""

    answers: deque[bytes] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        recorded = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                request = _read(self.rfile)
                if request is not None:
                    recorded.requests.append(request)
                    self.wfile.write(recorded._next())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def will(self, *answers: bytes) -> Self:
        """Lay down what to answer next."""
        self.answers.extend(answers)
        return self

    def _next(self) -> bytes:
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]


def _read(source: Any) -> Request | None:
    first = source.readline().decode().split()
    if not first:
        return None
    headers: dict[str, str] = {}
    while line := source.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Request(first[0], first[1], headers, source.read(int(headers.get("content-length", 0))))
