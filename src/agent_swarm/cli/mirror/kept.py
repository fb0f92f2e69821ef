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
from dataclasses import asdict, dataclass, field
from pathlib import Path

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.mirror.native import NativeTask
from agent_swarm.domain.ids import new_id

RECHECK_SECONDS = 0.05
MOST = 5_000  # tasks that are remembered; the oldest that are settled go first


@dataclass
class Shown:
    """A native task, and what the board was told of it."""

    team: str
    id: str
    subject: str
    description: str
    status: str
    owner: str
    key: str = field(default_factory=new_id)  # by which it is filed once
    task_id: str = ""  # on the board
    told: str = ""  # the status that the board knows

    @property
    def is_told(self) -> bool:
        """The board has what it should have of it."""
        if self.status == "completed":
            return self.told == "completed"
        return self.told in ("deleted", "completed") if self.status == "deleted" else bool(self.told)


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
                self.tasks[task.key] = Shown(**asdict(task))
            elif known.status not in ("completed", "deleted") or task.status in ("completed", "deleted"):
                known.status, known.owner = task.status, task.owner or known.owner
        self.save()

    def waiting(self) -> list[Shown]:
        """What the board has to be told, in the order in which it came to be known."""
        return [one for one in self.tasks.values() if not one.is_told]

    def save(self) -> None:
        """Write it down, whole or not at all."""
        excess = len(self.tasks) - MOST
        settled = [key for key, one in self.tasks.items() if one.is_told and one.status in ("completed", "deleted")]
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
