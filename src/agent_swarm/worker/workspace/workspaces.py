"""A worker's workspaces: the one entry to this package."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.worker.workspace.collect import collect_work
from agent_swarm.worker.workspace.discard import discard_run
from agent_swarm.worker.workspace.errors import BaseNotFound, WorkspaceInUse
from agent_swarm.worker.workspace.git import Git, GitTimeouts
from agent_swarm.worker.workspace.host import Host
from agent_swarm.worker.workspace.identity import Identity, agent_env
from agent_swarm.worker.workspace.landing import land_merge, secure_merge
from agent_swarm.worker.workspace.layout import Layout, RunKey
from agent_swarm.worker.workspace.live_snapshots import LiveSnapshots
from agent_swarm.worker.workspace.locks import UseLock
from agent_swarm.worker.workspace.mirrors import Mirrors
from agent_swarm.worker.workspace.prepare import prepare_run
from agent_swarm.worker.workspace.records import RunRecord
from agent_swarm.worker.workspace.rescue import drop_older_runs, rescue_runs
from agent_swarm.worker.workspace.resume import held_run, hold, successor, take_over
from agent_swarm.worker.workspace.run_repository import RunPaths, name_result
from agent_swarm.worker.workspace.snapshot import push_pending, save_work
from agent_swarm.worker.workspace.steps import Reached, go_on
from agent_swarm.worker.workspace.sync import sync_copy
from agent_swarm.worker.workspace.urls import Remote
from agent_swarm.worker.workspace.values import (
    AttemptResult,
    DependencyResult,
    Landed,
    PreviousAttempt,
    Project,
    Rescued,
    Snapshot,
    SyncedCopy,
    Workspace,
)


class Workspaces:
    """Where the attempts of one worker work on files.

    Every attempt goes `prepare` → (the agent works) → `collect` → `discard`, or ends in `pause`, or in `discard`
    alone. No process of the agent may be left when `collect`, `pause` or `discard` is called. Each of them may be
    killed at any point, and called again.
    """

    def __init__(self, host: Host, use: UseLock) -> None:
        self._host = host
        self._use = use

    @classmethod
    async def open(
        cls,
        worker_dir: Path,
        identity: Identity,
        *,
        environ: Mapping[str, str],
        timeouts: GitTimeouts = GitTimeouts(),  # noqa: B008 - frozen
        reached: Reached = go_on,
    ) -> Self:
        """Start using a worker's directory (`~/.agent-swarm/workers/<AGENT_ID>`), creating it where it is missing.

        Clears away the lock and scratch files of a killed worker, unless a process of it still runs. Raises GitMissing
        where there is no usable git; `environ` is the worker's environment, where git is looked for. Call
        `rescue_leftovers` next.
        """
        layout = Layout.at(worker_dir)
        use = UseLock(layout.root / "workspace.lock")
        git = Git(environ=environ, timeouts=timeouts, keep_open=(use.descriptor,))
        mirrors = Mirrors(git, layout)
        try:
            await git.version()
            if use.was_idle:
                mirrors.clear_leftovers()
                await layout.empty_scratch()
            use.share()
        except BaseException:
            use.close()
            raise
        return cls(Host(layout=layout, git=git, mirrors=mirrors, identity=identity, live=set(), reached=reached), use)

    async def close(self) -> None:
        """Stop using the directory; idempotent. Runs stay as they are."""
        self._use.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def prepare(
        self,
        project: Project | None,
        task_id: str,
        attempt: int,
        *,
        dependencies: Sequence[DependencyResult] = (),
        previous: PreviousAttempt | None = None,
        base: str | None = None,
        is_check: bool = False,
    ) -> Workspace:
        """The workspace of an attempt: complete, or an error and nothing left behind.

        It starts at `base` (branch, tag or commit of the project; its default branch unless given) with the results of
        `dependencies` merged in, in order. With `previous` it goes on with that attempt's work, in which they already
        are: in the same directory where this worker holds it, else from its snapshot, changes that were not committed
        being so again. With `is_check` what it becomes is nobody's work: `land` it, or let it go.

        Raises MergeConflict, BaseNotFound, DependencyMissing, PreviousWorkMissing, and GitFailed in its several kinds.
        """
        key = RunKey.of(task_id, attempt)
        with self._starting(key):
            run_dir = held_run(self._host.layout, key.task_id, previous, project) if previous else None
            if run_dir is not None:
                record = await take_over(self._host, run_dir, key, project)
                return self._workspace(run_dir, record, project, resumed=True)
            try:
                record = await prepare_run(
                    self._host, project, key, dependencies=dependencies, previous=previous, base=base, is_check=is_check
                )
                await self._settle(key, project)
            finally:
                await self._host.layout.empty_trash()
            return self._workspace(self._host.layout.run(key), record, project)

    async def show(self, workspace: Workspace, results: Sequence[DependencyResult]) -> list[DependencyResult]:
        """Name results of other tasks in the repository of a workspace, as `origin/<branch>`; those that are not there.

        Only while no agent works in it.
        """
        if workspace.project is None:
            return list(results)
        mirror, remote = self._host.mirrors.of(workspace.project.id), Remote.parse(workspace.project.url)
        paths = RunPaths(_run_dir(workspace))
        return [
            result
            for result in results
            if not await mirror.obtain(remote, result.commit, (f"refs/heads/{result.branch}",))
            or not name_result(paths, result.branch, result.commit)
        ]

    async def collect(self, workspace: Workspace, *, message: str) -> AttemptResult:
        """The result of an attempt, pushed to `refs/heads/swarm/<task>/<attempt>` of the project's repository.

        What the agent left uncommitted is committed with `message`, .gitignore respected; without any change the
        result's commit is where the agent stood. The result is what HEAD leads to, on whatever branch the agent is.
        The run stays as it is.

        Raises WorkspaceDamaged or WorkUnfinished (fault of the agent; its work is on the rescue ref named in the
        details), PushRefused, and GitFailed in its other kinds; after those, `collect` can be called again.
        """
        run_dir = _run_dir(workspace)
        if workspace.project is None:
            return AttemptResult()
        return await collect_work(
            self._host,
            workspace.project,
            _key(workspace),
            RunPaths(run_dir),
            base=workspace.base or "",
            message=message,
        )

    async def secure(self, workspace: Workspace) -> str:
        """The commit that a check is made on, in the mirror, before anything runs in the workspace."""
        if workspace.project is None:
            raise InvalidInput("a check without a project has nothing to land", hint="name a project")
        return await secure_merge(self._host, workspace.project, RunPaths(_run_dir(workspace)), workspace.base or "")

    async def land(self, workspace: Workspace) -> Landed:
        """Put the commit that a check was made on onto its branch, where that is still where the check began.

        What has happened in the workspace since is no part of it. Twice is fine. Raises PushRefused where the
        repository does not take it although the branch has not moved, and GitFailed in its other kinds.
        """
        if workspace.project is None or workspace.trunk is None:
            raise BaseNotFound(
                "the project's repository does not say which branch is its own",
                hint="name one: agent-swarm queue set REPO --branch NAME",
            )
        return await land_merge(
            self._host,
            workspace.project,
            branch=workspace.trunk,
            origin=workspace.origin or "",
            commit=workspace.base or "",
        )

    async def snapshot(self, workspace: Workspace) -> Snapshot:
        """Everything in the workspace that is not ignored, on `refs/swarm/rescue/<task>/<attempt>`.

        Neither files nor index nor branches change. It is safe in the mirror when this returns; it is in the project's
        repository as well where `pushed` says so. Without a project nothing is copied.
        """
        paths = RunPaths(_run_dir(workspace))
        if workspace.project is None:
            return Snapshot(folder=workspace.path)
        return await save_work(self._host, workspace.project, _key(workspace), paths, base=workspace.base or "")

    def keep(self, workspace: Workspace) -> None:
        """Hold the workspace for the next attempt, through restarts of the worker, and do nothing else with it."""
        hold(self._host, _run_dir(workspace))
        self._host.live.discard(_key(workspace))

    async def pause(self, workspace: Workspace) -> Snapshot:
        """Hold the workspace for the next attempt, through restarts of the worker, and snapshot it for other hosts.

        It is held even where the snapshot raises.
        """
        self.keep(workspace)
        return await self.snapshot(workspace)

    async def discard(self, workspace: Workspace) -> Snapshot | None:
        """Remove the workspace once everything in it is safe; returns what had to be saved for that.

        After `collect` that is nothing. Files of a run without a project move to `rescued/<task>/<attempt>`, if there
        are any. Raises, and leaves the workspace in place, when the work cannot be made safe. Twice is fine.
        """
        run_dir = workspace.path.parent
        self._host.live.discard(_key(workspace))
        if successor(run_dir, _key(workspace)) is not None:
            return None  # paused, and a later attempt goes on in it
        return await discard_run(self._host, run_dir, workspace.project) if run_dir.exists() else None

    async def rescue_leftovers(
        self, *, resumable: Collection[tuple[str, int]] | None = None, projects: Iterable[Project] = ()
    ) -> tuple[Rescued, ...]:
        """Save and remove every run a killed worker left; call it at start, before the first `prepare`.

        Held runs stay, or only those in `resumable` (task id, attempt) where that is given. `projects` provide
        credentials for pushing; without them it is tried as the host is. What could not be saved stays in place and is
        reported.
        """
        keys = None if resumable is None else {RunKey.of(task_id, attempt) for task_id, attempt in resumable}
        return await rescue_runs(self._host, resumable=keys, projects={project.id: project for project in projects})

    async def push_pending(self, projects: Iterable[Project]) -> int:
        """Push snapshots that could not be pushed when made; returns how many. For when the network is back."""
        return sum([await push_pending(self._host, project) for project in projects])

    async def sync(self, project: Project) -> SyncedCopy:
        """Bring the copy of a project up to date, whatever runs on it; the runs are looked at and never touched.

        Raises RepositoryUnreachable, BaseNotFound and GitFailed in its other kinds; the copy is then as it was.
        """
        return await sync_copy(self._host, project)

    def live_snapshots(self, project: Project) -> LiveSnapshots:
        """What the running attempts at a project have now, to be compared; close it when none runs any more."""
        return LiveSnapshots(self._host, project)

    async def git_version(self) -> tuple[int, ...]:
        """Of the git that is used here."""
        return await self._host.git.version()

    async def maintain(self) -> None:
        """Pack the mirrors that need it. Takes as long as it takes: for when the worker is idle."""
        await self._host.mirrors.maintain()

    @contextmanager
    def _starting(self, key: RunKey) -> Iterator[None]:
        if key in self._host.live:
            raise WorkspaceInUse(
                f"attempt {key.attempt} of task {key.task_id} already works in this worker",
                hint="discard its workspace first",
            )
        self._host.live.add(key)
        try:
            yield
        except BaseException:
            self._host.live.discard(key)
            raise

    async def _settle(self, key: RunKey, project: Project | None) -> None:
        try:
            await drop_older_runs(self._host, key, project)
        except BaseException:
            self._host.layout.throw_away(self._host.layout.run(key))  # cancelled: no agent has been in it
            raise

    def _workspace(
        self, run_dir: Path, record: RunRecord, project: Project | None, *, resumed: bool = False
    ) -> Workspace:
        paths = RunPaths(run_dir)
        return Workspace(
            task_id=record.task_id,
            attempt=record.attempt,
            project=project,
            path=paths.work,
            state_dir=paths.state,
            branch=record.branch,
            base=record.base,
            git_dir=paths.git_dir if project else None,
            objects=self._host.mirrors.of(project.id).objects if project else None,
            origin=record.origin,
            trunk=record.trunk,
            resumed=resumed,
            env=MappingProxyType(agent_env(self._host.identity, run_dir)),
        )


def _key(workspace: Workspace) -> RunKey:
    return RunKey(workspace.task_id, workspace.attempt)


def _run_dir(workspace: Workspace) -> Path:
    run_dir = workspace.path.parent
    if (other := successor(run_dir, _key(workspace))) is not None:
        raise WorkspaceInUse(
            f"attempt {workspace.attempt} of task {workspace.task_id} is over: attempt {other} goes on in {run_dir}",
            hint="use the workspace that prepare() returned for the later attempt",
        )
    return run_dir
