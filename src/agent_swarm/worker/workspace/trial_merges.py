"""Merges commits pairwise in memory: which files would conflict, without a worktree, an index or a ref.

All pairs go into one `git merge-tree` (`python -m benchmarks radar`). It works in a short-lived git
directory of our own that reads the objects of others and writes its own, and reads no configuration but ours: a merge
driver that somebody's configuration names is not run, whatever .gitattributes say.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import uuid4

from agent_swarm.worker.workspace.bare import make_git_dir
from agent_swarm.worker.workspace.git import Git
from agent_swarm.worker.workspace.repository import Repository

MINIMUM_VERSION = (2, 39)  # `merge-tree --stdin`
_ATTRIBUTES_LIMIT = 64 * 1024  # bytes
_SETTINGS = {
    "core.bare": "true",
    "core.attributesFile": os.devnull,
    # Every merge writes some objects, which is half of its cost.
    "core.createObject": "rename",
    "core.looseCompression": "0",
}
_NOBODYS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
}

Pair = tuple[str, str]  # two commits
Files = tuple[str, ...]  # names, sorted


async def trial_merges(git: Git, scratch: Path, objects: Path, pairs: Iterable[Pair]) -> dict[Pair, Files]:
    """The files in which each pair of commits conflicts; none where it would merge.

    Pairs without a common history are left out: git merges such only when it is told to. `objects` is the store that
    holds the commits. Raises GitFailed, and GitTimedOut.
    """
    wanted = list(dict.fromkeys(pairs))
    if not wanted:
        return {}
    place = scratch / f"merges-{uuid4().hex}"
    try:
        make_git_dir(place, head="refs/heads/none", settings=_SETTINGS, borrows=[objects])
        repo = Repository(git=git.passing, git_dir=place)
        commits = list(dict.fromkeys(commit for pair in wanted for commit in pair))
        family = await _families(repo, commits)
        attributes = await _attributes(repo, commits)
        found: dict[Pair, Files] = {}
        for rules in sorted(set(attributes.values())):  # nearly always one
            related = [one for one in wanted if attributes[one[0]] == rules and family[one[0]] == family[one[1]]]
            found.update(await _merged(repo, rules, related))
        return found
    finally:
        shutil.rmtree(place, ignore_errors=True)


async def _families(repo: Repository, commits: Sequence[str]) -> dict[str, str]:
    """Which commits have a history in common: each with the first one that it is related to."""
    family: dict[str, str] = {}
    for commit in commits:
        for first in dict.fromkeys(family.values()):
            if (await repo.run("merge-base", commit, first, env=_NOBODYS, accept=(0, 1))).exit_code == 0:
                family[commit] = first
                break
        else:
            family[commit] = commit
    return family


async def _attributes(repo: Repository, commits: Sequence[str]) -> dict[str, str]:
    """The blob of the .gitattributes at the top of each commit; empty where there is none, or none of a usual size.

    A merge in a worktree reads them from there. A bare repository has none, so that `merge=union` would not count.
    """
    asked = "".join(f"{commit}:.gitattributes\n" for commit in commits)
    told = await repo.run("cat-file", "--batch-check", stdin=asked.encode(), env=_NOBODYS)
    rows = [line.split(" ") for line in told.text.splitlines()]
    return {
        commit: row[0] if len(row) == 3 and row[1] == "blob" and int(row[2]) <= _ATTRIBUTES_LIMIT else ""
        for commit, row in zip(commits, rows, strict=True)
    }


async def _merged(repo: Repository, attributes: str, pairs: Sequence[Pair]) -> dict[Pair, Files]:
    rules = (await repo.run("cat-file", "blob", attributes, env=_NOBODYS)).stdout if attributes else b""
    (repo.git_dir / "info/attributes").write_bytes(rules)
    told = await repo.run(
        "merge-tree", "--write-tree", "--stdin", "--name-only", "--no-messages", "--allow-unrelated-histories",
        stdin="".join(f"{one} {other}\n" for one, other in pairs).encode(), env=_NOBODYS,
    )  # fmt: skip
    return {pair: _plain(names, pair) for pair, names in zip(pairs, _read(told.stdout), strict=True)}


def _read(output: bytes) -> list[list[str]]:
    """What git-merge-tree(1) says of each merge: a status, a tree, the names of files in conflict, an empty name."""
    fields, found = iter(output.split(b"\0")), []
    for status in fields:
        if not status:
            break  # after the last one
        next(fields)
        names = [os.fsdecode(name) for name in iter(lambda: next(fields), b"")]
        found.append(names if status == b"0" else [])
    return found


def _plain(names: Iterable[str], pair: Pair) -> Files:
    """Where a file meets a folder of the same name, git calls the file NAME~COMMIT."""
    one, other = pair
    return tuple(sorted({name.removesuffix(f"~{one}").removesuffix(f"~{other}") for name in names}))
