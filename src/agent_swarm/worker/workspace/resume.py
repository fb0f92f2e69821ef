"""Holds the directory of a paused attempt, and lets the next one go on in it."""

from dataclasses import replace
from pathlib import Path

from agent_swarm.worker.workspace.errors import WorkspaceDamaged
from agent_swarm.worker.workspace.host import Host
from agent_swarm.worker.workspace.layout import Layout, RunKey
from agent_swarm.worker.workspace.names import branch_name
from agent_swarm.worker.workspace.records import RunRecord, RunStatus, read_record
from agent_swarm.worker.workspace.run_repository import RunPaths, branch_anew, restore_link
from agent_swarm.worker.workspace.snapshot import looking_at, mirror_of
from agent_swarm.worker.workspace.steps import Step
from agent_swarm.worker.workspace.values import PreviousAttempt, Project


def hold(host: Host, run_dir: Path) -> RunRecord:
    """From now on a restart of the worker leaves the run where it is."""
    record = read_record(run_dir)
    if record is None:
        raise WorkspaceDamaged(f"{run_dir} has lost its record", hint="discard it: everything in it is kept")
    record = replace(record, status=RunStatus.HELD).write(run_dir)
    host.reached(Step.HELD)
    return record


def held_run(layout: Layout, task_id: str, previous: PreviousAttempt, project: Project | None) -> Path | None:
    """The directory that the previous attempt was paused in, where it is on this host."""
    for _, run_dir in layout.run_directories(task_id):
        record = read_record(run_dir)
        if record is None or record.status is not RunStatus.HELD or record.attempt != previous.attempt:
            continue
        if record.project_id == (project.id if project else None) and RunPaths(run_dir).work.is_dir():
            return run_dir
    return None


def successor(run_dir: Path, key: RunKey) -> int | None:
    """The attempt that goes on in the directory of attempt `key`; None while that one has it."""
    record = read_record(run_dir)
    return record.attempt if record is not None and record.key != key else None


async def take_over(host: Host, run_dir: Path, key: RunKey, project: Project | None) -> RunRecord:
    """Let attempt `key` go on in `run_dir`: its files, index and stashes as they are, its branch a new one."""
    record, paths = read_record(run_dir), RunPaths(run_dir)
    if record is None:
        raise WorkspaceDamaged(f"{run_dir} has lost its record", hint="discard it: everything in it is kept")
    head = record.base or ""
    if project is not None:
        with looking_at(host, await mirror_of(host, project), paths) as inspection:
            head = await inspection.repo.commit_of("HEAD") or head
    paths.create_folders()
    # First the record: killed after it, the work is rescued under the new attempt's name.
    taken = replace(record, attempt=key.attempt, status=RunStatus.ACTIVE).write(run_dir)
    host.reached(Step.TAKEN_OVER)
    if project is not None:
        restore_link(paths)
        branch_anew(paths, branch_name(key.task_id, key.attempt), head)
    host.reached(Step.BRANCHED_ANEW)
    return taken
