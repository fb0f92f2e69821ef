"""The folders an agent has besides its workspace: one of its own, and one that all agents share.

personal/                                    this agent's, for as long as it exists
shared/{thoughts,memory,downloads,misc}/     every agent reads all of it,
    <agent-id>/                              and writes to its own subdirectory only
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from agent_swarm.worker.workspace.errors import FolderUnusable
from agent_swarm.worker.workspace.names import valid_id

SHARED_KINDS = ("thoughts", "memory", "downloads", "misc")  # users know these names
PERSONAL_VARIABLE = "AGENT_SWARM_PERSONAL_DIR"  # the container image sets it to /workspace/personal
SHARED_VARIABLE = "AGENT_SWARM_SHARED_DIR"  # and this one to /workspace/shared

_READABLE = 0o755
_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Folders:
    """Where they are. `own` maps each kind to this agent's subdirectory of the shared folder."""

    personal: Path
    shared: Path
    own: Mapping[str, Path]


def open_folders(
    agent_id: str, worker_dir: Path, *, personal: Path | None = None, shared: Path | None = None
) -> Folders:
    """Make the folders of an agent where they are missing.

    By default the personal folder is in the worker's directory and the shared one is `~/.agent-swarm/shared`, three
    levels up from `~/.agent-swarm/workers/<AGENT_ID>`. Raises FolderUnusable naming the path and what to do.
    """
    agent_id = valid_id("agent", agent_id)
    personal = _directory(personal or worker_dir / "personal", _PRIVATE)
    shared = _directory(shared or worker_dir.parent.parent / "shared", _READABLE)
    own = {kind: _own_directory(shared / kind, agent_id) for kind in SHARED_KINDS}
    for path in (personal, *own.values()):
        if not os.access(path, os.W_OK | os.X_OK):
            raise FolderUnusable(
                f"the folder {path} is not writable for the worker's user (uid {os.getuid()})", hint=_HINT
            )
    return Folders(personal, shared, MappingProxyType(own))


def folders_from_environment(agent_id: str, worker_dir: Path, environ: Mapping[str, str]) -> Folders:
    """The folders that AGENT_SWARM_PERSONAL_DIR and AGENT_SWARM_SHARED_DIR name; an empty variable counts as unset."""
    named = [Path(environ[name]) if environ.get(name) else None for name in (PERSONAL_VARIABLE, SHARED_VARIABLE)]
    return open_folders(agent_id, worker_dir, personal=named[0], shared=named[1])


def _own_directory(kind: Path, agent_id: str) -> Path:
    path = _directory(_directory(kind, _READABLE) / agent_id, _READABLE)
    if path.is_symlink():  # another agent could have put it there, to have this one write elsewhere
        raise FolderUnusable(f"{path} is a symbolic link, expected a directory", hint="remove the link and start again")
    return path


def _directory(path: Path, mode: int) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=mode, exist_ok=True)
    except OSError as error:
        raise FolderUnusable(f"cannot make the folder {path}: {error.strerror}", hint=_HINT) from error
    return path


_HINT = "make it a directory that the worker's user owns, for example with chown, or name another one"
