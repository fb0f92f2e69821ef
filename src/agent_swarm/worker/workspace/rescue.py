"""At a worker's start: saves and removes the runs that a killed worker left behind.

It can be killed itself at any point and run again: a run is only ever removed after a ref holds its work.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.worker.workspace.discard import discard_run
from agent_swarm.worker.workspace.host import Host
from agent_swarm.worker.workspace.layout import RunKey
from agent_swarm.worker.workspace.records import RunRecord, RunStatus, read_record
from agent_swarm.worker.workspace.values import Project, Rescued

log = structlog.get_logger()


async def rescue_runs(
    host: Host, *, resumable: Collection[RunKey] | None, projects: Mapping[str, Project]
) -> tuple[Rescued, ...]:
    """Save every run that nobody works in or holds for a paused attempt; one failure does not stop the others."""
    await host.layout.empty_trash()
    rescued: list[Rescued] = []
    unreachable: set[str] = (
        set()
    )  # one time-out for each is enough of a delay at start; `push_pending` comes back to it
    for key, run_dir in list(host.layout.run_directories()):
        record = read_record(run_dir)
        now = record.key if record else key
        if now in host.live or _is_held(record, resumable):
            continue
        project = _project_of(record, projects)
        one = await _rescue(host, run_dir, now, project, push=project is None or project.id not in unreachable)
        if project is not None and one.snapshot is not None and one.snapshot.push_error:
            unreachable.add(project.id)
        rescued.append(one)
    return tuple(rescued)


async def drop_older_runs(host: Host, key: RunKey, project: Project | None) -> None:
    """Remove what is still held of the task's earlier attempts: it went on without them, elsewhere or anew."""
    for _, run_dir in list(host.layout.run_directories(key.task_id)):
        record = read_record(run_dir)
        if record is not None and record.status is RunStatus.HELD and record.attempt < key.attempt:
            await _rescue(host, run_dir, record.key, project if record.project else None)


def _is_held(record: RunRecord | None, resumable: Collection[RunKey] | None) -> bool:
    if record is None or record.status is not RunStatus.HELD:
        return False
    return resumable is None or record.key in resumable


def _project_of(record: RunRecord | None, projects: Mapping[str, Project]) -> Project | None:
    """As the caller knows it, with credentials, else as it was recorded."""
    recorded = record.project if record else None
    return projects.get(recorded.id, recorded) if recorded else None


async def _rescue(host: Host, run_dir: Path, key: RunKey, project: Project | None, *, push: bool = True) -> Rescued:
    try:
        snapshot = await discard_run(host, run_dir, project, push=push)
    except (SwarmError, OSError) as error:
        log.warning("run_not_rescued", task_id=key.task_id, attempt=key.attempt, path=str(run_dir), error=str(error))
        return Rescued(task_id=key.task_id, attempt=key.attempt, error=str(error))
    log.info("run_rescued", task_id=key.task_id, attempt=key.attempt, ref=snapshot.ref if snapshot else None)
    return Rescued(task_id=key.task_id, attempt=key.attempt, snapshot=snapshot)
