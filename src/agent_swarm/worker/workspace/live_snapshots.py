"""Live snapshots: what the running attempts at one project have in their folders now, to be merged on trial.

They are commits in a repository of their own below `scratch/`, which borrows from the project's mirror and is thrown
away when nobody runs any more: a mirror keeps for ever what is once in it, and of these there is one every half
minute. For workers elsewhere they are pushed to `refs/swarm/live/<task>/<attempt>` of the project's repository, each in
the place of the one before.
"""

import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import structlog

from agent_swarm.domain.ids import normalize_id
from agent_swarm.worker.workspace.bare import make_git_dir
from agent_swarm.worker.workspace.errors import WorkspaceError
from agent_swarm.worker.workspace.glance import Glance, glance
from agent_swarm.worker.workspace.host import Host
from agent_swarm.worker.workspace.layout import RunKey
from agent_swarm.worker.workspace.mirrors import FETCH, Mirror
from agent_swarm.worker.workspace.names import LIVE, branch_name, live_ref
from agent_swarm.worker.workspace.repository import Repository
from agent_swarm.worker.workspace.run_repository import RunPaths
from agent_swarm.worker.workspace.snapshot import looking_at, write_commit
from agent_swarm.worker.workspace.talking import talk
from agent_swarm.worker.workspace.trial_merges import Files, Pair, trial_merges
from agent_swarm.worker.workspace.urls import Remote
from agent_swarm.worker.workspace.values import Project, Workspace

log = structlog.get_logger()

MOST_PACKS = 50  # above which git itself thinks a repository wants packing (git-gc(1))
MOST_SWEPT = 100  # refs that are removed at a time
_OTHERS = "refs/others"  # of workers elsewhere, in the repository here
_SETTINGS = {"core.bare": "true", "gc.auto": "0"}


@dataclass(frozen=True, slots=True)
class _Taken:
    seen: Glance
    commit: str


