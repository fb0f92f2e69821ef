"""One bare mirror per project: what the project's repository has, and what our attempts made of it.

The project's branches and tags live under `refs/upstream/`, which a fetch may prune. Our own refs live under
`refs/heads/swarm/` (results), `refs/swarm/` (rescued work) and `refs/pushed/` (what of both was pushed), which no fetch
ever writes or prunes. Nothing in a mirror is ever garbage collected away, because the repositories of running attempts
borrow its objects. No URL is stored in it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from agent_swarm.worker.workspace.bare import make_git_dir
from agent_swarm.worker.workspace.errors import BaseNotFound, GitFailed
from agent_swarm.worker.workspace.git import Git, GitOutput
from agent_swarm.worker.workspace.layout import Layout
from agent_swarm.worker.workspace.locks import clear_lock_files, exclusive
from agent_swarm.worker.workspace.names import UPSTREAM_HEADS, UPSTREAM_TAGS, is_commit, pushed_ref, valid_branch
from agent_swarm.worker.workspace.repository import Repository
from agent_swarm.worker.workspace.talking import talk
from agent_swarm.worker.workspace.urls import Remote
from agent_swarm.worker.workspace.values import Project

_REFSPECS = (
    f"+refs/heads/*:{UPSTREAM_HEADS}/*",
    f"+refs/tags/*:{UPSTREAM_TAGS}/*",
    "^refs/heads/swarm/*",  # results of attempts: thousands in time; those that matter are fetched by name
)
_SETTINGS = {"core.bare": "true", "gc.auto": "0", "gc.pruneExpire": "never", "gc.worktreePruneExpire": "never"}
# The same for every attempt on an empty repository, so that their results share a history and can be merged.
_ROOT = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Agent Swarm"), ("EMAIL", "root@agents.agent-swarm.invalid"), ("DATE", "@0 +0000"))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """What the project's repository has: its default branch and the commit there. An empty repository has no `head`."""

    default_branch: str | None
    head: str | None


