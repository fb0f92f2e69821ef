"""Repositories as people and agents see them: through plain git."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from agent_swarm.worker.workspace import Workspace, Workspaces
from agent_swarm.worker.workspace.git import GitTimeouts
from agent_swarm.worker.workspace.steps import Reached

AGENT = "11111111-2222-4333-8444-555555555555"
_WHO = {"NAME": "Grace", "EMAIL": "grace@example.org"}
GRACE = {f"GIT_{role}_{part}": _WHO[part] for role in ("AUTHOR", "COMMITTER") for part in _WHO}


@dataclass(frozen=True)
class Checkout:
    """A directory with a repository, bare or not."""

    path: Path
    env: Mapping[str, str]

    def git(self, *args: str, accept: tuple[int, ...] = (0,), stdin: str = "") -> str:
        done = subprocess.run(
            ["git", *args], cwd=self.path, env=dict(self.env), input=stdin.encode(), capture_output=True, check=False
        )
        assert done.returncode in accept, f"git {args}: {done.returncode}\n{os.fsdecode(done.stderr)}"
        return os.fsdecode(done.stdout).strip()

    def begin(self, *, bare: bool = False) -> Self:
        """Make the directory a repository."""
        self.git("init", "--quiet", "--initial-branch=main", *(["--bare"] if bare else []))
        return self

    def write(self, name: str, content: str | bytes = "") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def commit(self, files: Mapping[str, str] | None = None, message: str = "Change files") -> str:
        for name, content in (files or {}).items():
            self.write(name, content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    @property
    def branch(self) -> str:
        return self.git("branch", "--show-current")

    def parents(self, ref: str) -> list[str]:
        return self.git("rev-list", "--parents", "--max-count=1", ref).split()[1:]

    def files(self, ref: str) -> dict[str, str]:
        """Every file of a commit with its content."""
        names = self.git("ls-tree", "-r", "-z", "--name-only", ref).split("\0")
        return {name: self.git("cat-file", "-p", f"{ref}:{name}") for name in names if name}

    def refs(self, *patterns: str) -> dict[str, str]:
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", *patterns).splitlines()
        return {line.split(" ")[0]: line.split(" ")[1] for line in lines}

    def contains(self, ref: str, commit: str) -> bool:
        """Whether `commit` is in the history of `ref`."""
        return self.git("rev-list", "--max-count=1", commit, "--not", ref) == ""

    def everything(self) -> dict[str, bytes]:
        """All files of the worktree, and the index: what must not change behind an agent's back."""
        paths = [path for path in self.path.rglob("*") if path.is_file() or path.is_symlink()]
        links = {str(path): os.readlink(path).encode() for path in paths if path.is_symlink()}
        files = {str(path): path.read_bytes() for path in paths if path.is_file() and not path.is_symlink()}
        git_dir = self.path.parent / "git"
        repository = {str(path): path.read_bytes() for path in git_dir.rglob("*") if path.is_file()}
        return {**links, **files, **repository}


class MakeCheckout(Protocol):
    """A new repository of a person at `path`."""

    def __call__(self, path: Path, *, bare: bool = False) -> Checkout: ...


class AgentIn(Protocol):
    """The agent at work in a workspace."""

    def __call__(self, workspace: Workspace) -> Checkout: ...


class OpenHost(Protocol):
    """The workspaces of a host by name; the same name again is a restart of its worker."""

    async def __call__(
        self,
        name: str = "one",
        *,
        reached: Reached = ...,
        timeouts: GitTimeouts = ...,
        more: Mapping[str, str] | None = None,
    ) -> Workspaces: ...
