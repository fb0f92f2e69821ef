"""Removes a run, once nothing in it can be lost any more."""

from pathlib import Path

from agent_swarm.worker.workspace.capture import capture
from agent_swarm.worker.workspace.errors import GitFailed
from agent_swarm.worker.workspace.host import Host
from agent_swarm.worker.workspace.layout import RunKey
from agent_swarm.worker.workspace.names import branch_name
from agent_swarm.worker.workspace.records import RunRecord, RunStatus, read_record
from agent_swarm.worker.workspace.run_repository import RunPaths
from agent_swarm.worker.workspace.snapshot import is_safe, looking_at, mirror_of, save_work
from agent_swarm.worker.workspace.steps import Step
from agent_swarm.worker.workspace.values import Project, Snapshot


async def discard_run(host: Host, run_dir: Path, project: Project | None, *, push: bool = True) -> Snapshot | None:
    """Make the work safe where it is not yet, then remove the run. Returns what had to be saved for that.

    Raises, and leaves the run where it is, when the work cannot be made safe.
    """
    saved = await _make_safe(host, run_dir, project, push=push)
    host.layout.throw_away(run_dir)
    host.reached(Step.THROWN_AWAY)
    await host.layout.empty_trash()
    host.reached(Step.TRASH_EMPTIED)
    return saved


async def _make_safe(host: Host, run_dir: Path, project: Project | None, *, push: bool) -> Snapshot | None:
    paths, record = RunPaths(run_dir), read_record(run_dir)
    if record is None:  # killed before it was written, or the agent deleted it: keep all there is
        key = RunKey(run_dir.parent.name, int(run_dir.name))
        return _keep(host, key, run_dir) if paths.git_dir.exists() or _has_files(paths) else None
    if record.status in (RunStatus.PREPARING, RunStatus.CHECK):
        return None
    if project is None or record.base is None:
        return _keep(host, record.key, paths.work) if _has_files(paths) else None
    if await _is_saved(host, project, record, paths):
        return None
    return await save_work(host, project, record.key, paths, base=record.base, push=push)


def _has_files(paths: RunPaths) -> bool:
    return not paths.work.is_symlink() and paths.work.is_dir() and any(paths.work.iterdir())


def _keep(host: Host, key: RunKey, folder: Path) -> Snapshot:
    kept = Snapshot(folder=host.layout.keep(key, folder))
    host.reached(Step.FOLDER_KEPT)
    return kept


async def _is_saved(host: Host, project: Project, record: RunRecord, paths: RunPaths) -> bool:
    mirror, branch, base = (
        await mirror_of(host, project),
        branch_name(record.task_id, record.attempt),
        record.base or "",
    )
    try:
        with looking_at(host, mirror, paths) as inspection:
            state = await capture(inspection, mirror, base=base, branch=branch, with_nested=True)
            return await is_safe(mirror, record.key, state)
    except GitFailed:
        return False  # saving it does what is possible
