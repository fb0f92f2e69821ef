"""Where an attempt works on files: a worktree of the project on a branch of its own, or a plain folder.

`Workspaces` is the entry. Nothing an agent did is ever lost: a workspace is removed only after a ref holds its work.
"""

from agent_swarm.worker.workspace.folders import Folders, folders_from_environment, open_folders
from agent_swarm.worker.workspace.identity import Identity
from agent_swarm.worker.workspace.layout import RunKey
from agent_swarm.worker.workspace.live_snapshots import LiveSnapshots
from agent_swarm.worker.workspace.values import (
    AttemptResult,
    DependencyResult,
    Landed,
    PreviousAttempt,
    Project,
    Rescued,
    Snapshot,
    SyncedCopy,
    Workspace,
)
from agent_swarm.worker.workspace.workspaces import Workspaces

__all__ = [
    "AttemptResult",
    "DependencyResult",
    "Folders",
    "Identity",
    "Landed",
    "LiveSnapshots",
    "PreviousAttempt",
    "Project",
    "Rescued",
    "RunKey",
    "Snapshot",
    "SyncedCopy",
    "Workspace",
    "Workspaces",
    "folders_from_environment",
    "open_folders",
]