@dataclass(slots=True)
class LiveSnapshots:
    """Those of one project that this worker takes, and those of others that it has fetched."""

    host: Host
    project: Project
    _taken: dict[RunKey, _Taken] = field(default_factory=dict)
    _published: dict[RunKey, str] = field(default_factory=dict)
    _repo: Repository = field(init=False)

    def __post_init__(self) -> None:
        self.host = replace(self.host, git=self.host.git.passing)
        path = self.host.layout.scratch / f"live-{uuid4().hex}.git"
        make_git_dir(path, head="refs/heads/none", settings=_SETTINGS, borrows=[self._mirror.objects.resolve()])
        self._repo = Repository(git=self.host.git, git_dir=path)

    @property
    def published(self) -> Mapping[RunKey, str]:
        """The commits that workers elsewhere can fetch."""
        return self._published

    async def take(self, run: Workspace) -> str | None:
        """The commit of what a run has now: the one before where that is the same, or cannot be told.

        Nothing in the run changes, and nothing that its agent configured is run.
        """
        key = RunKey(run.task_id, run.attempt)
        try:
            await self._take(key, run)
        except (WorkspaceError, OSError) as error:  # its agent may have broken it, or is about to leave
            log.info("run_not_looked_at", task_id=key.task_id, attempt=key.attempt, error=str(error))
        taken = self._taken.get(key)
        return taken.commit if taken else None

    async def _take(self, key: RunKey, run: Workspace) -> None:
        branch = run.branch or branch_name(key.task_id, key.attempt)
        before = self._taken.get(key)
        with looking_at(self.host, self._mirror, RunPaths(run.path.parent)) as inspection:
            seen = await glance(inspection, base=run.base or "", branch=branch)
            if seen is None or (before is not None and before.seen == seen):
                return
            commit = seen.head
            if await inspection.repo.tree_of(seen.head) != seen.tree:
                message = f"What attempt {key.attempt} at task {key.task_id} had in its folder\n"
                commit = await write_commit(inspection, self.host, tree=seen.tree, parents=[seen.head], message=message)
            await self._repo.run("fetch", *FETCH, str(inspection.repo.git_dir), f"+{commit}:{_ref(key)}")
        self._taken[key] = _Taken(seen, commit)
        await self._pack()

    async def compare(self, pairs: Iterable[Pair]) -> dict[Pair, Files]:
        """The files in which each pair of commits conflicts; a pair without a common history is left out."""
        return await trial_merges(self.host.git, self.host.layout.scratch, self._objects, pairs)

    async def publish(self) -> None:
        """Let workers elsewhere have what was taken. Raises as a push does."""
        news = {key: one.commit for key, one in self._taken.items() if self._published.get(key) != one.commit}
        if news:
            await self._push([f"+{commit}:{_ref(key)}" for key, commit in news.items()])
            self._published.update(news)

    async def obtain(self, others: Mapping[RunKey, str]) -> dict[RunKey, str]:
        """Those of the commits of attempts elsewhere that are here, fetched where they were not.

        What a ref has must be what its worker says it put there: somebody else may have pushed to it.
        """
        have = await self._fetched()
        missing = [key for key, commit in others.items() if have.get(key) != commit]
        if missing:
            remote = Remote.parse(self.project.url)
            # With a star: one that is not there is no failure then.
            specs = [f"+{LIVE}/{key.task_id}/*:{_OTHERS}/{key.task_id}/*" for key in missing]
            await talk(self._repo, remote, "upload-pack", "fetch", *FETCH, remote.url, *specs, best_effort=True)
            have = await self._fetched()
        return {key: commit for key, commit in others.items() if have.get(key) == commit}

    async def withdraw(self, keys: Collection[RunKey]) -> None:
        """Forget attempts that have ended, here and, as far as that can be reached, in the project's repository."""
        gone = [key for key in keys if self._published.pop(key, None) is not None]
        for key in keys:
            if self._taken.pop(key, None) is not None:
                await self._repo.run("update-ref", "-d", _ref(key))
        if gone:
            try:
                await self._push([f":{_ref(key)}" for key in gone])
            except WorkspaceError as error:  # swept by whoever compares next
                log.warning("live_snapshots_not_withdrawn", project_id=self.project.id, error=error.message)

    async def listed(self) -> dict[RunKey, str]:
        """The live snapshots that are in the project's repository, of whichever attempts, with their commits."""
        remote = Remote.parse(self.project.url)
        told = await talk(self._repo, remote, "upload-pack", "ls-remote", remote.url, f"{LIVE}/*", best_effort=True)
        return _by_key([line.split("\t", 1) for line in told.text.splitlines()], LIVE)

    async def sweep(self, stale: Mapping[RunKey, str]) -> None:
        """Remove live snapshots of attempts that run no more, unless somebody has put another one there."""
        some = list(stale.items())[:MOST_SWEPT]
        if some:
            leases = [f"--force-with-lease={_ref(key)}:{commit}" for key, commit in some]
            await self._push([f":{_ref(key)}" for key, _ in some], *leases)

    def close(self) -> None:
        """Throw the repository away; twice is fine."""
        shutil.rmtree(self._repo.git_dir, ignore_errors=True)

    @property
    def _mirror(self) -> Mirror:
        return self.host.mirrors.of(self.project.id)

    @property
    def _objects(self) -> Path:
        return self._repo.git_dir / "objects"

    async def _fetched(self) -> dict[RunKey, str]:
        told = await self._repo.run("for-each-ref", "--format=%(objectname)%09%(refname)", f"{_OTHERS}/")
        return _by_key([line.split("\t", 1) for line in told.text.splitlines()], _OTHERS)

    async def _push(self, specs: Iterable[str], *options: str) -> None:
        remote = Remote.parse(self.project.url)
        args = ("push", "--porcelain", "--no-verify", *options, remote.url, *specs)
        await talk(self._repo, remote, "receive-pack", *args, best_effort=True)

    async def _pack(self) -> None:
        """One pack a fetch adds up; what no ref leads to any more goes."""
        if sum(1 for _ in self._objects.glob("pack/*.pack")) > MOST_PACKS:
            await self._repo.run("repack", "-a", "-d", "-l", "--quiet")


def _ref(key: RunKey) -> str:
    return live_ref(key.task_id, key.attempt)


def _by_key(rows: Iterable[list[str]], namespace: str) -> dict[RunKey, str]:
    """Commits by attempt, of rows (commit, ref) below `namespace`; other names are left alone."""
    found = {}
    for commit, ref in rows:
        task_id, _, attempt = ref.removeprefix(f"{namespace}/").partition("/")
        if normalize_id(task_id) == task_id and attempt.isdecimal() and attempt.isascii():
            found[RunKey(task_id, int(attempt))] = commit
    return found
