"""What goes into a workspace and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from agent_swarm.worker.workspace.names import valid_attempt, valid_branch, valid_commit, valid_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A git repository tasks work on. `url` may hold credentials; they show up nowhere."""

    id: str
    url: str = field(repr=False)
    default_branch: str | None = None  # None: the one the repository itself names

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", valid_id("project", self.id))
        if self.default_branch is not None:
            valid_branch(self.default_branch)


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyResult:
    """The accepted result of a task that this one depends on."""

    task_id: str
    title: str
    branch: str
    commit: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "task_id", valid_id("task", self.task_id))
        valid_branch(self.branch)
        valid_commit(self.commit)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousAttempt:
    """The attempt of the same task whose work is to go on. `commit` and `base` are those of its last snapshot.

    Without a `commit`, what the attempt's rescue ref in the project's repository points to is taken.
    """

    attempt: int
    commit: str | None = None
    base: str | None = None

    def __post_init__(self) -> None:
        valid_attempt(self.attempt)
        for commit in (self.commit, self.base):
            if commit is not None:
                valid_commit(commit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where one attempt works. `path` is the agent's working directory, `env` goes into the agent's environment.

    A sandbox that shows the agent a part of the file system only has to show `path` and `git_dir` writable and
    `objects` readable, at the same places. Without a project there is no branch, `git_dir` or `objects`.
    """

    task_id: str
    attempt: int
    project: Project | None
    path: Path
    state_dir: Path  # for files of the harness; removed with the run
    branch: str | None = None
    base: str | None = None  # the commit the attempt's own work starts after
    git_dir: Path | None = None
    objects: Path | None = None
    origin: str | None = None  # of a check: the commit of the branch `trunk` that it is made on
    trunk: str | None = None
    resumed: bool = False  # goes on in the directory of a paused attempt, uncommitted changes included
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Unfinished work, made safe. Work on a project is on `ref`; work without one stays in `folder`.

    `pushed` says whether another host can go on with it; `push_error` why not. `problems` are for people: what was not
    as it should be and how far the work could be saved all the same.
    """

    ref: str | None = None
    commit: str | None = None
    base: str | None = None
    pushed: bool = False
    push_error: str = ""
    folder: Path | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What an attempt delivers: `commit` on `branch` in the project's repository, counted against `base`.

    Without a project there is no branch and nothing is counted. `left_out` names what is in the worktree and not in the
    result, such as a repository cloned into it; that is on the rescue ref of `rescue`.
    """

    branch: str | None = None
    commit: str | None = None
    base: str | None = None
    files_changed: int = 0
    insertions: int = 0
    deletions: int = 0
    left_out: tuple[str, ...] = ()
    rescue: Snapshot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A commit that was checked: whether it `is_there`, on the branch, or that has moved away from `origin`."""

    origin: str
    commit: str
    is_there: bool


class CopyStatus(StrEnum):
    """What a fetch made of a worker's copy of a project."""

    CREATED = "created"
    CURRENT = "current"
    UPDATED = "updated"
    DIVERGED = "diverged"  # the branch was rewritten: what it was before is kept beside
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOnProject:
    """How a run on a project stands: nothing was done to it."""

    task_id: str
    attempt: int
    branch: str
    is_held: bool
    head: str = ""
    changed_files: int = 0
    ahead: int = 0
    behind: int = 0
    problem: str = ""  # why it could not be looked at

    def found(self, *, head: str, changed_files: int, ahead: int, behind: int) -> "RunOnProject":
        """The same, with what was seen in it."""
        return replace(self, head=head, changed_files=changed_files, ahead=ahead, behind=behind)

    def unreadable(self, problem: str) -> "RunOnProject":
        """The same, where nothing could be seen."""
        return replace(self, problem=problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedCopy:
    """A worker's copy of a project after a fetch: `head` of `branch` now and `before`, and the runs on the project."""

    status: CopyStatus
    branch: str
    head: str
    before: str
    runs: tuple[RunOnProject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What became of a run that a killed worker left behind; `error` where it is still in its place."""

    task_id: str
    attempt: int
    snapshot: Snapshot | None = None  # None: there was nothing to save
    error: str = ""
