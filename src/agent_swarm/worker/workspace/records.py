"""What is on disk about a run: enough for the next worker process to save it after this one was killed."""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from agent_swarm.domain.errors import SwarmError
from agent_swarm.worker.workspace.layout import RunKey, replace_file
from agent_swarm.worker.workspace.names import branch_name
from agent_swarm.worker.workspace.urls import Remote
from agent_swarm.worker.workspace.values import Project

_FILE = "run.json"


class RunStatus(StrEnum):
    """How far a run is."""

    PREPARING = "preparing"  # no agent has been in it yet: nothing to lose
    ACTIVE = "active"
    CHECK = "check"  # it is nobody's work: nothing to lose
    HELD = "held"  # paused: the next attempt goes on in it


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run. `attempt` is the one that works in the directory now, which a paused attempt may have opened."""

    task_id: str
    attempt: int
    status: RunStatus
    project_id: str | None = None
    url: str | None = None  # without credentials
    default_branch: str | None = None
    base: str | None = None
    origin: str | None = None  # of a check: the commit of the branch `trunk` that it is made on
    trunk: str | None = None

    @classmethod
    def new(cls, key: RunKey, project: Project | None) -> "RunRecord":
        """The record of a run that is about to be prepared."""
        record = cls(task_id=key.task_id, attempt=key.attempt, status=RunStatus.PREPARING)
        if project is None:
            return record
        url = Remote.parse(project.url).url
        return replace(record, project_id=project.id, url=url, default_branch=project.default_branch)

    @property
    def key(self) -> RunKey:
        """Task and attempt."""
        return RunKey(self.task_id, self.attempt)

    @property
    def branch(self) -> str | None:
        """The branch of the attempt; None without a project."""
        return branch_name(self.task_id, self.attempt) if self.project_id else None

    @property
    def project(self) -> Project | None:
        """The project as it was recorded, hence without credentials."""
        if self.project_id is None or self.url is None:
            return None
        return Project(id=self.project_id, url=self.url, default_branch=self.default_branch)

    def write(self, run_dir: Path) -> "RunRecord":
        """Put it on disk, atomically; returns itself."""
        replace_file(run_dir / _FILE, json.dumps(asdict(self), indent=1).encode())
        return self


def read_record(run_dir: Path) -> RunRecord | None:
    """The record of a run; None where there is none or it makes no sense."""
    try:
        fields = json.loads((run_dir / _FILE).read_bytes())
        record = RunRecord(**{**fields, "status": RunStatus(fields["status"])})
        RunKey.of(record.task_id, record.attempt)
        if record.project is not None:
            Remote.parse(record.project.url)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, SwarmError):
        return None
    return record
