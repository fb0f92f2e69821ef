"""A repository by its git directory, and what can be asked of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.worker.workspace.git import Git, GitOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository, by its git directory: nothing is ever searched for in parent directories."""

    git: Git
    git_dir: Path
    work_tree: Path | None = None
    index: Path | None = None

    async def run(
        self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes = b"", accept: Collection[int] = (0,)
    ) -> GitOutput:
        """A command that stays on this host."""
        return await self.git.run(
            *args, cwd=self.work_tree or self.git_dir, env={**self._env(), **(env or {})}, stdin=stdin, accept=accept
        )

    async def commit_of(self, name: str) -> str | None:
        """The commit that `name` leads to; None where there is none."""
        output = await self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", accept=(0, 1, 128))
        return output.text if output.exit_code == 0 else None

    async def tree_of(self, commit: str) -> str:
        """The tree of a commit."""
        return (await self.run("rev-parse", "--verify", f"{commit}^{{tree}}")).text

    async def has(self, commit: str) -> bool:
        """Whether the commit is in the object store."""
        return (await self.run("cat-file", "-e", f"{commit}^{{commit}}", accept=(0, 1, 128))).exit_code == 0

    async def is_whole(self, commit: str) -> bool:
        """Whether everything the commit and its history consist of is in the object store."""
        output = await self.run("rev-list", "--objects", "--quiet", commit, "--", accept=(0, 1, 128))
        return output.exit_code == 0

    async def reaches(self, tip: str, commits: Collection[str]) -> bool:
        """Whether every one of `commits` is part of the history of `tip`."""
        return not await self.adds(commits, to=[tip])

    async def adds(self, commits: Collection[str], *, to: Collection[str]) -> bool:
        """Whether the history of `commits` has anything that the history of `to` has not."""
        spec = "".join([*(f"{commit}\n" for commit in commits), *(f"^{commit}\n" for commit in to)])
        return bool((await self.run("rev-list", "--max-count=1", "--stdin", stdin=spec.encode())).text)

    async def apart(self, one: str, other: str) -> tuple[int, int]:
        """How many commits are in the history of `one` alone, and in that of `other` alone."""
        counted = (await self.run("rev-list", "--left-right", "--count", f"{one}...{other}")).text.split()
        return int(counted[0]), int(counted[1])

    async def staged(self) -> "Staged":
        """What in the index is out of the ordinary."""
        rows = [entry.split("\t", 1) for entry in (await self.run("ls-files", "--stage", "-z")).fields]
        unmerged = dict.fromkeys(name for about, name in rows if not about.endswith(" 0"))
        return Staged(tuple(unmerged), tuple(name for about, name in rows if about.startswith("160000 ")))

    def _env(self) -> dict[str, str]:
        env = {"GIT_DIR": str(self.git_dir)}
        if self.work_tree is not None:
            env["GIT_WORK_TREE"] = str(self.work_tree)
        if self.index is not None:
            env["GIT_INDEX_FILE"] = str(self.index)
        return env


@dataclass(frozen=True, slots=True)
class Staged:
    """`unmerged` files have conflicts of an open merge; `links` are submodules."""

    unmerged: tuple[str, ...]
    links: tuple[str, ...]
