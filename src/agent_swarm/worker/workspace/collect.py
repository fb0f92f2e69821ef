"""Turns a finished run into its result: a commit on the attempt's branch, in the mirror and in the project."""

from dataclasses import dataclass

from agent_swarm.worker.workspace.capture import WorkState, capture
from agent_swarm.worker.workspace.errors import (
    DiskFull,
    GitFailed,
    GitTimedOut,
    PushRefused,
    WorkspaceDamaged,
    WorkUnfinished,
)
from agent_swarm.worker.workspace.host import Host
from agent_swarm.worker.workspace.inspection import Inspection
from agent_swarm.worker.workspace.layout import RunKey
from agent_swarm.worker.workspace.mirrors import Mirror
from agent_swarm.worker.workspace.names import branch_name, result_ref
from agent_swarm.worker.workspace.run_repository import RunPaths
from agent_swarm.worker.workspace.snapshot import holds, looking_at, mirror_of, save_work, write_commit
from agent_swarm.worker.workspace.steps import Step
from agent_swarm.worker.workspace.urls import Remote
from agent_swarm.worker.workspace.values import AttemptResult, Project, Snapshot


async def collect_work(
    host: Host, project: Project, key: RunKey, paths: RunPaths, *, base: str, message: str
) -> AttemptResult:
    """Commit what the agent left uncommitted, push, and count. Called again after a failure, it goes on from there."""
    run = _Run(host, project, key, paths, base)
    if not paths.is_linked:
        raise await run.spoilt("the agent removed or replaced the worktree's .git file")
    if operation := paths.unfinished:
        raise await run.unfinished(f"a {operation} half done")
    mirror = await mirror_of(host, project)
    with looking_at(host, mirror, paths) as inspection:
        try:
            state = await capture(
                inspection, mirror, base=base, branch=branch_name(key.task_id, key.attempt), with_nested=False
            )
            if state.conflicted:
                raise await run.unfinished(f"conflict markers in {', '.join(map(repr, state.conflicted))}")
            commit = await _result(host, mirror, inspection, key, state, message)
        except (DiskFull, GitTimedOut):
            raise  # this host's trouble, not the agent's doing
        except GitFailed as failure:
            raise await run.spoilt(f"the agent's repository is broken: {failure.message}") from failure
        rescue = await run.rescue() if state.strays or state.nested else None
        await _publish(host, mirror, project, key, inspection, commit)
    return await _counted(mirror, key, base, commit, left_out=state.nested, rescue=rescue)


@dataclass(frozen=True, slots=True)
class _Run:
    """A run whose work may have to go to the rescue ref instead."""

    host: Host
    project: Project
    key: RunKey
    paths: RunPaths
    base: str

    async def rescue(self) -> Snapshot:
        return await save_work(self.host, self.project, self.key, self.paths, base=self.base)

    async def spoilt(self, what: str) -> WorkspaceDamaged:
        """The error for a run that cannot be delivered, after saving it."""
        hint = "try the task again; the work is on the rescue ref in the details"
        return WorkspaceDamaged(what, hint=hint, rescue=_describe(await self.rescue()))

    async def unfinished(self, what: str) -> WorkUnfinished:
        """The error for a run that stopped in the middle, after saving it."""
        hint = "let the agent finish or abort it; the work is on the rescue ref in the details"
        return WorkUnfinished(f"the agent left {what}", hint=hint, rescue=_describe(await self.rescue()))


async def _result(
    host: Host, mirror: Mirror, inspection: Inspection, key: RunKey, state: WorkState, message: str
) -> str:
    """The result's commit, in the mirror. It is the agent's own where that left nothing uncommitted."""
    ref = result_ref(key.task_id, key.attempt)
    delivered = WorkState(head=state.head, tree=state.tree, merging=state.merging)
    if await holds(mirror, ref, delivered):
        return await mirror.repo.commit_of(ref) or ""
    commit = state.head
    if state.merging or await inspection.repo.tree_of(state.head) != state.tree:
        parents = list(dict.fromkeys((state.head, *state.merging)))
        text = message.strip() or f"Work on task {key.task_id}"
        commit = await write_commit(inspection, host, tree=state.tree, parents=parents, message=f"{text}\n")
    host.reached(Step.WORK_COMMITTED)
    await mirror.take_in(inspection.repo.git_dir, commit)
    host.reached(Step.WORK_FETCHED)
    return commit


async def _publish(
    host: Host, mirror: Mirror, project: Project, key: RunKey, inspection: Inspection, commit: str
) -> None:
    ref = result_ref(key.task_id, key.attempt)
    earlier = await mirror.repo.commit_of(ref)
    await mirror.set_ref(ref, commit)
    host.reached(Step.RESULT_NAMED)
    remote = Remote.parse(project.url)
    try:
        await mirror.push(remote, commit, ref)
    except PushRefused:
        # The agent pushed its branch itself and rewrote it since, or went on after an earlier collect: this attempt's
        # own commits may be replaced. Anything else on this ref is somebody else's and stays.
        theirs = await mirror.remote_value(remote, ref)
        if theirs is None or theirs not in (earlier, *inspection.visited()):
            raise
        await mirror.push(remote, commit, ref, f"--force-with-lease={ref}:{theirs}")
    host.reached(Step.RESULT_PUSHED)


async def _counted(
    mirror: Mirror, key: RunKey, base: str, commit: str, *, left_out: tuple[str, ...], rescue: Snapshot | None
) -> AttemptResult:
    output = await mirror.repo.run("diff-tree", "-r", "-z", "--numstat", "--no-renames", "--no-ext-diff", base, commit)
    rows = [field.split("\t") for field in output.fields]
    return AttemptResult(
        branch=branch_name(key.task_id, key.attempt),
        commit=commit,
        base=base,
        files_changed=len(rows),
        insertions=sum(int(row[0]) for row in rows if row[0] != "-"),  # "-" stands for a binary file
        deletions=sum(int(row[1]) for row in rows if row[1] != "-"),
        left_out=left_out,
        rescue=rescue,
    )


def _describe(snapshot: Snapshot) -> dict[str, object]:
    return {
        "ref": snapshot.ref,
        "commit": snapshot.commit,
        "pushed": snapshot.pushed,
        "problems": list(snapshot.problems),
    }
