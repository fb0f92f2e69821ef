"""Schedules and their runs, as clients see them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from agent_swarm.domain.schedules import Rule, RunOutcome, RunStatus, upcoming, zone_of
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.protocol import rest_schedules as rest
from agent_swarm.services.trigger_views import task_without_paths
from agent_swarm.store.base import Queries
from agent_swarm.store.families.schedules import Schedule, ScheduleRun, ScheduleWork
from agent_swarm.store.records import TaskRecord


def shown(schedule: Schedule) -> rest.Schedule:
    """A schedule, as lists show it."""
    return rest.Schedule(**_fields(schedule))


def whole(schedule: Schedule, work: ScheduleWork | None, *, with_paths: bool) -> rest.ScheduleDetail:
    """A schedule with what it starts; unless `with_paths`, of webhooks' addresses the servers alone."""
    starts = {} if work is None else work.starts
    task, tasks = starts.get("task"), starts.get("tasks")
    if not with_paths:
        task = task and task_without_paths(task)
        tasks = tasks and [task_without_paths(one) for one in tasks]
    return rest.ScheduleDetail(**_fields(schedule), task=task, tasks=tasks, workflow=starts.get("workflow"))


def rule(when: Rule) -> rest.ScheduleRule:
    """When."""
    return rest.ScheduleRule(
        words=when.words,
        cron=when.cron or None,
        time_zone=when.time_zone or None,
        every_seconds=when.every / SECOND if when.every else None,
        start_at=to_wire(when.anchor) if when.every else None,
        at=_at(when.at),
    )


def times(when: Rule, after: int, until: int | None, *, count: int) -> rest.ScheduleTimes:
    """The next instants of a rule."""
    found = upcoming(when, after, until, count=count)
    zone = zone_of(when.time_zone) if when.cron else UTC
    local = [datetime.fromtimestamp(at // SECOND, zone).isoformat(timespec="seconds") for at in found]
    return rest.ScheduleTimes(rule=rule(when), times=[to_wire(at) for at in found], local=local)


def runs(found: list[ScheduleRun]) -> Callable[[Queries], list[rest.ScheduleRun]]:
    """A reading: runs, with how their tasks stand."""

    def reading(queries: Queries) -> list[rest.ScheduleRun]:
        wanted = sorted({task_id for one in found for task_id in _wanted(one)})
        tasks = {record.spec.id: record for record in queries.tasks(wanted)}
        return [_run(one, tasks) for one in found]

    return reading


def _wanted(one: ScheduleRun) -> tuple[str, ...]:
    """All tasks of a run that has not been seen to end, else those that are shown."""
    return one.task_ids[: rest.RUN_TASKS] if one.status else one.task_ids


def _run(one: ScheduleRun, tasks: dict[str, TaskRecord]) -> rest.ScheduleRun:
    known = [tasks[task_id] for task_id in one.task_ids if task_id in tasks]
    return rest.ScheduleRun(
        number=one.number,
        planned_at=_at(one.planned_at),
        asked_by=one.asked_by or None,
        noted_at=to_wire(one.noted_at),
        outcome=one.outcome,
        code=one.code or None,
        message=one.message or None,
        started_at=_at(one.started_at),
        status=_status(one, known),
        task_count=len(one.task_ids),
        tasks=[
            rest.ScheduleRunTask(id=task.spec.id, title=task.spec.title, status=task.state.status.value)
            for task in known[: rest.RUN_TASKS]
        ],
    )


def _status(one: ScheduleRun, known: list[TaskRecord]) -> RunStatus | None:
    if one.outcome is not RunOutcome.STARTED:
        return None
    if one.status:
        return RunStatus(one.status)
    statuses = {task.state.status for task in known}
    if any(not task.state.is_terminal for task in known):
        return RunStatus.OPEN
    if TaskStatus.FAILED in statuses:
        return RunStatus.FAILED
    return RunStatus.CANCELLED if TaskStatus.CANCELLED in statuses else RunStatus.COMPLETED


def _fields(schedule: Schedule) -> dict[str, Any]:
    return {
        "id": schedule.id,
        "name": schedule.name,
        "description": schedule.description,
        "rule": rule(schedule.when),
        "missed": schedule.missed,
        "overlap": schedule.overlap,
        "max_failures": schedule.max_failures,
        "until": _at(schedule.until),
        "max_runs": schedule.max_runs,
        "status": schedule.status,
        "pause_reason": schedule.pause_reason or None,
        "next_at": _at(schedule.next_at),
        "started": schedule.started,
        "failures": schedule.failures,
        "last_failure": schedule.last_failure or None,
        "last_run_at": _at(schedule.last_run_at),
        "last_outcome": RunOutcome(schedule.last_outcome) if schedule.last_outcome else None,
        "created_by": schedule.created_by,
        "agent_id": schedule.agent_id,
        "task_id": schedule.task_id,
        "version": schedule.version,
        "created_at": to_wire(schedule.created_at),
        "updated_at": to_wire(schedule.updated_at),
    }


def _at(instant: int | None) -> str | None:
    return None if instant is None else to_wire(instant)
