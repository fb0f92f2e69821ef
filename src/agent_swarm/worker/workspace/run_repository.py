"""The repository of one run: `git/` beside the worktree, which holds only a `.git` file that points to it.

Each run has a repository of its own, which borrows the mirror's objects, rather than a `git worktree` of the mirror.
Linked worktrees share their configuration, stash, branches and garbage collection: an agent's `git config
core.fsmonitor` would be run by the worker and by every other agent, and one agent's `git stash pop` would take
another's work. This way the agent can do what it likes, the mirror can be mounted read-only into its sandbox, and
deleting `.git` costs nothing.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.worker.workspace.bare import make_git_dir
from agent_swarm.worker.workspace.git import Git
from agent_swarm.worker.workspace.identity import Identity
from agent_swarm.worker.workspace.layout import replace_file
from agent_swarm.worker.workspace.locks import clear_lock_files
from agent_swarm.worker.workspace.mirrors import Mirror, Upstream
from agent_swarm.worker.workspace.names import UPSTREAM_HEADS, UPSTREAM_TAGS
from agent_swarm.worker.workspace.repository import Repository

_LINK = "gitdir: ../git\n"  # relative: it also holds where a sandbox shows the run somewhere else
_UNFINISHED = {"rebase-merge": "rebase", "rebase-apply": "rebase", "BISECT_LOG": "bisect"}


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Where the parts of a run are."""

    run_dir: Path

    @property
    def work(self) -> Path:
        """The working tree, or a plain folder without a project."""
        return self.run_dir / "work"

    @property
    def git_dir(self) -> Path:
        """The repository of the working tree."""
        return self.run_dir / "git"

    @property
    def state(self) -> Path:
        """For the files of the harness."""
        return self.run_dir / "state"

    def create_folders(self) -> None:
        """The folders every run has."""
        for path in (self.work, self.state):
            path.mkdir(mode=0o700, exist_ok=True)

    @property
    def is_linked(self) -> bool:
        """The worktree still belongs to our repository."""
        link = self.work / ".git"
        try:
            return not self.work.is_symlink() and not link.is_symlink() and link.read_text() == _LINK
        except (OSError, ValueError):
            return False

    @property
    def unfinished(self) -> str | None:
        """The operation that the agent left half done, where it has moved HEAD away from the work."""
        return next((name for marker, name in _UNFINISHED.items() if (self.git_dir / marker).exists()), None)


async def make_repository(
    paths: RunPaths, mirror: Mirror, *, branch: str, start: str, upstream: Upstream, url: str, identity: Identity
) -> None:
    """Make the repository of a run on `branch` at `start`; no file is checked out yet."""
    make_git_dir(
        paths.git_dir,
        head=f"refs/heads/{branch}",
        settings=_settings(url, identity),
        borrows=[mirror.objects.resolve()],
    )
    # Written as git packs them: creating thousands of refs one by one takes seconds (measured: 5,000 in 2.8 s, so 5
    # ms).
    (paths.git_dir / "packed-refs").write_bytes(await _packed_refs(mirror, branch, start))
    if upstream.default_branch and await mirror.repo.commit_of(f"{UPSTREAM_HEADS}/{upstream.default_branch}"):
        origin = paths.git_dir / "refs/remotes/origin"
        origin.mkdir(parents=True)
        (origin / "HEAD").write_text(f"ref: refs/remotes/origin/{upstream.default_branch}\n")
    (paths.work / ".git").write_text(_LINK)


async def _packed_refs(mirror: Mirror, branch: str, start: str) -> bytes:
    output = await mirror.repo.run("for-each-ref", "--format=%(objectname) %(refname)", "refs/upstream/")
    theirs = output.stdout.replace(f" {UPSTREAM_HEADS}/".encode(), b" refs/remotes/origin/")
    return theirs.replace(f" {UPSTREAM_TAGS}/".encode(), b" refs/tags/") + f"{start} refs/heads/{branch}\n".encode()


def _settings(url: str, identity: Identity) -> dict[str, str]:
    """The identity is here as well as in the agent's environment: not every agent passes that on to its tools."""
    return {
        "core.bare": "false",
        "core.logAllRefUpdates": "true",
        "user.name": identity.name,
        "user.email": identity.email,
        "commit.gpgSign": "false",  # would wait for a passphrase nobody types
        "tag.gpgSign": "false",
        "remote.origin.url": url,
        "remote.origin.fetch": "+refs/heads/*:refs/remotes/origin/*",
    }


def fresh_repository(git: Git, paths: RunPaths) -> Repository:
    """The repository of a run for our commands: only while no agent has been in it, for its configuration is run."""
    return Repository(git=git, git_dir=paths.git_dir, work_tree=paths.work)


def restore_link(paths: RunPaths) -> None:
    """Give the worktree its `.git` file back where it has none; anything else there is the agent's."""
    if not os.path.lexists(paths.work / ".git"):
        (paths.work / ".git").write_text(_LINK)


def branch_anew(paths: RunPaths, branch: str, head: str) -> None:
    """Go on from a paused attempt: a new branch at the commit where HEAD is; files and index stay as they are.

    Only for when no process of the agent is left. In the middle of a rebase HEAD stays, because git needs it there;
    where the agent's own refs are in the way of the branch, HEAD is detached at `head`.
    """
    clear_lock_files(paths.git_dir)
    ref = f"refs/heads/{branch}"
    is_branched = _write_ref(paths.git_dir, ref, head)
    if paths.unfinished is None:
        replace_file(paths.git_dir / "HEAD", f"ref: {ref}\n".encode() if is_branched else f"{head}\n".encode())


def name_result(paths: RunPaths, branch: str, commit: str) -> bool:
    """Let `origin/<branch>` be this commit; whether nothing of the agent's is in the way of the name."""
    return _write_ref(paths.git_dir, f"refs/remotes/origin/{branch}", commit)


def _write_ref(git_dir: Path, ref: str, commit: str) -> bool:
    """Written by hand: git would follow a symbolic link that the agent may have put there to somewhere outside."""
    *parents, name = ref.split("/")
    directory = git_dir
    for part in parents:
        directory = directory / part
        if directory.is_symlink():
            directory.unlink()
        if directory.exists() and not directory.is_dir():
            return False
        directory.mkdir(exist_ok=True)
    if (directory / name).is_dir() and not (directory / name).is_symlink():
        return False
    replace_file(directory / name, f"{commit}\n".encode())
    return True
