"""What can go wrong with a workspace, in one tree.

    WorkspaceError
    ├── GitMissing               git is not installed, or too old
    ├── MirrorBusy               another process keeps the project's mirror locked
    ├── GitFailed                a git command failed; `failures.classify` picks the subclass from what it said
    │   ├── RepositoryNotFound
    │   ├── RepositoryUnreachable
    │   ├── AuthenticationFailed
    │   ├── PushRefused
    │   ├── DiskFull
    │   └── GitTimedOut
    ├── BaseNotFound             the branch or commit to start from does not exist
    ├── DependencyMissing        the accepted result of a dependency is gone from the repository
    ├── PreviousWorkMissing      the paused work to go on from cannot be had on this host
    ├── MergeConflict            the results of dependencies do not fit together
    ├── WorkspaceInUse           this attempt already has a live workspace here
    ├── WorkspaceDamaged         the agent took the repository apart
    │   └── WorkUnfinished       it left a merge, rebase or bisect half done
    └── FolderUnusable           the personal or shared folder cannot be used

`failure` says whose fault it is, which decides whether the task is tried again (rule T4). No message holds a
credential.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.tasks import FailureClass


class WorkspaceError(SwarmError):
    """Root of what can go wrong where an attempt works on files."""

    code = "workspace"
    failure: ClassVar[FailureClass] = FailureClass.INFRASTRUCTURE


class GitMissing(WorkspaceError):
    """There is no usable git on this host."""

    code = "gitMissing"


class MirrorBusy(WorkspaceError):
    """Another process has kept the mirror of a project locked for too long."""

    code = "mirrorBusy"


class GitFailed(WorkspaceError):
    """A git command failed; `stderr` is the redacted end of what it said."""

    code = "gitFailed"
    remedy: ClassVar[str] = "see git's own words; run the same command by hand on the worker's host to look closer"

    def __init__(self, command: str, *, said: str, stderr: str, exit_code: int | None) -> None:
        super().__init__(
            f"git {command} failed: {said}",
            hint=self.remedy,
            details={"command": command, "exitCode": exit_code, "stderr": stderr},
        )
        self.command = command
        self.stderr = stderr
        self.exit_code = exit_code


class RepositoryNotFound(GitFailed):
    """There is no repository at the project's address, or none this host may know of."""

    code = "repositoryNotFound"
    remedy = (
        "check the project's URL; a private repository also looks missing to whom it does not know: give credentials"
    )


class RepositoryUnreachable(GitFailed):
    """The network or the server of the repository does not answer."""

    code = "repositoryUnreachable"
    remedy = "check the network, proxy and name resolution of the worker's host; the attempt can be tried again later"


class AuthenticationFailed(GitFailed):
    """The repository does not accept this host's credentials."""

    code = "repositoryAuthentication"
    remedy = "give the worker access: a token in the project's URL, a git credential helper, or an SSH key of the host"


class PushRefused(GitFailed):
    """The repository answered and did not take the branch. The work is safe in the worker's mirror."""

    code = "pushRefused"
    remedy = "allow the worker to create refs/heads/swarm/* there (branch protection, hooks, size limits), then retry"
    failure = FailureClass.POLICY


class DiskFull(GitFailed):
    """No space is left on the worker's disk."""

    code = "diskFull"
    remedy = "free disk space on the worker's host; old results are in its rescued/ folder"


class GitTimedOut(GitFailed):
    """A git command took longer than it may; it was ended."""

    code = "gitTimedOut"
    remedy = "check the network and the size of the repository, or raise the worker's git timeout"


class BaseNotFound(WorkspaceError):
    """The branch, tag or commit to start from does not exist in the project."""

    code = "baseNotFound"
    failure = FailureClass.POLICY


class DependencyMissing(WorkspaceError):
    """The accepted result of a dependency cannot be found in the project's repository."""

    code = "dependencyMissing"
    failure = FailureClass.POLICY
    origin = ""  # the commit of the project that the workspace was to begin from


class PreviousWorkMissing(WorkspaceError):
    """The paused work is neither on this host nor in the project's repository."""

    code = "previousWorkMissing"


class MergeConflict(WorkspaceError):
    """The result of a dependency conflicts with what was merged before it; nothing was left behind."""

    code = "mergeConflict"
    failure = FailureClass.POLICY
    origin = ""  # the commit of the project that the workspace was to begin from

    def __init__(self, *, task_id: str, title: str, merged_before: Sequence[str], files: Sequence[str]) -> None:
        before = ", ".join(merged_before) or "the project's branch"
        super().__init__(
            f"result of dependency {title!r} ({task_id}) conflicts with {before} in {', '.join(map(repr, files))}",
            hint="merge the branches in a task of its own that depends on both, and depend on that one instead",
            details={"taskId": task_id, "mergedBefore": list(merged_before), "files": list(files)},
        )
        self.task_id = task_id
        self.merged_before = tuple(merged_before)
        self.files = tuple(files)


class WorkspaceInUse(WorkspaceError):
    """This attempt already has a live workspace in this worker."""

    code = "workspaceInUse"


class WorkspaceDamaged(WorkspaceError):
    """The agent left something that cannot be delivered; what could be saved is on the rescue ref in the details."""

    code = "workspaceDamaged"
    failure = FailureClass.AGENT

    def __init__(self, message: str, *, hint: str, rescue: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, hint=hint, details={"rescue": dict(rescue or {})})


class WorkUnfinished(WorkspaceDamaged):
    """The agent left a merge, rebase or bisect half done, so there is no one commit that is the result."""

    code = "workUnfinished"


class FolderUnusable(WorkspaceError):
    """The personal or shared folder is not a directory this worker can write to."""

    code = "folderUnusable"
