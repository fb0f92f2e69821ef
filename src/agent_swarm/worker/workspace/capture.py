"""Turns what an agent left into commits, ready to be fetched into the mirror.

Two ways: the plain one believes the agent's repository; the salvaging one believes only the files, for when the agent's
HEAD, index or objects are broken.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent_swarm.worker.workspace.errors import GitFailed
from agent_swarm.worker.workspace.inspection import Inspection
from agent_swarm.worker.workspace.mirrors import Mirror
from agent_swarm.worker.workspace.repository import Repository

_ADDABLE = (0, 1)  # `add --ignore-errors` exits with 1 where it had to leave a file out
_MARKER_LIMIT = 16 << 20  # bytes; larger files are not searched for conflict markers


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkState:
    """What the agent left: the commit it stands on, and a tree of all files that are not ignored."""

    head: str
    tree: str
    merging: tuple[str, ...] = ()  # further parents, of a merge not yet committed
    strays: tuple[str, ...] = ()  # commits that only another branch or a stash holds
    nested: tuple[str, ...] = ()  # repositories inside the worktree
    conflicted: tuple[str, ...] = ()  # files with conflict markers of an open merge
    problems: tuple[str, ...] = ()

    @property
    def commits(self) -> tuple[str, ...]:
        """Every commit that must not be lost."""
        return (self.head, *self.merging, *self.strays)


@dataclass(slots=True)
class _Capture:
    inspection: Inspection
    repo: Repository = field(init=False)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.repo = self.inspection.repo


async def capture(inspection: Inspection, mirror: Mirror, *, base: str, branch: str, with_nested: bool) -> WorkState:
    """What the agent left. `with_nested` puts the files of repositories inside the worktree into the tree as well.

    Raises GitFailed where the agent's repository is broken; `salvage` then saves the files.
    """
    work = _Capture(inspection)
    head = await _head(work, base, branch)
    merging = tuple([commit for commit in inspection.merged_heads() if await work.repo.has(commit)])
    strays = await _strays(work, mirror, known=(head, base, *merging))
    if not inspection.has_files:
        problem = "the worktree is gone: only what was committed could be saved"
        tree = await work.repo.tree_of(head)
        return WorkState(head=head, tree=tree, merging=merging, strays=strays, problems=(*work.problems, problem))
    await _load_index(work, head)
    staged = await work.repo.staged()
    conflicted = tuple(name for name in staged.unmerged if _has_markers(work, name))
    nested = await _add_all(work, work.repo, "", links=staged.links, with_nested=with_nested)
    return WorkState(
        head=head,
        tree=(await work.repo.run("write-tree")).text,
        merging=merging,
        strays=strays,
        nested=nested,
        conflicted=conflicted,
        problems=tuple(work.problems),
    )


async def salvage(inspection: Inspection, mirror: Mirror, *, base: str, branch: str, reason: str) -> WorkState:
    """The files, read anew, on the latest commit that is whole: the agent's last one, `base`, or an empty one."""
    work = _Capture(inspection, problems=[f"the agent's repository is broken, its files were read anew: {reason}"])
    head = await _head(work, base, branch)
    for candidate in dict.fromkeys((head, base)):
        if await work.repo.is_whole(candidate):
            head = candidate
            break
        work.problems.append(f"commit {candidate} is broken and could not be saved")
    else:
        head = await mirror.root_commit()
    if not inspection.has_files:
        return WorkState(head=head, tree=await work.repo.tree_of(head), problems=tuple(work.problems))
    inspection.forget_index()
    inspection.without_filters()
    await work.repo.run("read-tree", head)
    links = (await work.repo.staged()).links
    nested = await _add_all(work, work.repo, "", links=links, with_nested=True)
    tree = (await work.repo.run("write-tree")).text
    return WorkState(head=head, tree=tree, nested=nested, problems=tuple(work.problems))


async def _head(work: _Capture, base: str, branch: str) -> str:
    if found := await work.repo.commit_of("HEAD"):
        return found
    work.problems.append("HEAD names no commit: taken as work on the attempt's own branch")
    return await work.repo.commit_of(f"refs/heads/{branch}") or base


async def _load_index(work: _Capture, head: str) -> None:
    """The agent's index where it is usable, with every file looked at again that it says not to look at."""
    if (work.repo.git_dir / "index").exists():
        try:
            await work.repo.run("update-index", "-q", "--unmerged", "--really-refresh", accept=(0, 1))
            return
        except GitFailed as failure:
            work.problems.append(f"the index was unusable and made anew: {failure.stderr[-200:]}")
            work.inspection.forget_index()
    await work.repo.run("read-tree", head)


def _has_markers(work: _Capture, name: str) -> bool:
    path = work.inspection.paths.work / name
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MARKER_LIMIT:
        return False
    content = b"\n" + path.read_bytes()
    return b"\n<<<<<<< " in content and b"\n>>>>>>> " in content


async def _add_all(
    work: _Capture, repo: Repository, prefix: str, *, links: Sequence[str] = (), with_nested: bool
) -> tuple[str, ...]:
    """Put every file that is not ignored into the index of `repo`; returns the repositories found inside its worktree.

    Their files are put in as well `with_nested`; the history they have of their own is not. Submodules, the `links`,
    are left as they are: to compare one, git would run in a repository whose configuration is the agent's.
    """
    nested = await _nested(repo)
    specs = "".join(
        f"{spec}\0" for spec in (":(top)", *(f":(top,exclude,literal){name}" for name in (*links, *nested)))
    )
    output = await repo.run(
        "add", "--all", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul",
        stdin=os.fsencode(specs), accept=_ADDABLE,
    )  # fmt: skip
    if output.exit_code != 0:
        work.problems.append(f"some files could not be read: {output.stderr[-500:]}")
    for folder in nested if with_nested else ():
        work.problems.append(f"{prefix}{folder} is a repository of its own: its files were saved, its history was not")
        inner = work.inspection.nested(f"{prefix}{folder}")
        await _add_all(work, inner, f"{prefix}{folder}/", with_nested=True)
        await repo.run("read-tree", f"--prefix={folder}/", (await inner.run("write-tree")).text)
    return nested


async def _nested(repo: Repository) -> tuple[str, ...]:
    """Repositories inside the worktree: git lists each as one name with a slash at the end."""
    output = await repo.run("ls-files", "--others", "--exclude-standard", "-z")
    return tuple(name.rstrip("/") for name in output.fields if name.endswith("/"))


async def _strays(work: _Capture, mirror: Mirror, *, known: Sequence[str]) -> tuple[str, ...]:
    """Tips of local branches and stashes with commits that neither `known` nor the project has.

    Where HEAD was last counts as well: it differs from HEAD when the agent's refs are broken.
    """
    output = await work.repo.run("for-each-ref", "--format=%(objectname)", "refs/heads/", "refs/stash")
    tips = dict.fromkeys([*output.text.splitlines(), *work.inspection.stashed(), *work.inspection.visited()[-1:]])
    theirs = await mirror.upstream_commits()
    found: list[str] = []
    for tip in tips:
        if tip in known:
            continue
        try:
            if await work.repo.has(tip) and await work.repo.adds([tip], to=[*known, *found, *theirs]):
                found.append(tip)
        except GitFailed as failure:
            work.problems.append(f"commit {tip} of another branch or stash is broken: {failure.stderr[-200:]}")
    return tuple(found)
