"""What an agent has in its folder right now, as a tree: cheap enough for every half minute, and bounded.

Unlike `capture` it loses nothing where it leaves something out: nobody goes on from it, it is only compared.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.worker.workspace.inspection import Inspection

LARGEST = 1 << 20  # bytes of a file; nobody merges larger ones by lines
MOST_BYTES = 16 << 20  # of all uncommitted files together
MOST_FILES = 2_000  # uncommitted ones; more is what a build left, without a .gitignore
_UNMERGED = frozenset({"DD", "AU", "UD", "UA", "DU", "AA", "UU"})  # git-status(1), short format
_ADDABLE = (0, 1)  # `add --ignore-errors` exits with 1 where it had to leave a file out


@dataclass(frozen=True, slots=True)
class Glance:
    """The commit an agent is at, and the tree of its files as far as they are looked at."""

    head: str
    tree: str


async def glance(inspection: Inspection, *, base: str, branch: str) -> Glance | None:
    """What a run has now; None where that says nothing, because its agent is in the middle of a merge or a rebase.

    Ignored files, repositories inside the worktree and submodules are left out, and so is what is beyond the bounds.
    Raises GitFailed where the agent's repository is broken.
    """
    repo = inspection.repo
    if inspection.paths.unfinished or inspection.merged_heads():
        return None
    head = await repo.commit_of("HEAD") or await repo.commit_of(f"refs/heads/{branch}") or base
    if not inspection.has_files:
        return Glance(head, await repo.tree_of(head))
    if not (repo.git_dir / "index").exists():
        await repo.run("read-tree", head)
    told = await repo.run(
        "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=all"
    )
    entries = [(entry[:2], entry[3:]) for entry in told.fields]
    if any(state in _UNMERGED for state, _ in entries):
        return None
    changed = [name for state, name in entries if state[1] != " " and not name.endswith("/")]
    specs = "".join(f":(top,literal){name}\0" for name in _within_bounds(inspection.paths.work, changed))
    if specs:
        await repo.run(
            "add", "--all", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul",
            stdin=os.fsencode(specs), accept=_ADDABLE,
        )  # fmt: skip
    return Glance(head, (await repo.run("write-tree")).text)


def _within_bounds(work: Path, names: Iterable[str]) -> Iterator[str]:
    """As many of the files as may be looked at, in their order; what was deleted counts as an empty one."""
    files, room = 0, MOST_BYTES
    for name in names:
        try:
            size = os.lstat(work / name).st_size
        except OSError:
            size = 0
        if size > LARGEST or size > room:
            continue
        files, room = files + 1, room - size
        if files > MOST_FILES:
            return
        yield name
