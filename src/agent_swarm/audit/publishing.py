"""Checkpoints to a place on another machine, over HTTP: a copy that who takes this machine cannot take along.

With `{number}` in its address every checkpoint is PUT under a name of its own, as object stores take it; else each is
POSTed. Either may happen twice, with the same bytes. What is sent is remembered beside the file of checkpoints.
"""

import http.client
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from agent_swarm.audit.checkpoints import Checkpoint, parse
from agent_swarm.audit.files import write_anew
from agent_swarm.audit.ledger import Ledger
from agent_swarm.domain.errors import Unavailable

NUMBER: Final = "{number}"
MARK: Final = "published"
AT_ONCE: Final = 500
SECONDS: Final = 10.0

Send = Callable[[Checkpoint], None]


class NotPublished(Unavailable):
    """The other place did not take a checkpoint."""

    code = "checkpointNotPublished"


@dataclass(frozen=True, slots=True)
class Place:
    """Where checkpoints go; `token` is shown as a bearer."""

    url: str = field(repr=False)
    token: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """As it may be read in a log: without what a query may hold."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}{parts.path}"

    def send(self, checkpoint: Checkpoint) -> None:
        """Have it there; raises NotPublished."""
        named = NUMBER in self.url
        parts = urlsplit(self.url.replace(NUMBER, str(checkpoint.number)))
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"checkpoint-{checkpoint.number}"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("PUT" if named else "POST", target, checkpoint.line.encode() + b"\n", headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as exc:
            raise self._refused(str(exc) or type(exc).__name__) from exc
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise self._refused(f"it answered {status}")

    def _refused(self, reason: str) -> NotPublished:
        return NotPublished(f"{self.shown} did not take a checkpoint: {reason}", hint="it is tried again every minute")


@dataclass(frozen=True, slots=True)
class Publisher:
    """Sends what is in the ledger and was not sent yet."""

    ledger: Ledger
    send: Send

    def run(self) -> bool:
        """Send up to AT_ONCE checkpoints, in order; whether there are more. Raises NotPublished."""
        number = self._mark()
        waiting = self._after(number)
        for checkpoint in waiting:
            self.send(checkpoint)
            write_anew(self._path, f"{checkpoint.number}\n".encode())
        return len(waiting) == AT_ONCE

    @property
    def _path(self) -> Path:
        return self.ledger.path.with_name(MARK)

    def _mark(self) -> int:
        try:
            text = self._path.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return 0
        return int(text) if text.isdecimal() else 0

    def _after(self, number: int) -> Sequence[Checkpoint]:
        last = self.ledger.last()
        if last is None or last.number <= number:
            return ()
        found: list[Checkpoint] = []
        for index, line in enumerate(self.ledger.lines(), start=1):
            if index > number:
                found.append(parse(line))
                if len(found) == AT_ONCE:
                    break
        return found
