"""Foreign schedules as operations: what is stored stays as it is, what cannot be is kept for the report."""

import re
from collections.abc import Sequence

from agent_swarm.domain import schedules as domain
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.schedules import Missed, Overlap, Rule, ScheduleStatus, following
from agent_swarm.domain.time import from_wire
from agent_swarm.importing.foreign import ForeignSchedule
from agent_swarm.importing.plan import ACTOR, Plan
from agent_swarm.protocol import limits
from agent_swarm.services.harnesses import HARNESSES
from agent_swarm.store.base import Queries
from agent_swarm.store.families.schedules import SCHEDULE_NAMES, SCHEDULES, Schedule, ScheduleWork
from agent_swarm.store.scheduling import CreateSchedule

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def plan_schedules(plan: Plan, found: Sequence[ForeignSchedule], queries: Queries, *, now: int) -> None:
    """Add those that are not here yet, under the nearest name that is allowed here."""
    names: set[str] = set()
    for one in found:
        if queries.record(SCHEDULES, one.id) is not None:
            plan.unchanged["schedules"] += 1
            continue
        name = _NOT_IN_NAMES.sub("-", one.name).strip("-._")[: domain.NAME_CHARS]
        try:
            operation = _creation(one, name, now)
        except InvalidInput as exc:
            _refuse(plan, one, exc.message)
            continue
        if not name or name in names or queries.record(SCHEDULE_NAMES, name) is not None:
            _refuse(plan, one, f"{name!r} is the name of another schedule" if name else "it has no name")
            continue
        names.add(name)
        plan.operations.append(operation)
        plan.new["schedules"] += 1
        if name != one.name:
            plan.notes.append(f"schedule {one.name!r} is called {name!r} here")


def _creation(one: ForeignSchedule, name: str, now: int) -> CreateSchedule:
    rule = _rule(one, now)
    next_at = following(rule, now, None)
    if next_at is None:
        raise InvalidInput("its time is over")
    schedule = Schedule(
        id=one.id,
        name=name,
        description=one.description[: domain.DESCRIPTION_CHARS],
        rule=rule.stored(),
        missed=Missed.LATEST,
        overlap=Overlap.ALLOW,  # so it was there
        max_failures=domain.FAILURES,
        max_runs=None,
        until=None,
        status=ScheduleStatus.PAUSED if one.is_paused else ScheduleStatus.ACTIVE,
        pause_reason="person" if one.is_paused else "",
        next_at=next_at,
        created_by=ACTOR,
    )
    return CreateSchedule(schedule=schedule, work=ScheduleWork(schedule_id=one.id, starts={"task": _task(one)}))


def _rule(one: ForeignSchedule, now: int) -> Rule:
    if one.at:
        try:
            return domain.once_rule(from_wire(one.at))
        except (ValueError, OverflowError):
            raise InvalidInput("its time cannot be read") from None
    if one.every:
        return domain.interval_rule(one.every, now)
    return domain.cron_rule(one.cron, one.time_zone or "UTC")


def _task(one: ForeignSchedule) -> dict[str, object]:
    """As `POST /api/tasks` takes it. Raises InvalidInput."""
    if not one.prompt.strip() or len(one.prompt.encode()) > limits.PROMPT_BYTES:
        raise InvalidInput(f"what it starts has no text, or more than {limits.PROMPT_BYTES:,} bytes")
    if len(one.labels) > limits.LABELS or any(len(label) > limits.LABEL_CHARS for label in one.labels):
        raise InvalidInput(
            f"it has more than {limits.LABELS} tags, or one of more than {limits.LABEL_CHARS} characters"
        )
    known = one.harness in HARNESSES
    task: dict[str, object] = {
        "prompt": one.prompt,
        "priority": one.priority,
        "tags": list(one.labels),
        "agentId": one.agent_id,
        "model": one.model,
        "harness": one.harness if known else None,
        "requires": None if known else {"capabilities": [f"harness.{one.harness}"]},
    }
    return {field: value for field, value in task.items() if value not in (None, [])}


def _refuse(plan: Plan, one: ForeignSchedule, reason: str) -> None:
    when = {"cron": one.cron, "timeZone": one.time_zone, "everySeconds": one.every, "at": one.at}
    plan.refuse("schedules", one.source_id, reason, name=one.name, prompt=one.prompt, **when)
