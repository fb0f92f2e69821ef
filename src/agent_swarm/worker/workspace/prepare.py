"""Makes the workspace of an attempt: a worktree on its own branch, with the results it depends on merged in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from agent_swarm.worker.workspace.errors import (
    DependencyMissing,
    GitFailed,
    MergeConflict,
    PreviousWorkMissing,
    WorkspaceInUse,
)
from agent_swarm.worker.workspace.host import Host
from agent_swarm.worker.workspace.layout import RunKey
from agent_swarm.worker.workspace.mirrors import Mirror, Upstream
from agent_swarm.worker.workspace.names import branch_name, one_line, rescue_ref, result_ref
from agent_swarm.worker.workspace.records import RunRecord, RunStatus
from agent_swarm.worker.workspace.repository import Repository
from agent_swarm.worker.workspace.run_repository import RunPaths, fresh_repository, make_repository
from agent_swarm.worker.workspace.snapshot import unwrap
from agent_swarm.worker.workspace.steps import Step
from agent_swarm.worker.workspace.urls import Remote
from agent_swarm.worker.workspace.values import DependencyResult, PreviousAttempt, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where an attempt starts: the files of `commit`, on a branch at `parent`; its work is counted against `base`.

    `parent` differs from `commit` where the files were a snapshot of work not yet committed: it is uncommitted again.
    """

    commit: str
    parent: str
    base: str | None = None


async def prepare_run(
    host: Host,
    project: Project | None,
    key: RunKey,
    *,
    dependencies: Sequence[DependencyResult] = (),
    previous: PreviousAttempt | None = None,
    base: str | None = None,
    is_check: bool = False,
) -> RunRecord:
    """Make the run directory of an attempt, complete or not at all."""
    run_dir = host.layout.run(key)
    if run_dir.exists():
        raise WorkspaceInUse(
            f"attempt {key.attempt} of task {key.task_id} already has a workspace in {run_dir}",
            hint="discard it first, or call rescue_leftovers() if a killed worker left it",
        )
    if project is not None:  # the slow part first: while it lasts there is nothing to clean up
        mirror = host.mirrors.of(project.id)
        upstream = await mirror.refresh(project)
        start = await _find_start(mirror, project, key, upstream, previous, base)
        with _from(upstream):
            await _obtain_dependencies(mirror, project, dependencies)
    run_dir.mkdir(mode=0o700, parents=True)
    record = RunRecord.new(key, project).write(run_dir)
    host.reached(Step.RUN_RECORDED)
    try:
        RunPaths(run_dir).create_folders()
        if project is not None:
            with _from(upstream):
                merged = () if previous else dependencies
                record = await _check_out(host, mirror, project, record, start, upstream, merged)
        if is_check:
            record = replace(record, origin=upstream.head, trunk=upstream.default_branch) if project else record
        status = RunStatus.CHECK if is_check else RunStatus.ACTIVE
        record = replace(record, status=status).write(run_dir)
    except BaseException:
        host.layout.throw_away(run_dir)  # no agent has been in it
        raise
    host.reached(Step.PREPARED)
    return record


@contextmanager
def _from(upstream: Upstream) -> Iterator[None]:
    """What goes wrong with results says where they were to be merged."""
    try:
        yield
    except (MergeConflict, DependencyMissing) as exc:
        exc.origin = upstream.head or ""
        raise


async def _find_start(
    mirror: Mirror,
    project: Project,
    key: RunKey,
    upstream: Upstream,
    previous: PreviousAttempt | None,
    base: str | None,
) -> Start:
    if previous is not None:
        return await _previous_work(mirror, project, key, upstream, previous)
    commit = await mirror.resolve(project, base) if base else upstream.head or await mirror.root_commit()
    return Start(commit=commit, parent=commit)


