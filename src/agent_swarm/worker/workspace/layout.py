"""Where things are below a worker's directory, and how they leave it.

    mirrors/<project>.git          every branch and tag of the project, and all work that was made safe
    runs/<task>/<attempt>/         one run: run.json, work/ (the agent's), git/ (its repository), state/ (the harness's)
    rescued/<task>/<attempt>/      files of runs without a project, kept for people
    personal/                      the agent's own folder
    scratch/                       short-lived files of ours, emptied at start
    trash/                         directories on their way out, emptied at start

A directory is never deleted where it stands: it is renamed into trash/ first, so that a killed worker leaves it whole
or gone and never half.
"""

import asyncio
import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from agent_swarm.domain.ids import normalize_id
from agent_swarm.worker.workspace.names import valid_attempt, valid_id


@dataclass(frozen=True, slots=True)
class RunKey:
    """One attempt of one task."""

    task_id: str
    attempt: int

    @classmethod
    def of(cls, task_id: str, attempt: int) -> "RunKey":
        """Checked: it becomes part of paths and refs."""
        return cls(valid_id("task", task_id), valid_attempt(attempt))


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories of one worker; `root` is `~/.agent-swarm/workers/<AGENT_ID>`."""

    root: Path

    @classmethod
    def at(cls, worker_dir: Path) -> "Layout":
        """The layout of a worker's directory, with everything in it made where it is missing."""
        layout = cls(worker_dir.absolute())
        for path in (layout.root, layout.mirrors, layout.runs, layout.rescued, layout.scratch, layout.trash):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)  # only the worker's user may look inside
        return layout

    @property
    def mirrors(self) -> Path:
        """A bare mirror per project."""
        return self.root / "mirrors"

    @property
    def runs(self) -> Path:
        """A folder per task, in it one per attempt."""
        return self.root / "runs"

    @property
    def rescued(self) -> Path:
        """Folders of attempts without a project that were not empty."""
        return self.root / "rescued"

    @property
    def scratch(self) -> Path:
        """For files that live as long as a command."""
        return self.root / "scratch"

    @property
    def trash(self) -> Path:
        """What is about to be deleted."""
        return self.root / "trash"

    def mirror(self, project_id: str) -> Path:
        """The mirror of a project."""
        return self.mirrors / f"{valid_id('project', project_id)}.git"

    def run(self, key: RunKey) -> Path:
        """The directory of a run."""
        return self.runs / key.task_id / str(key.attempt)

    def run_directories(self, task_id: str | None = None) -> Iterator[tuple[RunKey, Path]]:
        """The runs on this disk, of one task or all, by the attempt that opened them. Foreign names are left alone."""
        for task in sorted(self.runs.iterdir()):
            if task_id not in (None, task.name) or normalize_id(task.name) != task.name or not task.is_dir():
                continue
            for run in sorted(task.iterdir()):
                if run.name.isdecimal() and run.is_dir():
                    yield RunKey(task.name, int(run.name)), run

    def keep(self, key: RunKey, folder: Path) -> Path:
        """Move `folder` to where people find it; a second one of the same run gets a number."""
        target = self.rescued / key.task_id / str(key.attempt)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(2, 1000):
            if not target.exists():
                break
            target = target.with_name(f"{key.attempt}.{number}")
        folder.rename(target)
        _remove_empty(folder.parent)
        return target

    def throw_away(self, directory: Path) -> None:
        """Take `directory` out of use at once, where it is still there; `empty_trash` frees its space."""
        with contextlib.suppress(FileNotFoundError):
            directory.rename(self.trash / f"{directory.parent.name}.{directory.name}.{uuid4().hex}")
        _remove_empty(directory.parent)

    async def empty_trash(self) -> None:
        """Delete what was thrown away; what resists stays until the next time."""
        await asyncio.to_thread(_delete_contents, self.trash)

    async def empty_scratch(self) -> None:
        """Delete what killed operations left; only while nobody else uses the directory."""
        await asyncio.to_thread(_delete_contents, self.scratch)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that every reader, also one after a crash, sees the old content or the new one."""
    temporary = path.with_name(f"{path.name}.{uuid4().hex}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _remove_empty(directory: Path) -> None:
    with contextlib.suppress(OSError):  # other runs may be in it
        directory.rmdir()


def _delete_contents(directory: Path) -> None:
    for entry in list(directory.iterdir()):
        if not entry.is_dir() or entry.is_symlink():
            entry.unlink(missing_ok=True)
            continue
        try:
            shutil.rmtree(entry)
        except OSError:
            _make_deletable(entry)
            shutil.rmtree(entry, ignore_errors=True)


def _make_deletable(top: Path) -> None:
    """Tools such as Go's module cache leave directories without write permission."""
    for parent, directories, _ in os.walk(top):
        for path in (Path(parent), *(Path(parent, name) for name in directories)):
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(stat.S_IRWXU)
