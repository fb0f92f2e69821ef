"""Schedules as they are kept: how each stands, what it starts, when to look at it, and its latest runs.

What it starts may be long and never changes between runs, so it is apart from what every run writes. Whoever fires a
schedule locks its row first; the next instant moves in the same transaction in which tasks are made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent_swarm.domain.schedules import (
    KEPT_FINISHED,
    RUNS_KEPT,
    WAITING_LOOK,
    Missed,
    Overlap,
    Rule,
    RunOutcome,
    ScheduleStatus,
)
from agent_swarm.store.events import Draft
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations.base import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A rule, what becomes of its instants, and where it stands.

    `version` grows when a person changes it. `runs` is the number of the last run, `started` how many by plan began,
    `waiting` the number of the run that waits for its predecessor, 0 for none, `open_runs` those whose tasks had not
    ended when they were last looked at. With `task_id` an attempt at that task made it, and what it starts is below.
    """

    id: str
    name: str
    description: str
    rule: Mapping[str, Any]
    missed: Missed
    overlap: Overlap
    max_failures: int
    max_runs: int | None
    until: int | None
    status: ScheduleStatus
    pause_reason: str = ""
    version: int = 1
    next_at: int | None
    look_at: int | None = None
    runs: int = 0
    started: int = 0
    failures: int = 0
    last_failure: str = ""
    waiting: int = 0
    open_runs: tuple[int, ...] = ()
    last_run_at: int | None = None
    last_outcome: str = ""
    created_by: str
    agent_id: str | None = None
    task_id: str | None = None
    created_at: int = 0
    updated_at: int = 0
    finished_at: int | None = None

    @property
    def when(self) -> Rule:
        """Its rule."""
        return Rule.from_stored(self.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleWork:
    """What a schedule starts, as it was sent: {"task": …} or {"tasks": […]}."""

    schedule_id: str
    starts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleName:
    """Names are given once."""

    name: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleLook:
    """When to look at a schedule, first ones first."""

    at: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOfAgent:
    """That an agent has made a schedule."""

    agent_id: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRun:
    """What became of one instant; the latest first. `rank` is its number below zero, `asked_by` who wanted it beside
    the plan.
    """

    schedule_id: str
    rank: int
    planned_at: int | None  # None beside the plan
    asked_by: str = ""
    noted_at: int
    outcome: RunOutcome
    code: str = ""
    message: str = ""
    started_at: int | None = None
    task_ids: tuple[str, ...] = ()
    status: str = ""  # of its tasks, once they were seen to have ended

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return -self.rank


SCHEDULES = Family("schedule", Schedule, key=("id",))
SCHEDULE_WORK = Family("schedule_work", ScheduleWork, key=("schedule_id",))
SCHEDULE_NAMES = Family("schedule_name", ScheduleName, key=("name",))
SCHEDULE_LOOKS = Family("schedule_look", ScheduleLook, key=("at", "id"))
SCHEDULES_OF_AGENT = Family("schedule_of_agent", ScheduleOfAgent, key=("agent_id", "id"))
SCHEDULE_RUNS = Family("schedule_run", ScheduleRun, key=("schedule_id", "rank"))


def look_of(schedule: Schedule, now: int) -> int | None:
    """When to look at it next: at its next instant, where a run waits now and then, where it is over to remove it."""
    if schedule.status is ScheduleStatus.FINISHED:
        return (schedule.finished_at or now) + KEPT_FINISHED
    if schedule.status is ScheduleStatus.PAUSED:
        return None
    if schedule.waiting:
        return now + WAITING_LOOK if schedule.next_at is None else min(schedule.next_at, now + WAITING_LOOK)
    return schedule.next_at


def put(desk: Desk, schedule: Schedule, *, before: Schedule | None) -> Schedule:
    """Keep a schedule as it is now, in the place of what it was `before`."""
    schedule = replace(schedule, look_at=look_of(schedule, desk.now), updated_at=desk.now)
    if before is not None and before.look_at is not None and before.look_at != schedule.look_at:
        desk.remove(SCHEDULE_LOOKS, before.look_at, before.id)
    if schedule.look_at is not None and (before is None or before.look_at != schedule.look_at):
        desk.add(SCHEDULE_LOOKS, [ScheduleLook(at=schedule.look_at, id=schedule.id)])
    desk.put(SCHEDULES, schedule)
    return schedule


def put_run(desk: Desk, run: ScheduleRun, *, is_new: bool) -> None:
    """Keep a run; a new one takes the place of the oldest that is kept."""
    if not is_new:
        desk.put(SCHEDULE_RUNS, run)
        return
    desk.add(SCHEDULE_RUNS, [run])
    if run.number > RUNS_KEPT:
        desk.remove(SCHEDULE_RUNS, run.schedule_id, run.rank + RUNS_KEPT)


def given_up(run: ScheduleRun, why: str) -> ScheduleRun:
    """A run that waited, and will not be."""
    return replace(run, outcome=RunOutcome.SKIPPED, code="givenUp", message=why)


def remove(desk: Desk, schedule: Schedule) -> None:
    """Take a schedule away, with its runs."""
    for run in desk.scan(SCHEDULE_RUNS, schedule.id, limit=2 * RUNS_KEPT):
        desk.remove(SCHEDULE_RUNS, run.schedule_id, run.rank)
    if schedule.look_at is not None:
        desk.remove(SCHEDULE_LOOKS, schedule.look_at, schedule.id)
    if schedule.agent_id is not None:
        desk.remove(SCHEDULES_OF_AGENT, schedule.agent_id, schedule.id)
    desk.remove(SCHEDULE_NAMES, schedule.name)
    desk.remove(SCHEDULE_WORK, schedule.id)
    desk.remove(SCHEDULES, schedule.id)


def told(event: str, schedule: Schedule, *, actor: str, **data: Any) -> Draft:
    """An event about a schedule."""
    return Draft(
        type=event,
        actor=actor,
        subject_kind="schedule",
        subject_id=schedule.id,
        data={"name": schedule.name, **data},
    )
