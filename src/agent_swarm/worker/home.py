"""The folder of one agent on this host: what is in it, and the lock that gives it to one process at a time.

lock                            held while a worker runs; names its process
refused.jsonl                   what the server did not accept, and why
attempts/<task>/<attempt>/      the spool of an attempt, until the server has it
recordings/<task>/<attempt>/    the recording of an attempt, where it was asked for; the latest RECORDINGS of them
sandbox/                        what sandboxes have running
runs/ mirrors/ rescued/ …       workspaces: see `workspace.layout`
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_swarm.domain.errors import Conflict

REFUSED_BYTES = 1_000_000  # then a new file is begun, and one old one kept
RECORDINGS = 50


class HomeInUse(Conflict):
    """Another worker process runs in this folder."""

    code = "workerRunning"


@dataclass(frozen=True, slots=True)
class WorkerHome:
    """`<workers folder>/<AGENT_ID>`."""

    path: Path

    @property
    def sandboxes(self) -> Path:
        """Where sandboxes write down what a killed worker would leave running."""
        return self.path / "sandbox"

    @property
    def _attempts(self) -> Path:
        return self.path / "attempts"

    def begin(self, task_id: str, attempt: int) -> Path:
        """A new, empty folder for the spool of an attempt."""
        folder = self._attempts / task_id / str(attempt)
        self.forget(folder)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def recording(self, task_id: str, attempt: int) -> Path:
        """The folder for the recording of an attempt. The oldest ones go where there are too many."""
        found = sorted((self.path / "recordings").glob("*/*"), key=lambda folder: folder.stat().st_mtime)
        for folder in found[: max(0, len(found) - RECORDINGS + 1)]:
            self.forget(folder)
        return self.path / "recordings" / task_id / str(attempt)

    def leftovers(self) -> list[Path]:
        """Attempts that an earlier process did not bring to their end, the oldest task first."""
        return [path for path in sorted(self._attempts.glob("*/*")) if path.is_dir()]

    def forget(self, attempt: Path) -> None:
        """Remove the folder of an attempt, and its task's with the last one."""
        shutil.rmtree(attempt, ignore_errors=True)
        with contextlib.suppress(OSError):  # other attempts of the task are still there
            attempt.parent.rmdir()

    def note_refused(self, entry: Mapping[str, Any]) -> None:
        """Record for people what the server did not accept."""
        log = self.path / "refused.jsonl"
        if log.exists() and log.stat().st_size > REFUSED_BYTES:
            log.replace(log.with_suffix(".1.jsonl"))
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; raises HomeInUse where another process does. The lock goes with the process."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.path / "lock").open("a+", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                file.seek(0)
                raise HomeInUse(
                    f"a worker already runs as agent {self.path.name} (process {file.read().strip() or 'unknown'})",
                    hint="stop it first, or give this one another AGENT_ID or AGENT_NAME",
                ) from exc
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
