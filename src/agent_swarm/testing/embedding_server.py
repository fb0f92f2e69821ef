"""An embedding model on loopback for tests: a text means the concepts that its words belong to."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONCEPTS: Mapping[str, int] = {
    **dict.fromkeys(("database", "postgres", "table", "storage"), 0),
    **dict.fromkeys(("deploy", "release", "rollout", "ship"), 1),
    **dict.fromkeys(("cat", "dog", "animal"), 2),
}
_AXES = 4  # the last is of texts that are about none of them


class EmbeddingServer:
    """`status` answers every request, `body` is said in place of vectors. `asked` are the texts that came."""

    def __init__(self) -> None:
        self.status = 200
        self.body: bytes | None = None
        self.location = ""
        self.asked: list[str] = []
        self.models: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        """One request."""
        wanted = json.loads(asked.rfile.read(int(asked.headers["Content-Length"])))
        self.headers.append({"path": asked.path, **{name.lower(): value for name, value in asked.headers.items()}})
        self.asked += wanted["input"]
        self.models.append(wanted["model"])
        entries = [{"index": number, "embedding": vector_of(text)} for number, text in enumerate(wanted["input"])]
        body = json.dumps({"data": entries[::-1]}).encode() if self.body is None else self.body
        asked.send_response(self.status)
        asked.send_header("Content-Length", str(len(body)))
        if self.location:
            asked.send_header("Location", self.location)
        asked.end_headers()
        asked.wfile.write(body)


def vector_of(text: str) -> list[float]:
    """How much a text is about each concept."""
    vector = [0.0] * _AXES
    for word in text.lower().split():
        vector[CONCEPTS.get(word.strip(".,"), _AXES - 1)] += 1.0 if word.strip(".,") in CONCEPTS else 0.01
    return vector


@contextmanager
def embedding_server() -> Iterator[EmbeddingServer]:
    """The server at work; its `url` is what comes before `/embeddings`."""
    model = EmbeddingServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            model.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    model.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    try:
        yield model
    finally:
        http.shutdown()
        http.server_close()
