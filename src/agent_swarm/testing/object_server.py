"""An object store on loopback for tests: one object, with ETags, that can fail in every way a real one does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ObjectServer:
    """`content` None: there is no object. `status` answers every request; `hangs` answers none until it is cleared."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.etag = '"1"'
        self.status = 0
        self.redirect = ""
        self.hangs = threading.Event()
        self.goes_on = threading.Event()
        self.seen: list[dict[str, str]] = []  # the headers of requests
        self.not_modified = 0
        self.url = ""

    def put(self, content: bytes, etag: str) -> None:
        """Have an object."""
        self.content, self.etag = content, etag

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        """One request."""
        self.seen.append({name.lower(): value for name, value in asked.headers.items()})
        if self.hangs.is_set():
            self.goes_on.wait(30)
            return
        known = asked.headers.get("If-None-Match", "")
        if self.status or self.content is None:
            self._send(asked, self.status or 404, b"no")
        elif known == self.etag:
            self.not_modified += 1
            self._send(asked, 304, b"")
        else:
            self._send(asked, 200, self.content)

    def _send(self, asked: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        asked.send_response(status)
        asked.send_header("Content-Length", str(len(body)))
        if status == 200:
            asked.send_header("ETag", self.etag)
        if self.redirect:
            asked.send_header("Location", self.redirect)
        asked.end_headers()
        if body:
            asked.wfile.write(body)


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """The server at work."""
    store = ObjectServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            store.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    store.url = f"http://127.0.0.1:{http.server_address[1]}/bucket/KILL?signature=secret"
    try:
        yield store
    finally:
        store.goes_on.set()
        http.shutdown()
        http.server_close()
