"""Schedules fire once per instant, on every store, whoever comes second and whatever was asked for meanwhile."""

from dataclasses import replace
from typing import Any

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.caps import Caps
from agent_swarm.domain.errors import AlreadyExists, CapReached, Conflict, IdempotencyMismatch, Killed, NotFound
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.schedules import (
    KEPT_FINISHED,
    PER_AGENT,
    RUNS_KEPT,
    Missed,
    Overlap,
    RunOutcome,
    ScheduleStatus,
    following,
    interval_rule,
    once_rule,
)
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.families.family import Family
from agent_swarm.store.families.schedules import (
    SCHEDULE_LOOKS,
    SCHEDULE_NAMES,
    SCHEDULE_RUNS,
    SCHEDULE_WORK,
    SCHEDULES,
    Schedule,
    ScheduleRun,
    ScheduleWork,
)
from agent_swarm.store.operations import Asked, Capped, Fired, FireSchedule, Idempotency, NewTask, Problem
from agent_swarm.store.records import TaskSpec
from agent_swarm.store.scheduling import (
    ChangeSchedule,
    CreateSchedule,
    PauseSchedule,
    RemoveSchedule,
    ResumeSchedule,
)
from agent_swarm.testing.driver import START, Driver

MINUTE = 60
EVERY_MINUTE = interval_rule(MINUTE, START)
FAMILIES: tuple[Family[Any], ...] = (SCHEDULES, SCHEDULE_WORK, SCHEDULE_NAMES, SCHEDULE_LOOKS, SCHEDULE_RUNS)


def creation(name: str = "nightly", **fields: Any) -> CreateSchedule:
    """A schedule of every minute, unless said otherwise."""
    rule = fields.pop("when", EVERY_MINUTE)
    plan = {
        "id": new_id(),
        "name": name,
        "description": "",
        "rule": rule.stored(),
        "missed": Missed.LATEST,
        "overlap": Overlap.ALLOW,
        "max_failures": 5,
        "max_runs": None,
        "until": None,
        "status": ScheduleStatus.ACTIVE,
        "next_at": following(rule, START, fields.get("until")),
        "created_by": "operator",
    }
    schedule = Schedule(**{**plan, **fields})
    work = ScheduleWork(schedule_id=schedule.id, starts={"task": {"prompt": "p"}})
    return CreateSchedule(schedule=schedule, work=work)


def made(swarm: Driver, name: str = "nightly", **fields: Any) -> Schedule:
    schedule: Schedule = swarm.do(creation(name, **fields))
    return schedule


def firing(schedule: Schedule, **fields: Any) -> FireSchedule:
    """What a server sends that has read the schedule."""
    new = NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p", created_by=schedule.created_by))
    plan = {"schedule_id": schedule.id, "version": schedule.version, "tasks": (new,)}
    return FireSchedule(**{**plan, **fields})


def fire(swarm: Driver, schedule: Schedule, **fields: Any) -> Fired:
    fired: Fired = swarm.do(firing(schedule, **fields))
    return fired


def kept(swarm: Driver, schedule: Schedule) -> Schedule:
    found = swarm.engine.read(lambda queries: queries.record(SCHEDULES, schedule.id))
    assert found is not None
    return found


def runs(swarm: Driver, schedule: Schedule) -> list[ScheduleRun]:
    """The latest first."""
    return swarm.engine.read(lambda queries: queries.scan(SCHEDULE_RUNS, schedule.id, limit=200))


def all_of(swarm: Driver, family: Family[Any]) -> list[Any]:
    return swarm.engine.read(lambda queries: queries.scan(family, limit=9))


def told(swarm: Driver) -> list[str]:
    events = swarm.engine.read(lambda queries: queries.events_after(0, limit=10_000))
    return [event.type for event in events if event.subject_kind == "schedule"]


def tasks(swarm: Driver) -> int:
    return sum(swarm.engine.read(lambda queries: queries.counts()).values())


def end(swarm: Driver, task_id: str) -> None:
    """Nobody wants a task any more."""
    swarm.do(ops.TaskCommand(command=commands.Cancel(task_id=task_id), actor="operator"))


