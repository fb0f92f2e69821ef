"""What is to be shown of native tasks and what was, in a file: what a server could not be told waits here.

One process at a time has it. It is written before a server is told and after each task that it took, so that whatever
is cut short is told again, under the same idempotency key.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.mirror.native import NativeTask
from agent_swarm.cli.mirror.shown import Shown, wording
from agent_swarm.domain.ids import new_id

RECHECK_SECONDS = 0.05
MOST = 5_000  # tasks that are remembered; the oldest that are settled go first


@dataclass
class Kept:
    """What one server knows of this machine's native tasks."""

    path: Path
    agent_id: str
    tasks: dict[str, Shown]

    def note(self, tasks: Sequence[NativeTask], folder: Path) -> None:
        """Have these told, and that others are gone from their team's folder. What has ended stays so."""
        there = {task.key for task in tasks}
        for key, one in self.tasks.items():
            team = folder / one.team
            if key not in there and one.status != "completed" and team.is_dir():
                one.status = one.status if (team / f"{one.id}.json").exists() else "deleted"
        for task in tasks:
            known = self.tasks.get(task.key)
            if known is None:
                self.tasks[task.key] = Shown(**{**asdict(task), "blocked_by": list(task.blocked_by)})
            elif known.status not in ("completed", "deleted") or task.status in ("completed", "deleted"):
                known.status, known.owner = task.status, task.owner or known.owner
                known.subject, known.blocked_by = task.subject, list(task.blocked_by)
                known.description = task.description or known.description
        self.save()

    def words_of(self, one: Shown) -> dict[str, Any]:
        """What the board should say of a task, as `wording` has it."""
        return wording(one, self.tasks)

    def waiting(self) -> list[Shown]:
        """What the board has to be told, in the order in which it came to be known; what it refused comes last."""
        found = [one for one in self.tasks.values() if not one.is_told or self._says_something_else(one)]
        return sorted(found, key=lambda one: one.failures)

    def _says_something_else(self, one: Shown) -> bool:
        return not one.is_over and one.words != self.words_of(one)

    def save(self) -> None:
        """Write it down, whole or not at all."""
        excess = len(self.tasks) - MOST
        settled = [key for key, one in self.tasks.items() if one.is_told and one.is_over]
        for key in settled[: max(excess, 0)]:
            del self.tasks[key]
        content = {"agentId": self.agent_id, "tasks": {key: asdict(one) for key, one in self.tasks.items()}}
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        draft.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        draft.rename(self.path)


@contextmanager
def kept_for(folder: Path, name: str, *, seconds: float) -> Iterator[Kept]:
    """What is kept for the server of this name. Raises CommandFailed where another process has it for so long."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{name}.lock").open("a") as lock:
        _lock(lock.fileno(), time.monotonic() + seconds)
        yield _read(folder / f"{name}.json")


def _lock(descriptor: int, until: float) -> None:
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > until:
            raise CommandFailed("another process mirrors native tasks", hint="it will tell these, too; or try again")
        time.sleep(RECHECK_SECONDS)


def _read(path: Path) -> Kept:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Kept(path, content["agentId"], {key: Shown(**one) for key, one in content["tasks"].items()})
    except FileNotFoundError:
        return Kept(path, new_id(), {})
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise CommandFailed(f"cannot read what was mirrored in {path}: {exc}", hint=f"remove it: rm {path}") from exc
