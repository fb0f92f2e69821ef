"""Looks at what an agent left, without running anything the agent configured and without changing anything it has.

The repository of a run belongs to the agent: its configuration can name programs for git to run. So our commands work
on a short-lived git directory of our own, with our configuration, which sees the agent's refs and objects and has a
copy of its HEAD and index. What they write (objects, index) goes into that directory and from there into the mirror.
"""

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from agent_swarm.worker.workspace.bare import make_git_dir
from agent_swarm.worker.workspace.git import Git
from agent_swarm.worker.workspace.layout import replace_file
from agent_swarm.worker.workspace.mirrors import Mirror
from agent_swarm.worker.workspace.names import is_commit
from agent_swarm.worker.workspace.repository import Repository
from agent_swarm.worker.workspace.run_repository import RunPaths

_HEAD = re.compile(r"ref: (refs/[^\x00-\x20\x7f]{1,1000})\n?|[0-9a-f]{40}\n?|[0-9a-f]{64}\n?")
_HEAD_LIMIT = 2048  # bytes
_AGENT_RULES = ("info/exclude", "info/attributes")  # data that says which files count
# Serve any commit to ourselves: the commits to save need not be on a branch.
# The agent's commit-graph is not believed.
_SETTINGS = {"core.bare": "true", "uploadpack.allowAnySHA1InWant": "true", "core.commitGraph": "false"}


@dataclass(frozen=True, slots=True)
class Inspection:
    """A view of one run."""

    paths: RunPaths
    repo: Repository

    @property
    def has_files(self) -> bool:
        """There is a worktree; without one the view shows an empty one, so that commits are saved all the same."""
        return self.repo.work_tree == self.paths.work

    def nested(self, folder: str) -> Repository:
        """The same view, with a folder of the worktree as its worktree and an index of its own."""
        index = self.repo.git_dir / f"index-{uuid4().hex}"
        return Repository(git=self.repo.git, git_dir=self.repo.git_dir, work_tree=self.paths.work / folder, index=index)

    def forget_index(self) -> None:
        """Do without the agent's index: it is of no use."""
        (self.repo.git_dir / "index").unlink(missing_ok=True)

    def without_filters(self) -> None:
        """Take files as they are: a filter of the user's, such as Git LFS, may be what fails."""
        attributes = self.repo.git_dir / "info/attributes"
        attributes.unlink(missing_ok=True)
        attributes.write_text("* -filter\n")

    def stashed(self) -> tuple[str, ...]:
        """Every entry of `git stash`: the newest has a ref, older ones are in its log only."""
        return _commits_of_log(self.paths.git_dir / "logs/refs/stash")

    def visited(self) -> tuple[str, ...]:
        """The commits HEAD has been at, the latest last."""
        return _commits_of_log(self.paths.git_dir / "logs/HEAD")

    def merged_heads(self) -> tuple[str, ...]:
        """What a merge that the agent has not committed yet brings in."""
        text = _read_regular(self.paths.git_dir / "MERGE_HEAD", limit=65536) or b""
        return tuple(line for line in text.decode(errors="replace").split() if is_commit(line))


@contextlib.contextmanager
def inspecting(git: Git, scratch: Path, mirror: Mirror, paths: RunPaths) -> Iterator[Inspection]:
    """Open a view of a run; it is gone afterwards, and nothing in the run has changed."""
    view = scratch / f"view-{uuid4().hex}"
    try:
        stores = [*_objects_of_agent(paths, mirror), *([mirror.objects.resolve()] if mirror.exists else [])]
        make_git_dir(view, head="refs/unreadable/HEAD", settings=_SETTINGS, borrows=stores)
        _copy_head(paths.git_dir / "HEAD", view / "HEAD")
        _copy_index(paths.git_dir / "index", view / "index")
        _link(paths.git_dir, view)
        yield Inspection(paths, Repository(git=git, git_dir=view, work_tree=_work_tree(paths, view)))
    finally:
        shutil.rmtree(view, ignore_errors=True)


def _work_tree(paths: RunPaths, view: Path) -> Path:
    if paths.work.is_dir() and not paths.work.is_symlink():  # a link could lead to any place of this host
        return paths.work
    (view / "nothing").mkdir()
    return view / "nothing"


def _copy_head(source: Path, target: Path) -> None:
    text = (_read_regular(source, limit=_HEAD_LIMIT) or b"").decode(errors="replace")
    if _HEAD.fullmatch(text):
        target.write_text(text)


def _copy_index(source: Path, target: Path) -> None:
    """By far the cheapest way to know which of 100,000 files changed.

    The time goes along: git looks into a file again when its time is not older than the index's (racy-git(7)).
    """
    if source.is_file() and not source.is_symlink():
        shutil.copy2(source, target)


def _objects_of_agent(paths: RunPaths, mirror: Mirror) -> list[Path]:
    """The agent's object store, with the mirror as the only other one it leads to."""
    store = paths.git_dir / "objects"
    if not _is_plain(store):
        return []
    alternates = store / "info/alternates"
    lent = os.fsencode(f"{mirror.objects.resolve()}\n")
    if alternates.exists() and alternates.read_bytes() != lent:
        replace_file(alternates, lent)
    return [store.resolve()]


def _link(git_dir: Path, view: Path) -> None:
    if _is_plain(git_dir / "refs"):  # else our own stay, and are empty
        shutil.rmtree(view / "refs")
        (view / "refs").symlink_to(git_dir / "refs")
    for name in ("packed-refs", *_AGENT_RULES):
        if (git_dir / name).is_file() and not (git_dir / name).is_symlink():
            (view / name).symlink_to(git_dir / name)


def _is_plain(directory: Path) -> bool:
    """Whether there are only directories and files in it. A link could make us read, and push, another repository."""
    if directory.is_symlink() or directory.parent.is_symlink() or not directory.is_dir():
        return False
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            mode = os.lstat(os.path.join(parent, name)).st_mode
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                return False
    return True


def _commits_of_log(log: Path) -> tuple[str, ...]:
    lines = (_read_regular(log, limit=1 << 20) or b"").decode(errors="replace").splitlines()
    new = [line.split(" ", 2)[1] for line in lines if line.count(" ") >= 2]
    return tuple(commit for commit in new if is_commit(commit))


def _read_regular(path: Path, *, limit: int) -> bytes | None:
    """The content of a regular file of the agent's; a link or a pipe is not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        try:
            return file.read(limit)
        except OSError:
            return None
