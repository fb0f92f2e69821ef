"""Schedules: people and leads have work started by the clock.

A schedule of an agent is what the agent might file itself: below its own task, within its caps and its profile, each
time anew. An agent sees and changes those that its agent has made, people all of them.
"""

from dataclasses import replace
from typing import Any

from agent_swarm.domain import schedules as domain
from agent_swarm.domain.errors import Conflict, InvalidInput
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.domain.kill_switch import NO_AGENT, stopping
from agent_swarm.domain.schedules import Rule, ScheduleStatus, following
from agent_swarm.domain.time import from_wire, to_wire
from agent_swarm.protocol import rest_schedules as rest
from agent_swarm.protocol.rest_explain import Reason
from agent_swarm.services import cursors, schedule_views
from agent_swarm.services.firing import filing, firing_of, maker_of, starts_of
from agent_swarm.services.tasks import Rules
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.services.workflow_starting import read, require_allowed
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.schedules import (
    SCHEDULE_NAMES,
    SCHEDULE_RUNS,
    SCHEDULE_WORK,
    SCHEDULES,
    SCHEDULES_OF_AGENT,
    Schedule,
    ScheduleWork,
)
from agent_swarm.store.families.switches import killed_switches
from agent_swarm.store.operations import Asked, Fired, Idempotency
from agent_swarm.store.records import TokenKind
from agent_swarm.store.scheduling import (
    ChangeSchedule,
    CreateSchedule,
    PauseSchedule,
    RemoveSchedule,
    ResumeSchedule,
    unknown_schedule,
)

_TRIES = 5  # at a run of a schedule that others change meanwhile
_RULE_FIELDS = frozenset({"cron", "time_zone", "every_seconds", "start_at", "at"})


