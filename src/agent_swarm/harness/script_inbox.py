"""What the script agent is told while it works: lines on its standard input, read by a thread of their own.

The first line is `{"script": TEXT, "messages": TEXT}`; each further one `{"id", "text", "interrupt"}` is a message. It
is answered at once, on standard output, by `{"type": "received", "id"}`, and one that comes again is passed over. An
interrupt ends the step that runs.
"""

import json
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

STEER = signal.SIGUSR1


class Inbox:
    """The messages that have come and that no step has taken."""

    def __init__(self, stream: BinaryIO, tell: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._stream = stream
        self._tell = tell
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._had: set[str] = set()
        self.script = ""

    def open(self) -> None:
        """Read the script, and what comes after it in the background."""
        first = json.loads(self._stream.readline())
        self.script = str(first["script"])
        if first.get("messages"):
            self._waiting.put(str(first["messages"]))
        threading.Thread(target=self._read, daemon=True).start()

    def take(self, seconds: float) -> str | None:
        """The next message; None where none comes within that time."""
        try:
            return self._waiting.get(timeout=seconds)
        except queue.Empty:
            return None

    def _read(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, STEER})  # they are for the thread that works
        for line in self._stream:
            message = json.loads(line)
            if message["id"] not in self._had:
                self._had.add(message["id"])
                self._waiting.put(str(message["text"]))
                if message.get("interrupt"):
                    signal.pthread_kill(threading.main_thread().ident or 0, STEER)
            self._tell("received", {"id": message["id"]})


class Told:
    """Writes events as whole lines, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        with self._lock:
            sys.stdout.write(line)
            sys.stdout.flush()