def test_given_an_instant_that_is_due_when_two_servers_fire_it_then_one_task_is_made(swarm: Driver) -> None:
    schedule = made(swarm)
    assert fire(swarm, schedule) == Fired()
    swarm.advance(MINUTE)
    first, second = fire(swarm, schedule), fire(swarm, schedule)
    assert first.run is not None
    assert (first.run.outcome, first.run.planned_at) == (RunOutcome.STARTED, START + MINUTE * SECOND)
    assert second == Fired()
    assert tasks(swarm) == 1
    (task,) = swarm.engine.read(lambda queries: queries.tasks(first.run.task_ids if first.run else ()))
    assert (task.spec.schedule_id, task.spec.planned_at) == (schedule.id, START + MINUTE * SECOND)
    assert kept(swarm, schedule).next_at == START + 2 * MINUTE * SECOND
    assert told(swarm) == ["schedule.created", "schedule.fired"]


def test_given_a_schedule_that_was_changed_or_removed_when_the_old_one_is_fired_then_nothing_happens(
    swarm: Driver,
) -> None:
    schedule = made(swarm)
    swarm.advance(MINUTE)
    slower = replace(schedule, rule=interval_rule(3600, START).stored(), next_at=START + 3600 * SECOND)
    changed = swarm.do(ChangeSchedule(schedule_id=schedule.id, actor="operator", version=1, changed=slower))
    assert fire(swarm, schedule).is_stale
    assert fire(swarm, changed) == Fired()
    with pytest.raises(Conflict, match="version 2, expected 1"):
        swarm.do(ChangeSchedule(schedule_id=schedule.id, actor="operator", version=1, changed=slower))
    swarm.do(RemoveSchedule(schedule_id=schedule.id, actor="operator"))
    assert fire(swarm, changed).is_stale
    assert tasks(swarm) == 0
    for family in FAMILIES:
        assert all_of(swarm, family) == []
    with pytest.raises(NotFound):
        swarm.do(PauseSchedule(schedule_id=schedule.id, actor="operator"))


@pytest.mark.parametrize(
    ("missed", "made_up", "told_of"), [(Missed.SKIP, 0, 5), (Missed.LATEST, 1, 4), (Missed.ALL, 5, 0)]
)
def test_given_instants_that_passed_when_the_clock_leaps_then_the_policy_says_how_many_run(
    swarm: Driver, missed: Missed, made_up: int, told_of: int
) -> None:
    schedule = made(swarm, missed=missed, when=interval_rule(600, START))
    swarm.advance(5 * 600 + 61)
    for _ in range(7):
        fired = fire(swarm, schedule)
        if not fired.has_more:
            break
    assert tasks(swarm) == made_up
    assert kept(swarm, schedule).next_at == START + 3600 * SECOND
    counted = [
        event.data["count"]
        for event in swarm.engine.read(lambda queries: queries.events_after(0, limit=100))
        if event.type == "schedule.missed"
    ]
    assert sum(counted) == told_of
    assert len({run.planned_at for run in runs(swarm, schedule)}) == made_up


@pytest.mark.parametrize("policy", Overlap)
def test_given_an_open_run_when_the_next_is_due_then_the_policy_says_whether_it_begins(
    swarm: Driver, policy: Overlap
) -> None:
    schedule = made(swarm, overlap=policy)
    outcomes = []
    for _ in range(3):
        swarm.advance(MINUTE)
        fired = fire(swarm, schedule)
        assert fired.run is not None
        outcomes.append(fired.run.outcome.value)
    expected = {
        Overlap.SKIP: ["started", "skipped", "skipped"],
        Overlap.QUEUE: ["started", "queued", "skipped"],
        Overlap.ALLOW: ["started"] * 3,
    }[policy]
    assert outcomes == expected
    swarm.advance(10)
    assert fire(swarm, schedule).run is None  # nothing has ended, and no instant has come
    first = runs(swarm, schedule)[-1]
    end(swarm, first.task_ids[0])
    swarm.advance(20)
    waited = fire(swarm, schedule)
    if policy is Overlap.QUEUE:
        assert waited.run is not None
        assert (waited.run.number, waited.run.outcome) == (2, RunOutcome.STARTED)
        assert runs(swarm, schedule)[-1].status == "cancelled"
    else:
        assert waited.run is None