async def _previous_work(
    mirror: Mirror, project: Project, key: RunKey, upstream: Upstream, previous: PreviousAttempt
) -> Start:
    """What another host, or this one with its directory gone, saved of an earlier attempt."""
    remote = Remote.parse(project.url)
    refs = (rescue_ref(key.task_id, previous.attempt), result_ref(key.task_id, previous.attempt))
    commit = previous.commit or await mirror.repo.commit_of(refs[0]) or await mirror.fetch_ref(remote, refs[0])
    if commit is None or not await mirror.obtain(remote, commit, refs):
        raise PreviousWorkMissing(
            f"the work of attempt {previous.attempt} of task {key.task_id} is not on this host and not in the "
            f"project's repository: looked for {commit or refs[0]}",
            hint="let the host that has it resume the task, or start over without the earlier work",
            details={"ref": refs[0], "commit": commit},
        )
    work = await unwrap(mirror, commit)
    if previous.base is not None and await mirror.repo.has(previous.base):
        counted_from: str | None = previous.base
    elif work is not None and work.base is not None:
        counted_from = work.base
    else:
        output = await mirror.repo.run("merge-base", commit, upstream.head or commit, accept=(0, 1))
        counted_from = output.text or None
    return Start(commit=commit, parent=work.head if work else commit, base=counted_from)


async def _obtain_dependencies(mirror: Mirror, project: Project, dependencies: Sequence[DependencyResult]) -> None:
    remote = Remote.parse(project.url)
    for dependency in dependencies:
        if not await mirror.obtain(remote, dependency.commit, (f"refs/heads/{dependency.branch}",)):
            raise DependencyMissing(
                f"result {dependency.commit} of dependency {dependency.title!r} ({dependency.task_id}) is not in the "
                f"project's repository, neither on branch {dependency.branch!r} nor by its id",
                hint="push that commit to the branch again, or retry the dependency",
                details={"taskId": dependency.task_id, "branch": dependency.branch, "commit": dependency.commit},
            )


async def _check_out(
    host: Host,
    mirror: Mirror,
    project: Project,
    record: RunRecord,
    start: Start,
    upstream: Upstream,
    dependencies: Sequence[DependencyResult],
) -> RunRecord:
    paths = RunPaths(host.layout.run(record.key))
    branch = branch_name(record.task_id, record.attempt)
    url = Remote.parse(project.url).url
    await make_repository(
        paths, mirror, branch=branch, start=start.commit, upstream=upstream, url=url, identity=host.identity
    )
    host.reached(Step.REPOSITORY_MADE)
    repo = fresh_repository(host.git, paths)
    await repo.run("reset", "--hard", "--quiet")
    if start.parent != start.commit:
        await repo.run("reset", "--mixed", "--quiet", start.parent)
    host.reached(Step.FILES_CHECKED_OUT)
    await _merge(host, repo, dependencies)
    head = await repo.commit_of("HEAD")
    return replace(record, base=start.base or head)


async def _merge(host: Host, repo: Repository, dependencies: Sequence[DependencyResult]) -> None:
    """Merge results in the order given: fast-forward where that is enough."""
    merged: list[str] = []
    for dependency in dependencies:
        subject = f"Merge the result of {one_line(dependency.title)!r}\n\nTask: {dependency.task_id}\n"
        try:
            await repo.run(
                "merge", "--quiet", "--ff", "--no-edit", "--no-verify", "--no-gpg-sign", "--no-verify-signatures",
                "--no-autostash", "--no-rerere-autoupdate", "--allow-unrelated-histories", "-m", subject,
                dependency.commit, env=host.identity.env(),
            )  # fmt: skip
        except GitFailed:
            files = (await repo.staged()).unmerged
            if not files:
                raise
            raise MergeConflict(
                task_id=dependency.task_id, title=dependency.title, merged_before=merged, files=files
            ) from None
        merged.append(f"{dependency.title!r} ({dependency.task_id})")
    host.reached(Step.DEPENDENCIES_MERGED)
