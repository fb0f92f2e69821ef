"""An endpoint of webhooks on loopback for tests: it takes what comes, refuses, hangs, or answers nonsense."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HANGS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """One request that came; names of headers in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Which delivery it is."""
        return self.headers["webhook-id"]


@dataclass(slots=True)
class WebhookServer:
    """`statuses` answer one request after the other, the last one all that follow; `raw` is said in place of HTTP.

    While `hangs` is not set, requests are answered; the event `released` lets those go that hang.
    """

    statuses: list[int] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hangs: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    came: list[Delivered] = field(default_factory=list)
    began: int = 0  # requests, answered or not
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ticks: threading.Event = field(default_factory=threading.Event)  # never set: it is waited for

    @property
    def ids(self) -> list[str]:
        """Of the deliveries that came, in their order."""
        return [one.id for one in self.came]

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        """One request."""
        body = asked.rfile.read(int(asked.headers.get("Content-Length", 0)))
        delivered = Delivered(asked.path, {name.lower(): value for name, value in asked.headers.items()}, body)
        with self._lock:
            self.began += 1
            hangs = self.hangs
        if hangs:
            self.released.wait(_HANGS_SECONDS)
        with self._lock:
            self.came.append(delivered)
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if self.raw is not None:
            asked.wfile.write(self.raw)
            return
        asked.send_response(status)
        for name, value in self.headers.items():
            asked.send_header(name, value)
        asked.send_header("Content-Length", "0")
        asked.end_headers()

    def wait_for(self, count: int, within: float = 10.0) -> list[Delivered]:
        """The deliveries, once there are that many. AssertionError after `within` seconds."""
        give_up_at = time.monotonic() + within
        while len(self.came) < count:
            if time.monotonic() > give_up_at:
                raise AssertionError(f"{len(self.came)} deliveries came within {within} s, expected {count}")
            self._ticks.wait(0.01)
        return list(self.came)


@contextmanager
def webhook_server(**options: Any) -> Iterator[WebhookServer]:
    """The endpoint at work; its `url` takes deliveries."""
    endpoint = WebhookServer(**options)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                endpoint.answer(self)
            except ConnectionError:  # who asked has given up
                return

        def log_message(self, format: str, *args: Any) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    endpoint.url = f"http://127.0.0.1:{http.server_address[1]}/hook"
    try:
        yield endpoint
    finally:
        endpoint.released.set()
        http.shutdown()
        http.server_close()
