"""A schedule starts something: exactly once per instant, in the transaction in which its tasks are made.

The schedule's row is locked first. Whoever comes second, another server or the same one after a lost answer, finds the
next instant moved and does nothing. A refusal of what is to be started is kept as a failed run: it never stops the
clock of others.
"""

from dataclasses import dataclass, field, replace

from agent_swarm.domain.errors import Conflict, SwarmError
from agent_swarm.domain.kill_switch import NO_AGENT, SwitchScope, refusal, stopping
from agent_swarm.domain.schedules import (
    MISSED_MAX,
    RUNS_KEPT,
    Plan,
    RunOutcome,
    RunStatus,
    ScheduleStatus,
    overlap,
    plan_of,
)
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import to_wire
from agent_swarm.domain.values import changed
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.tasks import create_tasks
from agent_swarm.store.applying.work import Work
from agent_swarm.store.events import SYSTEM, Draft
from agent_swarm.store.families.schedules import (
    SCHEDULE_RUNS,
    SCHEDULES,
    Schedule,
    ScheduleRun,
    given_up,
    put,
    put_run,
    remove,
    told,
)
from agent_swarm.store.operations.schedules import Fired, FireSchedule, Problem

_SETTLED_AT_ONCE = 10  # runs whose tasks are looked at; where runs may overlap there can be many
_MESSAGE_CHARS = 500


