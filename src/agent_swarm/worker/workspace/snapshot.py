"""Makes unfinished work safe: a commit on the attempt's rescue ref, in the mirror and, where possible, in the project.

Neither the worktree nor the agent's index, branches or HEAD change. A rescue ref is never deleted by us, and a later
snapshot of the same attempt builds on the earlier one.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import structlog

from agent_swarm.worker.workspace.capture import WorkState, capture, salvage
from agent_swarm.worker.workspace.errors import GitFailed, WorkspaceError
from agent_swarm.worker.workspace.host import Host
from agent_swarm.worker.workspace.inspection import Inspection, inspecting
from agent_swarm.worker.workspace.layout import RunKey
from agent_swarm.worker.workspace.mirrors import Mirror
from agent_swarm.worker.workspace.names import RESCUED, branch_name, is_commit, rescue_ref, result_ref
from agent_swarm.worker.workspace.run_repository import RunPaths
from agent_swarm.worker.workspace.steps import Step
from agent_swarm.worker.workspace.urls import Remote
from agent_swarm.worker.workspace.values import Project, Snapshot

log = structlog.get_logger()

_SNAPSHOT, _BASE = "Swarm-Snapshot", "Swarm-Base"  # trailers of the commit message


async def save_work(
    host: Host, project: Project, key: RunKey, paths: RunPaths, *, base: str, push: bool = True
) -> Snapshot:
    """Snapshot the work of a run. Saving it in the mirror has to succeed; pushing it is tried and reported."""
    mirror = await mirror_of(host, project)
    with looking_at(host, mirror, paths) as inspection:
        ref = rescue_ref(key.task_id, key.attempt)
        state, commit = await _commit_work(host, mirror, inspection, key, base)
        await mirror.set_ref(ref, commit)
    host.reached(Step.SNAPSHOT_NAMED)
    snapshot = Snapshot(ref=ref, commit=commit, base=base, problems=state.problems)
    if not push:
        return replace(snapshot, push_error="not tried: the repository did not answer just before")
    return await _pushed(host, mirror, project, snapshot)


async def mirror_of(host: Host, project: Project) -> Mirror:
    """The mirror of a run's project; made again where somebody deleted it, for the run borrows its objects."""
    mirror = host.mirrors.of(project.id)
    if not mirror.exists:
        await mirror.refresh(project)
    return mirror


def looking_at(host: Host, mirror: Mirror, paths: RunPaths) -> AbstractContextManager[Inspection]:
    """A view of a run."""
    return inspecting(host.git, host.layout.scratch, mirror, paths)


async def is_safe(mirror: Mirror, key: RunKey, state: WorkState) -> bool:
    """Whether a ref holds everything in `state`, in the mirror and in the project's repository."""
    for ref in (result_ref(key.task_id, key.attempt), rescue_ref(key.task_id, key.attempt)):
        if await holds(mirror, ref, state) and await mirror.is_pushed(ref):
            return True
    return False


async def push_pending(host: Host, project: Project) -> int:
    """Push the snapshots that could not be pushed when they were made; returns how many. Stops at a failure."""
    mirror, remote, pushed = host.mirrors.of(project.id), Remote.parse(project.url), 0
    if not mirror.exists:
        return 0
    for ref, commit in (await mirror.unpushed(RESCUED)).items():
        try:
            await mirror.push(remote, commit, ref, best_effort=True)
        except WorkspaceError as error:
            log.warning("snapshot_not_pushed", project_id=project.id, ref=ref, error=error.message)
            break
        pushed += 1
    return pushed


async def holds(mirror: Mirror, ref: str, state: WorkState) -> bool:
    """Whether `ref` of the mirror has the same files and every commit."""
    commit = await mirror.repo.commit_of(ref)
    if commit is None or await mirror.repo.tree_of(commit) != state.tree:
        return False
    present = [await mirror.repo.has(part) for part in state.commits]
    return all(present) and await mirror.repo.reaches(commit, state.commits)


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """What a snapshot stands for: the commit the agent was at, and the base of its attempt where that is here."""

    head: str
    base: str | None


async def unwrap(mirror: Mirror, commit: str) -> Unwrapped | None:
    """What is in a snapshot; None where `commit` is an ordinary commit."""
    message = (await mirror.repo.run("cat-file", "commit", commit)).text.rpartition("\n\n")[2]
    trailers = dict(line.split(": ", 1) for line in message.splitlines() if ": " in line)
    head = await mirror.repo.commit_of(f"{commit}^1")
    if _SNAPSHOT not in trailers or head is None:
        return None
    base = trailers.get(_BASE, "")
    return Unwrapped(head, base if is_commit(base) and await mirror.repo.has(base) else None)


async def _commit_work(
    host: Host, mirror: Mirror, inspection: Inspection, key: RunKey, base: str
) -> tuple[WorkState, str]:
    branch = branch_name(key.task_id, key.attempt)
    try:
        state = await capture(inspection, mirror, base=base, branch=branch, with_nested=True)
        return state, await _to_mirror(host, mirror, inspection, key, state, base)
    except GitFailed as failure:
        state = await salvage(inspection, mirror, base=base, branch=branch, reason=failure.message)
        return state, await _to_mirror(host, mirror, inspection, key, state, base)


async def _to_mirror(
    host: Host, mirror: Mirror, inspection: Inspection, key: RunKey, state: WorkState, base: str
) -> str:
    ref = rescue_ref(key.task_id, key.attempt)
    earlier = await mirror.repo.commit_of(ref)
    if earlier is not None and await holds(mirror, ref, state):
        return earlier
    commit = await _commit(host, inspection, key, state, base, earlier)
    host.reached(Step.WORK_COMMITTED)
    await mirror.take_in(inspection.repo.git_dir, commit)
    host.reached(Step.WORK_FETCHED)
    return commit


async def _commit(
    host: Host, inspection: Inspection, key: RunKey, state: WorkState, base: str, earlier: str | None
) -> str:
    """One commit of all files, whose parents are all commits that must be kept: first the one the agent is at."""
    parents = list(dict.fromkeys(state.commits))
    if earlier is not None and not await inspection.repo.reaches(state.head, [earlier]):
        parents.append(earlier)
    trailers = f"{_SNAPSHOT}: {key.task_id}/{key.attempt}\n{_BASE}: {base}\n"
    message = f"Unfinished work of task {key.task_id}, attempt {key.attempt}\n\n{trailers}"
    return await write_commit(inspection, host, tree=state.tree, parents=parents, message=message)


async def write_commit(inspection: Inspection, host: Host, *, tree: str, parents: list[str], message: str) -> str:
    """A commit by the agent's identity, in the view."""
    options = [part for parent in parents for part in ("-p", parent)]
    text = message.replace("\0", " ").encode(errors="replace")
    output = await inspection.repo.run("commit-tree", tree, *options, stdin=text, env=host.identity.env())
    return output.text


async def _pushed(host: Host, mirror: Mirror, project: Project, snapshot: Snapshot) -> Snapshot:
    """Best effort: a shutdown waits for it, and the work is safe on this host already."""
    try:
        await mirror.push(Remote.parse(project.url), snapshot.commit or "", snapshot.ref or "", best_effort=True)
    except WorkspaceError as error:
        log.warning("snapshot_not_pushed", project_id=project.id, ref=snapshot.ref, error=error.message)
        return replace(snapshot, push_error=error.message)
    host.reached(Step.SNAPSHOT_PUSHED)
    return replace(snapshot, pushed=True)
