"""What a worker writes down before a command starts, so that its next start can end what a SIGKILL left of it.

One small JSON file per process under `<state_dir>/processes/`. It is not synced to disk: a power cut ends processes
too.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from agent_swarm.sandbox import processtree

FOLDER = "processes"

RUN_VARIABLE = "AGENT_SWARM_RUN_ID"
PROCESS_VARIABLE = "AGENT_SWARM_PROCESS"


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    start_ticks: int | None

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has this pid now."""
        return cls(pid, processtree.start_ticks(pid))

    def is_running(self) -> bool:
        """Whether it is this process, and not another one, that runs under the pid."""
        same = self.start_ticks is not None and processtree.start_ticks(self.pid) == self.start_ticks
        return same and processtree.is_running(self.pid)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """Where to find one command and all that came of it."""

    name: str  # of the file and of the cgroup leaf; unique, where a run may have several processes
    run_id: str
    boot_id: str
    worker: Identity
    supervisor: Identity
    cgroup: Path | None

    @property
    def marker(self) -> str:
        """The environment entry by which what came of this command is recognised, and nothing else."""
        return f"{PROCESS_VARIABLE}={self.name}"

    def write(self, state_dir: Path) -> None:
        """Make it visible in one step: a reader sees all of it or nothing."""
        folder = state_dir / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = folder / f".{self.name}.{os.getpid()}"
        unfinished.write_text(json.dumps(self._to_json()))
        unfinished.replace(_path(state_dir, self.name))

    def remove(self, state_dir: Path) -> None:
        """Forget it: nothing is left to clean up."""
        with suppress(FileNotFoundError, NotADirectoryError):  # it may never have been written
            _path(state_dir, self.name).unlink()

    def _to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "runId": self.run_id,
            "bootId": self.boot_id,
            "worker": {"pid": self.worker.pid, "startTicks": self.worker.start_ticks},
            "supervisor": {"pid": self.supervisor.pid, "startTicks": self.supervisor.start_ticks},
            "cgroup": str(self.cgroup) if self.cgroup else None,
        }


def markers(run_id: str, name: str) -> dict[str, str]:
    """What is added to the environment of every process of a run."""
    return {RUN_VARIABLE: run_id, PROCESS_VARIABLE: name}


def read_all(state_dir: Path) -> list[ProcessRecord]:
    """The records under `state_dir`; a file that is not one is left alone."""
    folder = state_dir / FOLDER
    found = [_read(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []
    return [record for record in found if record is not None]


def _read(path: Path) -> ProcessRecord | None:
    try:
        body = json.loads(path.read_text())
        return ProcessRecord(
            name=path.stem,
            run_id=str(body["runId"]),
            boot_id=str(body["bootId"]),
            worker=_identity(body["worker"]),
            supervisor=_identity(body["supervisor"]),
            cgroup=Path(body["cgroup"]) if body["cgroup"] else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _identity(body: dict[str, Any]) -> Identity:
    ticks = body["startTicks"]
    return Identity(int(body["pid"]), None if ticks is None else int(ticks))


def _path(state_dir: Path, name: str) -> Path:
    return state_dir / FOLDER / f"{name}.json"
