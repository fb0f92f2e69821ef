"""Operations on schedules: people and leads make and change them, the clock and people have them start something."""

from dataclasses import dataclass, replace
from typing import Any

from agent_swarm.domain.errors import AlreadyExists, CapReached, Conflict, NotFound
from agent_swarm.domain.schedules import PER_AGENT, ScheduleStatus, following
from agent_swarm.domain.time import to_wire
from agent_swarm.store.families.schedules import (
    SCHEDULE_NAMES,
    SCHEDULE_RUNS,
    SCHEDULE_WORK,
    SCHEDULES,
    SCHEDULES_OF_AGENT,
    Schedule,
    ScheduleName,
    ScheduleOfAgent,
    ScheduleWork,
    given_up,
    put,
    put_run,
    remove,
    told,
)
from agent_swarm.store.operations.base import Desk, Idempotency, RecordOperation


def unknown_schedule(named: str) -> NotFound:
    """No schedule has this id or name."""
    return NotFound(f"no schedule is called {named!r}", hint="see: agent-swarm schedule list")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSchedule(RecordOperation[Schedule]):
    """Add a schedule. Raises AlreadyExists where the name is taken, CapReached where an agent has many."""

    schedule: Schedule
    work: ScheduleWork
    idempotency: Idempotency | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        asked = self.idempotency
        once = (f"idempotency:{asked.subject}:{asked.route}:{asked.key}",) if asked else ()
        of_agent = (f"schedulesOf:{self.schedule.agent_id}",) if self.schedule.agent_id else ()
        return (f"scheduleName:{self.schedule.name}", *of_agent, *once)

    def carry_out(self, desk: Desk) -> Schedule:
        """The same request again is the schedule that it made."""
        earlier = desk.earlier(self.idempotency)
        if earlier is not None:
            found = desk.get(SCHEDULES, earlier[0])
            if found is None:
                raise unknown_schedule(self.schedule.name)
            return found
        new = self.schedule
        _require_free(desk, new.name)
        self._require_room(desk)
        new = replace(new, created_at=desk.now)
        desk.put(SCHEDULE_NAMES, ScheduleName(name=new.name, id=new.id))
        desk.put(SCHEDULE_WORK, self.work)
        if new.agent_id is not None:
            desk.put(SCHEDULES_OF_AGENT, ScheduleOfAgent(agent_id=new.agent_id, id=new.id))
        new = put(desk, new, before=None)
        desk.remember(self.idempotency, (new.id,))
        desk.say(told("schedule.created", new, actor=new.created_by, rule=new.when.words, **_next(new)))
        return new

    def _require_room(self, desk: Desk) -> None:
        agent_id = self.schedule.agent_id
        if agent_id is not None and len(desk.scan(SCHEDULES_OF_AGENT, agent_id, limit=PER_AGENT)) >= PER_AGENT:
            raise CapReached(
                f"an agent may have {PER_AGENT} schedules, and agent {agent_id!r} has as many",
                hint="remove one that is needed no more",
                details={"cap": "schedulesPerAgent", "limit": PER_AGENT, "of": agent_id},
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnSchedule(RecordOperation[Schedule]):
    """Something about one schedule, as far as it is the one that was looked at."""

    schedule_id: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"schedule:{self.schedule_id}",)

    def _found(self, desk: Desk) -> Schedule:
        found = desk.get(SCHEDULES, self.schedule_id)
        if found is None:
            raise unknown_schedule(self.schedule_id)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSchedule(_OnSchedule):
    """Put `changed` in the place of version `version`. Raises Conflict where somebody was faster, AlreadyExists.

    `changed` says what people can say; where it stands is kept.
    """

    version: int
    changed: Schedule
    work: ScheduleWork | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"schedule:{self.schedule_id}", f"scheduleName:{self.changed.name}")

    def carry_out(self, desk: Desk) -> Schedule:
        """Runs go on as they are; what comes next follows the new rule."""
        found, new = self._found(desk), self.changed
        if found.version != self.version:
            raise Conflict(
                f"schedule {found.name!r} has version {found.version}, expected {self.version}: somebody changed it",
                hint="read it again and decide anew",
                details={"version": found.version, "expected": self.version},
            )
        if new.name != found.name:
            _require_free(desk, new.name)
            desk.remove(SCHEDULE_NAMES, found.name)
            desk.put(SCHEDULE_NAMES, ScheduleName(name=new.name, id=found.id))
        next_at = self._next_at(found, desk.now)
        is_over = next_at is None or (new.max_runs is not None and found.started >= new.max_runs)
        was_over = found.status is ScheduleStatus.FINISHED
        status = ScheduleStatus.FINISHED if is_over else ScheduleStatus.ACTIVE if was_over else found.status
        after = replace(
            found,
            name=new.name,
            description=new.description,
            rule=new.rule,
            missed=new.missed,
            overlap=new.overlap,
            max_failures=new.max_failures,
            max_runs=new.max_runs,
            until=new.until,
            next_at=next_at if status is not ScheduleStatus.FINISHED else None,
            status=status,
            finished_at=desk.now if status is ScheduleStatus.FINISHED else None,
            version=found.version + 1,
        )
        if self.work is not None:
            desk.put(SCHEDULE_WORK, self.work)
        after = put(desk, after, before=found)
        desk.say(told("schedule.changed", after, actor=self.actor, rule=after.when.words, **_next(after)))
        return after

    def _next_at(self, found: Schedule, now: int) -> int | None:
        """What is next stays, also where it is due; by another rule it is to come, so that nothing runs twice."""
        new = self.changed
        stays = new.rule == found.rule and found.next_at is not None
        if stays and (new.until is None or (found.next_at or 0) <= new.until):
            return found.next_at
        return following(new.when, now, new.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSchedule(_OnSchedule):
    """Start nothing until it is resumed; a run that waits is given up. Raises Conflict where no run is left."""

    def carry_out(self, desk: Desk) -> Schedule:
        """Once more is fine."""
        found = self._found(desk)
        if found.status is ScheduleStatus.PAUSED:
            return found
        _require_unfinished(found, "paused")
        waiting = desk.get(SCHEDULE_RUNS, found.id, -found.waiting) if found.waiting else None
        if waiting is not None:
            put_run(desk, given_up(waiting, "the schedule was paused"), is_new=False)
        paused = replace(found, status=ScheduleStatus.PAUSED, pause_reason="person", waiting=0)
        paused = put(desk, paused, before=found)
        desk.say(told("schedule.paused", paused, actor=self.actor, reason="person"))
        return paused


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeSchedule(_OnSchedule):
    """Go on with the next instant from now on: what passed meanwhile was not missed. Raises Conflict."""

    def carry_out(self, desk: Desk) -> Schedule:
        """Once more is fine. Failures are counted anew."""
        found = self._found(desk)
        if found.status is ScheduleStatus.ACTIVE:
            return found
        _require_unfinished(found, "resumed")
        next_at = following(found.when, desk.now, found.until)
        is_over = next_at is None
        resumed = replace(
            found,
            status=ScheduleStatus.FINISHED if is_over else ScheduleStatus.ACTIVE,
            finished_at=desk.now if is_over else None,
            pause_reason="",
            failures=0,
            next_at=next_at,
        )
        resumed = put(desk, resumed, before=found)
        event = "schedule.finished" if is_over else "schedule.resumed"
        desk.say(told(event, resumed, actor=self.actor, **_next(resumed)))
        return resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSchedule(_OnSchedule):
    """Take a schedule away; what it has started goes on."""

    def carry_out(self, desk: Desk) -> Schedule:
        """Its runs are forgotten, the events stay."""
        found = self._found(desk)
        remove(desk, found)
        desk.say(told("schedule.removed", found, actor=self.actor, reason="person"))
        return found


def _require_free(desk: Desk, name: str) -> None:
    taken = desk.get(SCHEDULE_NAMES, name)
    if taken is not None:
        raise AlreadyExists(
            f"a schedule is called {name!r} already",
            hint="choose another name, or change that one",
            details={"scheduleId": taken.id, "name": name},
        )


def _require_unfinished(schedule: Schedule, done: str) -> None:
    if schedule.status is ScheduleStatus.FINISHED:
        raise Conflict(
            f"schedule {schedule.name!r} has no run left and cannot be {done}",
            hint="give it another rule, or another end",
            details={"status": schedule.status.value},
        )


def _next(schedule: Schedule) -> dict[str, Any]:
    return {} if schedule.next_at is None else {"nextAt": to_wire(schedule.next_at)}
