"""Brings the copy of a project up to date, and says how the runs on it stand; what is in a run is never touched.

The copy is the mirror that runs borrow from: a fetch moves no file that anybody works on. Where the project's branch
was rewritten, what it was before keeps a name in the mirror.
"""

from dataclasses import dataclass

from agent_swarm.worker.workspace.errors import WorkspaceError
from agent_swarm.worker.workspace.host import Host
from agent_swarm.worker.workspace.layout import RunKey
from agent_swarm.worker.workspace.mirrors import Mirror
from agent_swarm.worker.workspace.names import REPLACED
from agent_swarm.worker.workspace.records import RunRecord, RunStatus, read_record
from agent_swarm.worker.workspace.run_repository import RunPaths
from agent_swarm.worker.workspace.snapshot import looking_at
from agent_swarm.worker.workspace.values import CopyStatus, Project, RunOnProject, SyncedCopy

MOST_RUNS = 100  # that are looked at and told of


async def sync_copy(host: Host, project: Project) -> SyncedCopy:
    """Fetch what the project has now. Raises as `Mirror.refresh` does; the copy is then as it was."""
    mirror = host.mirrors.of(project.id)
    is_new = not mirror.exists
    before = {} if is_new else await mirror.upstream_branches()
    upstream = await mirror.refresh(project)
    branch = upstream.default_branch or ""
    old, head = before.get(branch, ""), upstream.head or ""
    status = await _status(mirror, branch, old, head, is_new=is_new)
    runs = [await _look(host, mirror, run, head) for run in _runs_on(host, project.id)]
    return SyncedCopy(status=status, branch=branch, head=head, before=old, runs=tuple(runs))


async def _status(mirror: Mirror, branch: str, old: str, head: str, *, is_new: bool) -> CopyStatus:
    if not head:
        return CopyStatus.EMPTY
    if is_new:
        return CopyStatus.CREATED
    if old == head:
        return CopyStatus.CURRENT
    if old and not await mirror.repo.reaches(head, [old]):
        await mirror.set_ref(f"{REPLACED}/{branch}/{old}", old)
        return CopyStatus.DIVERGED
    return CopyStatus.UPDATED


@dataclass(frozen=True, slots=True)
class _Run:
    record: RunRecord
    key: RunKey
    paths: RunPaths


def _runs_on(host: Host, project_id: str) -> list[_Run]:
    found = []
    for key, run_dir in host.layout.run_directories():
        record = read_record(run_dir)
        if record is not None and record.project_id == project_id and record.status is not RunStatus.PREPARING:
            found.append(_Run(record, key, RunPaths(run_dir)))
    return found[:MOST_RUNS]


async def _look(host: Host, mirror: Mirror, run: _Run, upstream: str) -> RunOnProject:
    """How a run stands, by a view that changes nothing in it. An agent may be at work in there, or leave meanwhile."""
    record = run.record
    seen = RunOnProject(
        task_id=record.task_id,
        attempt=record.attempt,
        branch=record.branch or "",
        is_held=record.status is RunStatus.HELD,
    )
    if missing := _missing(run.paths):
        return seen.unreadable(missing)
    try:
        with looking_at(host, mirror, run.paths) as inspection:
            repo = inspection.repo
            head = await repo.commit_of("HEAD") or ""
            changes = await repo.run("status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all")
            ahead, behind = await repo.apart(head, upstream) if head and upstream else (0, 0)
    except (WorkspaceError, OSError) as error:
        return seen.unreadable(str(error))
    return seen.found(head=head, changed_files=len(changes.fields), ahead=ahead, behind=behind)


def _missing(paths: RunPaths) -> str:
    """What an agent has taken away that a view would show as empty."""
    if paths.work.is_symlink() or not paths.work.is_dir():
        return "the folder of the run is gone, or was replaced"
    return "" if (paths.git_dir / "HEAD").is_file() else "the repository of the run is gone, or was replaced"