def test_given_what_does_not_fit_any_more_when_it_is_due_then_runs_fail_until_the_schedule_pauses_itself(
    swarm: Driver,
) -> None:
    schedule = made(swarm, max_failures=3)
    problem = Problem(code="unknownReference", message="project names project 'shop', which does not exist")
    for number in range(1, 4):
        swarm.advance(MINUTE)
        fired = fire(swarm, schedule, tasks=(), problem=problem)
        assert fired.run is not None
        assert (fired.run.outcome, fired.run.code) == (RunOutcome.FAILED, "unknownReference")
        assert kept(swarm, schedule).failures == number
    assert kept(swarm, schedule).status is ScheduleStatus.PAUSED
    swarm.advance(MINUTE)
    assert fire(swarm, schedule) == Fired()
    assert told(swarm)[-2:] == ["schedule.failed", "schedule.paused"]
    resumed = swarm.do(ResumeSchedule(schedule_id=schedule.id, actor="operator"))
    assert (resumed.failures, resumed.next_at) == (0, swarm.now + MINUTE * SECOND)
    assert tasks(swarm) == 0


def test_given_runs_whose_tasks_fail_when_the_next_is_due_then_they_count_and_one_that_is_completed_ends_the_row(
    swarm: Driver,
) -> None:
    schedule = made(swarm, max_failures=2)
    ada = swarm.register()

    def another(*, well: bool) -> None:
        swarm.advance(MINUTE)
        fire(swarm, schedule)
        held = swarm.take(ada)
        if well:
            swarm.complete(held)
        else:
            swarm.fail(held, FailureClass.POLICY)

    another(well=False)
    another(well=True)
    another(well=False)
    swarm.advance(MINUTE)
    assert fire(swarm, schedule).run is not None
    assert kept(swarm, schedule).failures == 1
    swarm.fail(swarm.take(ada), FailureClass.POLICY)
    swarm.advance(MINUTE)
    assert fire(swarm, schedule).run is None
    assert kept(swarm, schedule).pause_reason == "failures"


def test_given_a_cap_that_is_reached_when_a_schedule_of_an_agent_fires_then_its_run_fails_and_nothing_is_made(
    swarm: Driver,
) -> None:
    ada, parent = swarm.register(), swarm.file()
    schedule = made(swarm, created_by=f"agent:{ada}", agent_id=ada, task_id=parent)
    below = TaskSpec(
        id=new_id(), title="t", prompt="p", created_by=f"agent:{ada}", parent_id=parent, root_id=parent, depth=1
    )
    for caps, outcome in ((Caps(children=1), "started"), (Caps(children=1), "failed"), (Caps(depth=0), "failed")):
        swarm.advance(MINUTE)
        new = NewTask(spec=replace(below, id=new_id()))
        fired = fire(swarm, schedule, tasks=(new,), capped=Capped(agent_id=ada, caps=caps))
        assert fired.run is not None
        assert fired.run.outcome == outcome
    assert runs(swarm, schedule)[0].code == "capReached"
    assert tasks(swarm) == 2


def test_given_the_kill_switch_when_an_instant_is_due_then_nothing_fires_until_it_is_lifted(swarm: Driver) -> None:
    schedule = made(swarm)
    swarm.kill()
    swarm.advance(MINUTE)
    assert fire(swarm, schedule) == Fired(is_held=True)
    with pytest.raises(Killed):
        fire(swarm, schedule, asked=Asked(by="operator"))
    swarm.advance(2 * MINUTE)
    swarm.lift()
    fired = fire(swarm, schedule)
    assert fired.run is not None
    assert fired.run.planned_at == START + 3 * MINUTE * SECOND
    assert tasks(swarm) == 1


def test_given_the_kill_switch_of_a_swarm_when_an_instant_is_due_then_what_is_filed_in_it_waits_and_nothing_failed(
    swarm: Driver,
) -> None:
    schedule, other = made(swarm), made(swarm, "other")
    swarm_id = swarm.create_swarm()
    spec = TaskSpec(id=new_id(), title="t", prompt="p", requires=Requirements(swarm_id=swarm_id))
    swarm.kill(swarm_id)
    swarm.advance(MINUTE)
    assert fire(swarm, schedule, tasks=(NewTask(spec=spec),)) == Fired(is_held_alone=True)
    with pytest.raises(Killed):
        fire(swarm, schedule, tasks=(NewTask(spec=spec),), asked=Asked(by="operator"))
    assert fire(swarm, other).run is not None
    assert kept(swarm, schedule).failures == 0
    swarm.lift(swarm_id)
    assert fire(swarm, schedule, tasks=(NewTask(spec=spec),)).run is not None