class Schedules:
    """The schedules of one store."""

    def __init__(self, store: Store, rules: Rules) -> None:
        self._store = store
        self._rules = rules

    async def create(
        self, wanted: rest.ScheduleInput, *, by: Identity, once: Idempotency | None = None
    ) -> rest.ScheduleDetail:
        """Add a schedule. Raises InvalidInput, AlreadyExists, CapReached, and what filing its work now would raise."""
        now = self._store.now()
        starts = starts_of(wanted.task, wanted.tasks, wanted.workflow)
        await self._store.read(lambda queries: filing(queries, starts, by=by, rules=self._rules))
        rule, until = rule_of(wanted, now), _instant(wanted.until, "until")
        schedule = Schedule(
            id=new_id(),
            name=wanted.name,
            description=wanted.description,
            rule=rule.stored(),
            missed=wanted.missed,
            overlap=wanted.overlap,
            max_failures=wanted.max_failures,
            max_runs=wanted.max_runs,
            until=until,
            status=ScheduleStatus.PAUSED if wanted.paused else ScheduleStatus.ACTIVE,
            pause_reason="person" if wanted.paused else "",
            next_at=_first(rule, now, until),
            created_by=by.actor,
            agent_id=by.agent_id if by.task_id else None,
            task_id=by.task_id,
        )
        work = ScheduleWork(schedule_id=schedule.id, starts=starts)
        made = await self._store.apply(CreateSchedule(schedule=schedule, work=work, idempotency=once))
        return await self.get(made.id, by=by)

    async def get(self, named: str, *, by: Identity) -> rest.ScheduleDetail:
        """A schedule, by its id or name. Raises NotFound, also for that of another agent."""
        with_paths = by.may(Scope.TRIGGERS_WRITE)

        def reading(queries: Queries) -> rest.ScheduleDetail:
            found = _visible(queries, named, by)
            return schedule_views.whole(found, queries.record(SCHEDULE_WORK, found.id), with_paths=with_paths)

        return await self._store.read(reading)

    async def page(self, *, cursor: str | None, limit: int, by: Identity) -> rest.ScheduleList:
        """A page of the schedules, by name; of an agent its own."""
        if by.kind is TokenKind.ATTEMPT:
            found = await self._store.read(lambda queries: _of_agent(queries, by.agent_id or ""))
            return rest.ScheduleList(schedules=[schedule_views.shown(one) for one in found], next_cursor=None)
        after = cursors.read_words(cursor, 1)

        def reading(queries: Queries) -> tuple[list[Schedule], str | None]:
            names = queries.scan(SCHEDULE_NAMES, after=after, limit=limit + 1)
            page, following_ = cursors.page(names, limit, lambda one: cursors.after_words(one.name))
            kept = [queries.record(SCHEDULES, one.id) for one in page]
            return [one for one in kept if one is not None], following_

        shown, next_cursor = await self._store.read(reading)
        return rest.ScheduleList(schedules=[schedule_views.shown(one) for one in shown], next_cursor=next_cursor)

    async def change(self, named: str, wanted: rest.SchedulePatch, *, by: Identity) -> rest.ScheduleDetail:
        """Change what is said, and keep the rest. Raises InvalidInput, Conflict, AlreadyExists, NotFound."""
        now = self._store.now()
        found = await self._store.read(lambda queries: _visible(queries, named, by))
        given = wanted.model_fields_set
        work = None
        if given & {"task", "tasks", "workflow"}:
            starts = starts_of(wanted.task, wanted.tasks, wanted.workflow)
            if wanted.workflow is not None:
                require_allowed(read(wanted.workflow), by, self._rules)
            await self._store.read(lambda queries: filing(queries, starts, by=_as_maker(found, by), rules=self._rules))
            work = ScheduleWork(schedule_id=found.id, starts=starts)
        changed = _changed(found, wanted, given, now)
        await self._store.apply(
            ChangeSchedule(schedule_id=found.id, actor=by.actor, version=found.version, changed=changed, work=work)
        )
        return await self.get(found.id, by=by)

    async def pause(self, named: str, *, by: Identity) -> rest.Schedule:
        """Have it start nothing. Raises NotFound, Conflict."""
        found = await self._store.read(lambda queries: _visible(queries, named, by))
        return schedule_views.shown(await self._store.apply(PauseSchedule(schedule_id=found.id, actor=by.actor)))

    async def resume(self, named: str, *, by: Identity) -> rest.Schedule:
        """Have it go on from now. Raises NotFound, Conflict."""
        found = await self._store.read(lambda queries: _visible(queries, named, by))
        return schedule_views.shown(await self._store.apply(ResumeSchedule(schedule_id=found.id, actor=by.actor)))

    async def remove(self, named: str, *, by: Identity) -> rest.Schedule:
        """Take it away. Raises NotFound."""
        found = await self._store.read(lambda queries: _visible(queries, named, by))
        return schedule_views.shown(await self._store.apply(RemoveSchedule(schedule_id=found.id, actor=by.actor)))

    async def run(self, named: str, *, by: Identity, once: Idempotency | None = None) -> rest.ScheduleRun:
        """Start it now, beside the plan. Raises what filing raises, Conflict where it would overlap, Killed."""
        asked = Asked(by=by.actor, idempotency=once)
        for _ in range(_TRIES):
            found = await self._store.read(lambda queries: _visible(queries, named, by))
            firing = await self._store.read(firing_of(found, self._rules, asked=asked))
            fired: Fired = await self._store.apply(firing)
            if fired.run is not None:
                (shown,) = await self._store.read(schedule_views.runs([fired.run]))
                return shown
        raise Conflict(f"schedule {named!r} is being changed all the time", hint="try again")

    async def runs(self, named: str, *, cursor: str | None, limit: int, by: Identity) -> rest.ScheduleRunList:
        """A page of its latest runs, the last one first."""
        before = cursors.read_back(cursor)
        limit = min(limit, domain.RUNS_KEPT)

        def reading(queries: Queries) -> tuple[list[rest.ScheduleRun], str | None]:
            found = _visible(queries, named, by)
            place = None if before is None else (-before,)
            kept = queries.scan(SCHEDULE_RUNS, found.id, after=place, limit=limit + 1)
            page, following_ = cursors.page(kept, limit, lambda one: cursors.back_from(one.number))
            return schedule_views.runs(list(page))(queries), following_

        shown, next_cursor = await self._store.read(reading)
        return rest.ScheduleRunList(runs=shown, next_cursor=next_cursor)

    async def next(self, named: str, *, count: int, by: Identity) -> rest.ScheduleTimes:
        """Its next instants, whether it is paused or not."""
        found = await self._store.read(lambda queries: _visible(queries, named, by))
        return schedule_views.times(found.when, self._store.now(), found.until, count=count)

    def preview(self, wanted: rest.RuleInput, *, count: int) -> rest.ScheduleTimes:
        """The next instants of a rule that nobody has stored. Raises InvalidInput."""
        now = self._store.now()
        return schedule_views.times(rule_of(wanted, now), now, None, count=count)

    async def explain(self, named: str, *, by: Identity) -> rest.ScheduleExplanation:
        """Why it starts nothing now."""
        now = self._store.now()

        def reading(queries: Queries) -> tuple[Schedule, domain.ScheduleFacts]:
            found = _visible(queries, named, by)
            return found, _facts(queries, found, now, self._rules)

        found, facts = await self._store.read(reading)
        summary, obstacles = domain.explain(facts)
        return rest.ScheduleExplanation(
            schedule_id=found.id,
            status=found.status,
            summary=summary,
            reasons=[
                Reason(code=one.code, message=one.message, unblock=one.unblock, details=dict(one.details))
                for one in obstacles
            ],
        )


