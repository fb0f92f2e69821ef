"""`python -m benchmarks.prototype PORT FOLDER`."""

import sys
from pathlib import Path

import uvicorn

from benchmarks.prototype.app import build_app


def main() -> None:
    """Serve until SIGTERM, with the settings of our own server."""
    app = build_app(Path(sys.argv[2]) / "prototype.sqlite")
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        backlog=4096,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