def test_given_a_run_that_is_asked_for_when_it_is_asked_twice_then_it_starts_once_beside_the_plan(
    swarm: Driver,
) -> None:
    schedule = made(swarm, overlap=Overlap.SKIP)
    once = Idempotency(subject="operator", route="run", key="k", body_hash="h")
    first = fire(swarm, schedule, asked=Asked(by="operator", idempotency=once))
    again = fire(swarm, schedule, asked=Asked(by="operator", idempotency=once))
    assert (again.run, again.is_replayed) == (first.run, True)
    with pytest.raises(IdempotencyMismatch):
        fire(swarm, schedule, asked=Asked(by="operator", idempotency=replace(once, body_hash="other")))
    with pytest.raises(Conflict, match="must not overlap"):
        fire(swarm, schedule, asked=Asked(by="operator"))
    assert (tasks(swarm), kept(swarm, schedule).next_at, kept(swarm, schedule).started) == (
        1,
        START + MINUTE * SECOND,
        0,
    )


def test_given_an_end_when_it_is_reached_then_the_schedule_is_finished_and_goes_away_later(swarm: Driver) -> None:
    once = made(swarm, "once", when=once_rule(START + SECOND))
    twice = made(swarm, "twice", max_runs=2)
    until = made(swarm, "until", until=START + 150 * SECOND)
    for _ in range(4):
        swarm.advance(MINUTE)
        for schedule in (once, twice, until):
            fire(swarm, schedule)
    for schedule, number in ((once, 1), (twice, 2), (until, 2)):
        assert kept(swarm, schedule).started == number
        assert kept(swarm, schedule).status is ScheduleStatus.FINISHED
        with pytest.raises(Conflict):
            swarm.do(ResumeSchedule(schedule_id=schedule.id, actor="operator"))
    swarm.advance(KEPT_FINISHED / SECOND)
    for schedule in (once, twice, until):
        fire(swarm, schedule)
    assert all_of(swarm, SCHEDULES) == []


def test_given_a_pause_when_it_is_resumed_then_what_passed_meanwhile_was_not_missed(swarm: Driver) -> None:
    schedule = made(swarm, overlap=Overlap.QUEUE)
    for _ in range(2):
        swarm.advance(MINUTE)
        fire(swarm, schedule)
    for _ in range(2):
        swarm.do(PauseSchedule(schedule_id=schedule.id, actor="operator"))
    assert runs(swarm, schedule)[0].code == "givenUp"
    swarm.advance(10 * MINUTE)
    assert fire(swarm, schedule) == Fired()
    for _ in range(2):
        swarm.do(ResumeSchedule(schedule_id=schedule.id, actor="operator"))
    assert fire(swarm, schedule).run is None
    assert kept(swarm, schedule).next_at == START + 13 * MINUTE * SECOND
    assert told(swarm).count("schedule.paused") == told(swarm).count("schedule.resumed") == 1


def test_given_a_name_that_is_taken_or_an_agent_with_many_when_one_is_added_then_it_is_refused(swarm: Driver) -> None:
    made(swarm)
    with pytest.raises(AlreadyExists):
        made(swarm)
    ada = swarm.register()
    for number in range(PER_AGENT):
        made(swarm, f"of-ada-{number}", agent_id=ada, created_by=f"agent:{ada}")
    with pytest.raises(CapReached):
        made(swarm, "one-more", agent_id=ada, created_by=f"agent:{ada}")


def test_given_many_runs_when_one_more_is_noted_then_the_latest_are_kept(swarm: Driver) -> None:
    schedule = made(swarm)
    for _ in range(RUNS_KEPT + 3):
        swarm.advance(MINUTE)
        fire(swarm, schedule)
    numbers = [run.number for run in runs(swarm, schedule)]
    assert numbers == list(range(RUNS_KEPT + 3, 3, -1))