def rule_of(wanted: rest.RuleInput, now: int) -> Rule:
    """The rule that is meant. Raises InvalidInput unless it is exactly one, whole."""
    kinds = [name for name in ("cron", "every_seconds", "at") if getattr(wanted, name) is not None]
    if len(kinds) != 1:
        raise _invalid("cron", f"expected one of cron, everySeconds and at, got {len(kinds)} of them")
    if wanted.time_zone is not None and wanted.cron is None:
        raise _invalid("timeZone", "timeZone belongs to cron: instants say their own offset")
    if wanted.start_at is not None and wanted.every_seconds is None:
        raise _invalid("startAt", "startAt belongs to everySeconds")
    if wanted.cron is not None:
        return domain.cron_rule(wanted.cron, wanted.time_zone or "UTC")
    if wanted.every_seconds is not None:
        anchor = _instant(wanted.start_at, "startAt")
        return domain.interval_rule(wanted.every_seconds, now if anchor is None else anchor)
    return domain.once_rule(_instant(wanted.at, "at") or 0)


def _first(rule: Rule, now: int, until: int | None) -> int:
    """When it runs first. Raises InvalidInput where it never does: nobody means that."""
    found = following(rule, now, until)
    if found is None:
        raise InvalidInput(
            f"the rule names no time after {to_wire(now)}" + ("" if until is None else f" and until {to_wire(until)}"),
            hint="give it a time that is to come; see what a rule names with: agent-swarm schedule next",
            details={"field": "at" if rule.at is not None else "until"},
        )
    return found


def _changed(found: Schedule, wanted: rest.SchedulePatch, given: "set[str]", now: int) -> Schedule:
    """The schedule as it is to be."""
    fields: dict[str, Any] = {
        name: getattr(wanted, name)
        for name in ("name", "description", "missed", "overlap", "max_failures")
        if getattr(wanted, name) is not None
    }
    if "until" in given:
        fields["until"] = _instant(wanted.until, "until")
    if "max_runs" in given:
        fields["max_runs"] = wanted.max_runs
    changed = replace(found, **fields)
    if given & _RULE_FIELDS:
        rule = rule_of(wanted, now)
        return replace(changed, rule=rule.stored(), next_at=_first(rule, now, changed.until))
    if "until" in given or found.next_at is None:
        return replace(changed, next_at=following(found.when, now, changed.until))
    return changed


def _as_maker(found: Schedule, by: Identity) -> Identity:
    """Whoever changes a schedule, what it starts is its maker's."""
    return by if by.task_id is not None and by.task_id == found.task_id else maker_of(found)


def _facts(queries: Queries, found: Schedule, now: int, rules: Rules) -> domain.ScheduleFacts:
    kept = [queries.record(SCHEDULE_RUNS, found.id, -number) for number in found.open_runs]
    ids = sorted({task_id for run in kept if run is not None for task_id in run.task_ids})
    open_tasks = tuple(task.spec.id for task in queries.tasks(ids) if not task.state.is_terminal)
    killed = killed_switches(queries)
    swarms = firing_of(found, rules)(queries).swarms if killed else ()
    return domain.ScheduleFacts(
        status=found.status,
        pause_reason=found.pause_reason,
        next_at=found.next_at,
        now=now,
        is_killed=stopping(killed, NO_AGENT, *swarms) is not None,
        failures=found.failures,
        max_failures=found.max_failures,
        last_failure=found.last_failure,
        open_tasks=open_tasks,
        policy=found.overlap,
        one_waits=found.waiting > 0,
    )


def _visible(queries: Queries, named: str, by: Identity) -> Schedule:
    """The schedule with this id or name, where `by` may see it."""
    identifier = normalize_id(named)
    if identifier is None and len(named) <= domain.NAME_CHARS and "\0" not in named:
        by_name = queries.record(SCHEDULE_NAMES, named)
        identifier = None if by_name is None else by_name.id
    found = queries.record(SCHEDULES, identifier) if identifier else None
    if found is None or (by.kind is TokenKind.ATTEMPT and found.agent_id != by.agent_id):
        raise unknown_schedule(named[: domain.NAME_CHARS])
    return found


def _of_agent(queries: Queries, agent_id: str) -> list[Schedule]:
    places = queries.scan(SCHEDULES_OF_AGENT, agent_id, limit=domain.PER_AGENT)
    kept = [found for one in places if (found := queries.record(SCHEDULES, one.id)) is not None]
    return sorted(kept, key=lambda one: one.name)


def _instant(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    try:
        instant = from_wire(text)
    except (ValueError, OverflowError):
        instant = None
    if instant is None or not domain.EARLIEST <= instant <= domain.LATEST:
        raise _invalid(field, f"{field} is not a time, expected RFC 3339 such as 2026-12-01T09:00:00Z")
    return instant


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, hint="see: agent-swarm schedule add --help", details={"field": field})