@dataclass(slots=True)
class _Desk:
    """One firing: the schedule as it will be, what is to be kept and told. Nothing is written before all is decided."""

    work: Work
    op: FireSchedule
    before: Schedule
    now: Schedule
    runs: dict[int, tuple[ScheduleRun, bool]] = field(default_factory=dict)  # by number; whether it is new
    drafts: list[Draft] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether tasks of an earlier run are open, as far as was looked."""
        return bool(self.now.open_runs)

    def change(self, **fields: object) -> None:
        """Have the schedule be different."""
        self.now = replace(self.now, **fields)  # type: ignore[arg-type]  # fields of a Schedule

    def keep(self, run: ScheduleRun, *, is_new: bool) -> ScheduleRun:
        """Keep a run."""
        self.runs[run.number] = (run, is_new)
        return run

    def say(self, event: str, **data: object) -> None:
        """Have an event."""
        self.drafts.append(told(event, self.now, actor=self.op.asked.by if self.op.asked else SYSTEM, **data))

    def write(self) -> None:
        """Write all of it."""
        for run, is_new in self.runs.values():
            put_run(self.work, run, is_new=is_new)
        if self.now != self.before:
            put(self.work, self.now, before=self.before)
        for draft in self.drafts:
            self.work.say(draft)


def fire(work: Work, op: FireSchedule) -> Fired:
    """Do what is due, once."""
    earlier = work.earlier(op.idempotency)
    if earlier is not None:
        return Fired(run=work.get(SCHEDULE_RUNS, op.schedule_id, -int(earlier[0])), is_replayed=True)
    found = work.get(SCHEDULES, op.schedule_id)
    if found is None or found.version != op.version:
        return Fired(is_stale=True)
    killed = stopping(work.rows.killed(), NO_AGENT, *op.swarms)
    if killed is not None:
        if op.asked:
            raise refusal(killed)
        is_for_all = killed.scope is SwitchScope.ALL
        return Fired(is_held=is_for_all, is_held_alone=not is_for_all)
    if op.asked is None and (found.look_at is None or found.look_at > work.now):
        return Fired()
    if found.status is ScheduleStatus.FINISHED and op.asked is None:
        remove(work, found)
        work.say(told("schedule.removed", found, actor=SYSTEM, reason="finished"))
        return Fired()
    desk = _Desk(work, op, found, found)
    _settle(desk)
    fired = _start_asked(desk) if op.asked else _carry_on(desk)
    desk.write()
    return fired


def _settle(desk: _Desk) -> None:
    """See which of the earlier runs have ended by now, and how; failures in a row are counted here."""
    work, schedule = desk.work, desk.now
    looked_at = {
        number: work.get(SCHEDULE_RUNS, schedule.id, -number) for number in schedule.open_runs[:_SETTLED_AT_ONCE]
    }
    work.rows.prefetch(tasks={task_id for run in looked_at.values() if run is not None for task_id in run.task_ids})
    still_open = []
    for number, run in looked_at.items():
        status = _status_of(work, run) if run is not None else RunStatus.CANCELLED
        if status is RunStatus.OPEN:
            still_open.append(number)
        elif run is not None:
            desk.keep(replace(run, status=status.value), is_new=False)
            _count(desk, status, f"run {run.number}: a task of it failed")
    desk.change(open_runs=(*still_open, *schedule.open_runs[_SETTLED_AT_ONCE:]))


def _status_of(work: Work, run: ScheduleRun) -> RunStatus:
    entries = [entry for task_id in run.task_ids if (entry := work.rows.entry(task_id)) is not None]
    statuses = {entry.state.status for entry in entries}
    if any(not entry.state.is_terminal for entry in entries):
        return RunStatus.OPEN
    if TaskStatus.FAILED in statuses:
        return RunStatus.FAILED
    return RunStatus.CANCELLED if TaskStatus.CANCELLED in statuses else RunStatus.COMPLETED


def _count(desk: _Desk, status: RunStatus, failure: str) -> None:
    if status is RunStatus.FAILED:
        desk.change(failures=desk.now.failures + 1, last_failure=failure[:_MESSAGE_CHARS])
    elif status is RunStatus.COMPLETED:
        desk.change(failures=0, last_failure="")


def _carry_on(desk: _Desk) -> Fired:
    """What the clock says: a run that waited, else the instants that are due."""
    if _pauses_itself(desk):
        return Fired()
    schedule, now = desk.now, desk.work.now
    if schedule.waiting and not desk.is_open:
        return _start_waiting(desk)
    if schedule.next_at is None or schedule.next_at > now:
        return Fired()
    plan = plan_of(schedule.when, schedule.missed, next_at=schedule.next_at, until=schedule.until, now=now)
    _note_missed(desk, plan)
    desk.change(next_at=plan.next_at)
    run = None if plan.runs is None else _run(desk, plan.runs)
    _finish_if_over(desk)
    _pauses_itself(desk)
    began = run is not None and run.outcome is RunOutcome.STARTED
    has_more = desk.now.status is ScheduleStatus.ACTIVE and desk.now.next_at is not None and desk.now.next_at <= now
    return Fired(run=run, has_more=has_more, lateness=now - plan.runs if began and plan.runs is not None else None)


def _start_waiting(desk: _Desk) -> Fired:
    schedule, now = desk.now, desk.work.now
    waiting = desk.work.get(SCHEDULE_RUNS, schedule.id, -schedule.waiting)
    desk.change(waiting=0)
    run = None if waiting is None else _start(desk, waiting, is_new=False)
    _finish_if_over(desk)
    _pauses_itself(desk)
    has_more = desk.now.status is ScheduleStatus.ACTIVE and desk.now.next_at is not None and desk.now.next_at <= now
    planned_at = None if run is None else run.planned_at
    return Fired(run=run, has_more=has_more, lateness=None if planned_at is None else now - planned_at)


def _start_asked(desk: _Desk) -> Fired:
    """Beside the plan: next instant and end stay as they are. Raises Conflict where it would overlap."""
    schedule = desk.now
    nobody_looks = schedule.status is not ScheduleStatus.ACTIVE  # a run that waits would wait for ever
    outcome = overlap(schedule.overlap, is_open=desk.is_open, one_waits=schedule.waiting > 0 or nobody_looks)
    if outcome is RunOutcome.SKIPPED:
        raise Conflict(
            f"tasks of an earlier run of schedule {schedule.name!r} are open, and its runs must not overlap",
            hint="let them end, cancel them, or set overlap to allow",
            details={"openRuns": list(schedule.open_runs)},
        )
    run = _run(desk, None)
    desk.work.remember(desk.op.idempotency, (str(run.number),))
    return Fired(run=run)


def _run(desk: _Desk, planned_at: int | None) -> ScheduleRun:
    """What becomes of one instant, or of a run that is asked for."""
    schedule = desk.now
    desk.change(runs=schedule.runs + 1)
    run = ScheduleRun(
        schedule_id=schedule.id,
        rank=-desk.now.runs,
        planned_at=planned_at,
        asked_by=desk.op.asked.by if desk.op.asked else "",
        noted_at=desk.work.now,
        outcome=overlap(schedule.overlap, is_open=desk.is_open, one_waits=schedule.waiting > 0),
    )
    if run.outcome is RunOutcome.STARTED:
        return _start(desk, run, is_new=True)
    desk.change(last_run_at=desk.work.now, last_outcome=run.outcome.value)
    about = _about(run)
    if run.outcome is RunOutcome.QUEUED:
        desk.change(waiting=run.number)
        desk.say("schedule.queued", **about)
        return desk.keep(run, is_new=True)
    desk.say("schedule.skipped", **about, reason="overlap")
    why = "tasks of an earlier run are open" + (", and one waits already" if schedule.waiting else "")
    return desk.keep(replace(run, code="overlap", message=why), is_new=True)


def _start(desk: _Desk, run: ScheduleRun, *, is_new: bool) -> ScheduleRun:
    """Make the tasks of a run, or keep why they cannot be made; whoever asks for a run gets the refusal instead."""
    problem = desk.op.problem
    made: tuple[str, ...] = ()
    if problem is None:
        try:
            made = _make(desk, run)
        except SwarmError as refused:
            if desk.op.asked:
                raise
            problem = Problem(code=refused.code, message=refused.message)
    about = _about(run)
    desk.change(last_run_at=desk.work.now)
    if problem is not None:
        message = problem.message[:_MESSAGE_CHARS]
        desk.change(last_outcome=RunOutcome.FAILED.value)
        _count(desk, RunStatus.FAILED, message)
        desk.say("schedule.failed", **about, code=problem.code, message=message)
        return desk.keep(replace(run, outcome=RunOutcome.FAILED, code=problem.code, message=message), is_new=is_new)
    by_plan = 0 if run.asked_by else 1
    desk.change(
        started=desk.now.started + by_plan,
        open_runs=(*desk.now.open_runs, run.number)[-RUNS_KEPT:],
        last_outcome=RunOutcome.STARTED.value,
    )
    desk.say("schedule.fired", **about, tasks=len(made), taskIds=list(made[:20]))
    return desk.keep(replace(run, outcome=RunOutcome.STARTED, started_at=desk.work.now, task_ids=made), is_new=is_new)


def _about(run: ScheduleRun) -> dict[str, object]:
    planned = {} if run.planned_at is None else {"plannedAt": to_wire(run.planned_at)}
    return {"run": run.number, **planned}


def _make(desk: _Desk, run: ScheduleRun) -> tuple[str, ...]:
    schedule = desk.now
    tasks = tuple(
        replace(new, spec=changed(new.spec, schedule_id=schedule.id, planned_at=run.planned_at))
        for new in desk.op.tasks
    )
    create = ops.CreateTasks(tasks=tasks, actor=schedule.created_by, capped=desk.op.capped)
    return create_tasks(desk.work, create).task_ids


def _note_missed(desk: _Desk, plan: Plan) -> None:
    if plan.missed and plan.first_missed is not None and plan.last_missed is not None:
        desk.say(
            "schedule.missed",
            count=min(plan.missed, MISSED_MAX),
            more=plan.missed > MISSED_MAX,
            first=to_wire(plan.first_missed),
            last=to_wire(plan.last_missed),
        )


def _pauses_itself(desk: _Desk) -> bool:
    """After so many failures in a row; whether it is paused now."""
    schedule = desk.now
    if schedule.status is ScheduleStatus.ACTIVE and 0 < schedule.max_failures <= schedule.failures:
        if schedule.waiting and (run := desk.work.get(SCHEDULE_RUNS, schedule.id, -schedule.waiting)) is not None:
            desk.keep(given_up(run, "the schedule paused itself"), is_new=False)
        desk.change(status=ScheduleStatus.PAUSED, pause_reason="failures", waiting=0)
        desk.say("schedule.paused", reason="failures", failures=schedule.failures, message=schedule.last_failure)
    return desk.now.status is ScheduleStatus.PAUSED


def _finish_if_over(desk: _Desk) -> None:
    schedule = desk.now
    is_over = schedule.next_at is None or (schedule.max_runs is not None and schedule.started >= schedule.max_runs)
    if is_over and not schedule.waiting and schedule.status is ScheduleStatus.ACTIVE:
        desk.change(status=ScheduleStatus.FINISHED, finished_at=desk.work.now, next_at=None)
        desk.say("schedule.finished", runs=schedule.started)