@dataclass(slots=True)
class Mirror:
    """The mirror of one project, shared by every attempt on this worker."""

    repo: Repository
    lock_path: Path
    scratch: Path
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _latest: tuple[Project, float, Upstream] | None = None

    @property
    def objects(self) -> Path:
        """Its object store, which the repositories of attempts borrow from."""
        return self.repo.git_dir / "objects"

    @property
    def exists(self) -> bool:
        """Whether it is on disk."""
        return self.repo.git_dir.is_dir()

    async def refresh(self, project: Project) -> Upstream:
        """Bring the mirror up to date, creating it on first use.

        Attempts that ask while a fetch runs share the next one. Raises RepositoryUnreachable and the like also where
        an older copy exists: an attempt must not silently start from an old state.
        """
        asked_at = asyncio.get_running_loop().time()
        async with self._lock:
            if self._latest is not None and self._latest[0] == project and self._latest[1] >= asked_at:
                return self._latest[2]
            started_at = asyncio.get_running_loop().time()
            async with exclusive(self.lock_path, patience=self.repo.git.timeouts.network) as descriptor:
                self._create()
                upstream = await self._fetch_all(self.repo.git.holding(descriptor), project)
            self._latest = (project, started_at, upstream)
            return upstream

    async def resolve(self, project: Project, base: str) -> str:
        """The commit of a branch, tag or commit id of the project; raises BaseNotFound."""
        if is_commit(base):
            if await self.obtain(Remote.parse(project.url), base, ()):
                return base
        else:
            valid_branch(base)
            tag = await self.repo.commit_of(f"{UPSTREAM_TAGS}/{base}")
            if found := tag or await self._branch_head(Remote.parse(project.url), base):
                return found
        raise BaseNotFound(
            f"the project has no branch, tag or commit {base!r}", hint="push it, or start the task from another base"
        )

    async def obtain(self, remote: Remote, commit: str, refs: Sequence[str]) -> bool:
        """Make sure that `commit` is here: it may be already, on one of `refs`, or served by its bare id."""
        if await self.repo.has(commit):
            return True
        for source in (*refs, commit):
            await self.fetch_ref(remote, source)
            if await self.repo.has(commit):
                return True
        return False

    async def fetch_ref(self, remote: Remote, source: str) -> str | None:
        """Fetch one ref or commit without naming it here; its commit, or None where the repository does not have it."""
        listed = source if is_commit(source) else await self.remote_value(remote, source)
        if listed is None or await self.repo.has(listed):
            return listed
        try:
            await self._talk(self.repo.git, remote, "upload-pack", "fetch", *FETCH, remote.url, source)
        except GitFailed as failure:
            # An id the server does not have, or does not serve to who only knows the id.
            if is_commit(source) and any(said in failure.stderr for said in _NOT_SERVED):
                return None
            raise
        return await self.repo.commit_of(listed)

    async def remote_value(self, remote: Remote, ref: str) -> str | None:
        """What `ref` points to in the project's repository right now."""
        output = await self._talk(self.repo.git, remote, "upload-pack", "ls-remote", remote.url, ref)
        return next((line.split("\t")[0] for line in output.text.splitlines() if line.endswith(f"\t{ref}")), None)

    async def push(self, remote: Remote, commit: str, ref: str, *options: str, best_effort: bool = False) -> None:
        """Push `commit` to `ref` of the project's repository; a repeated push of the same commit is fine."""
        args = ("push", "--porcelain", "--no-verify", *options, remote.url, f"{commit}:{ref}")
        await self._talk(self.repo.git, remote, "receive-pack", *args, best_effort=best_effort)
        await self.set_ref(pushed_ref(ref), commit)

    async def is_pushed(self, ref: str) -> bool:
        """Whether the project's repository has been given what our `ref` points to."""
        commit = await self.repo.commit_of(ref)
        return commit is not None and await self.repo.commit_of(pushed_ref(ref)) == commit

    async def unpushed(self, namespace: str) -> dict[str, str]:
        """Our refs in `namespace` that the project's repository has not been given as they are, with their commits."""
        spaces = (f"{namespace}/", f"{pushed_ref(namespace)}/")
        output = await self.repo.run("for-each-ref", "--format=%(refname) %(objectname)", *spaces)
        refs = {line.split(" ")[0]: line.split(" ")[1] for line in output.text.splitlines()}
        ours = {ref: commit for ref, commit in refs.items() if ref.startswith(spaces[0])}
        return {ref: commit for ref, commit in ours.items() if refs.get(pushed_ref(ref)) != commit}

    async def take_in(self, source: Path, commit: str) -> None:
        """Copy `commit` and all it consists of from a repository on this host; git checks that nothing is missing."""
        await self.repo.run("fetch", *FETCH, str(source), commit)

    async def upstream_branches(self) -> dict[str, str]:
        """The branches of the project as they were last fetched, with their commits."""
        output = await self.repo.run("for-each-ref", "--format=%(objectname) %(refname)", f"{UPSTREAM_HEADS}/")
        rows = [line.split(" ", 1) for line in output.text.splitlines()]
        return {ref.removeprefix(f"{UPSTREAM_HEADS}/"): commit for commit, ref in rows}

    async def upstream_commits(self) -> list[str]:
        """Every commit a branch or tag of the project points to."""
        output = await self.repo.run("for-each-ref", "--format=%(objectname)", "refs/upstream/")
        return output.text.splitlines()

    async def set_ref(self, ref: str, commit: str) -> None:
        """Point one of our refs to `commit`."""
        await self.repo.run("update-ref", "-m", "agent-swarm", ref, commit)

    async def root_commit(self) -> str:
        """The empty commit that work on an empty repository starts from: everywhere the same."""
        tree = (await self.repo.run("mktree")).text
        return (await self.repo.run("commit-tree", tree, "-m", "Start of an empty project", env=_ROOT)).text

    async def maintain(self, *, loose_objects: int = 6700, packs: int = 50) -> None:
        """Pack what has piled up. Nothing is dropped, unreachable or not: a running attempt may borrow it.

        The limits are those above which git itself thinks a repository wants packing (git-gc(1)).
        """
        async with self._lock, exclusive(self.lock_path, patience=self.repo.git.timeouts.network) as descriptor:
            if not self.exists:
                return
            repo = Repository(git=self.repo.git.holding(descriptor), git_dir=self.repo.git_dir)
            counts = dict(line.split(": ") for line in (await repo.run("count-objects", "-v")).text.splitlines())
            if int(counts["count"]) > loose_objects or int(counts["packs"]) > packs:
                await repo.run("pack-refs", "--all")
                await repo.run("repack", "-d", "-l", "--quiet")  # unreachable objects only join a pack there is
                await repo.run("repack", "-a", "-d", "--keep-unreachable", "-l", "--quiet")

    def _create(self) -> None:
        if self.exists:
            return
        draft = self.scratch / f"mirror-{uuid4().hex}"
        make_git_dir(draft, head="refs/heads/main", settings=_SETTINGS)
        draft.rename(self.repo.git_dir)

    async def _fetch_all(self, git: Git, project: Project) -> Upstream:
        remote = Remote.parse(project.url)
        head = await self._talk(git, remote, "upload-pack", "ls-remote", "--symref", remote.url, "HEAD")
        args = ("fetch", "--prune", *FETCH, remote.url, *_REFSPECS)
        await self._talk(git, remote, "upload-pack", *args)
        branch = project.default_branch or await self._default_branch(head.text)
        if branch is not None and (commit := await self._branch_head(remote, branch)):
            return Upstream(default_branch=branch, head=commit)
        if project.default_branch is None and (detached := head.text.partition("\t")[0]) and is_commit(detached):
            return Upstream(default_branch=None, head=await self.fetch_ref(remote, "HEAD"))
        if branches := await self._branches():
            raise BaseNotFound(
                f"the project has no branch {branch or 'main'!r}; it has {', '.join(branches[:10])}",
                hint="set the project's default branch to one of these",
            )
        return Upstream(default_branch=branch, head=None)

    async def _default_branch(self, listing: str) -> str | None:
        """What HEAD of the repository names; where that does not exist, a usual name, else the only branch there is."""
        prefix, suffix = "ref: refs/heads/", "\tHEAD"
        named = [line[len(prefix) : -len(suffix)] for line in listing.splitlines() if line.startswith(prefix)]
        branches = await self._branches()
        usual = [name for name in ("main", "master") if name in branches]
        return next(iter(named or usual or (branches if len(branches) == 1 else [])), None)

    async def _branch_head(self, remote: Remote, branch: str) -> str | None:
        """Also of a `swarm/` branch, which no refspec has: people check results out, and HEAD then names one."""
        return await self.repo.commit_of(f"{UPSTREAM_HEADS}/{branch}") or await self.fetch_ref(
            remote, f"refs/heads/{branch}"
        )

    async def _branches(self) -> list[str]:
        output = await self.repo.run("for-each-ref", "--format=%(refname)", f"{UPSTREAM_HEADS}/")
        return [ref.removeprefix(f"{UPSTREAM_HEADS}/") for ref in output.text.splitlines()]

    async def _talk(
        self, git: Git, remote: Remote, service: str, command: str, *args: str, best_effort: bool = False
    ) -> GitOutput:
        """A command that talks to the project's repository."""
        return await talk(self.repo, remote, service, command, *args, git=git, best_effort=best_effort)


FETCH = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
_NOT_SERVED = ("not our ref", "no such remote ref", "couldn't find remote ref", "unadvertised object")


@dataclass(slots=True)
class Mirrors:
    """All mirrors of one worker."""

    git: Git
    layout: Layout
    _open: dict[str, Mirror] = field(default_factory=dict)

    def of(self, project_id: str) -> Mirror:
        """The mirror of a project; whether it exists on disk yet is its own matter."""
        if project_id not in self._open:
            path = self.layout.mirror(project_id)
            repo = Repository(git=self.git, git_dir=path)
            self._open[project_id] = Mirror(repo, path.with_suffix(".lock"), self.layout.scratch)
        return self._open[project_id]

    def clear_leftovers(self) -> None:
        """Remove what killed commands left in the mirrors; only while nobody else uses the worker's directory."""
        for mirror in self.layout.mirrors.glob("*.git"):
            clear_lock_files(mirror)

    async def maintain(self) -> None:
        """Pack every mirror that needs it; for when the worker is idle."""
        for path in sorted(self.layout.mirrors.glob("*.git")):
            await self.of(path.stem).maintain()
