"""Triggers as they are kept, what each does, and their firings: the outbox of what is to be done for ended tasks.

What a trigger does may be long and never changes, so it is apart from what is looked at whenever tasks end. A firing is
put in the transaction that ends its task; whoever carries it out locks it first and finds it pending or leaves it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent_swarm.domain.triggers import (
    KEPT,
    KEPT_FIRINGS,
    TRIM_EVERY,
    Filter,
    FiringStatus,
    Hour,
    TriggerAction,
    TriggerEvent,
    TriggerStatus,
)
from agent_swarm.store.events import Draft
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations.base import Desk

STANDING = ""  # the scope of a trigger that belongs to no task
# Lanes of what is to be removed one day, and of what servers do themselves. Both come before those of endpoints, whose
# names begin with http: however many of these there are, a look that has an end gets to these two.
OVER, HERE = "ended", "here"
_TRIMMED = KEPT_FIRINGS + 2 * TRIM_EVERY


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """How a task has to end, which tasks it is about, and where it stands. `scope` is the task that it belongs to.

    `origin` is the server a webhook goes to. With `maker_task_id` an attempt at that task made it. `failures` are those
    in a row.
    """

    scope: str = STANDING
    id: str
    name: str = ""
    events: tuple[str, ...]
    action: TriggerAction
    origin: str = ""
    status: TriggerStatus = TriggerStatus.ACTIVE
    pause_reason: str = ""
    project_id: str | None = None
    swarm_id: str | None = None
    label: str | None = None
    agent_id: str | None = None
    settled: int = 0
    failures: int = 0
    last_failure: str = ""
    hour_began_at: int = 0
    hour_posted: int = 0
    created_by: str = "operator"
    maker_agent_id: str | None = None
    maker_task_id: str | None = None
    created_at: int = 0

    @property
    def wanted(self) -> Filter:
        """Which tasks it is about."""
        return Filter(project_id=self.project_id, swarm_id=self.swarm_id, label=self.label, agent_id=self.agent_id)

    @property
    def hour(self) -> Hour:
        """What it has posted lately."""
        return Hour(began_at=self.hour_began_at, posted=self.hour_posted)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerWork:
    """What a trigger does, as it was sent: {"createTask": …}, {"postMessage": …} or {"webhook": …}."""

    trigger_id: str
    does: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTrigger:
    """A trigger of a task that is filed, with what it does."""

    trigger: Trigger
    work: TriggerWork


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerName:
    """Names are given once."""

    name: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSecret:
    """What the deliveries of a trigger are signed with, sealed; where it is not kept elsewhere."""

    trigger_id: str
    sealed: str = field(repr=False)

    @property
    def identity(self) -> tuple[str, ...]:
        """What the sealed secret is bound to."""
        return ("trigger_secret", self.trigger_id)

    @property
    def shown(self) -> str:
        """The secret as people name it."""
        return f"signing secret of trigger {self.trigger_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One thing to do, for one ending of one task. Its id is drawn from trigger, task and attempt, and stays.

    `look_at` is when to look at it next: to do it, to try it again, or to remove it. `tries` grows with each try, and
    whoever reports on an older one is not heard. `since` is from when on a webhook has a day.
    """

    id: str
    scope: str
    trigger_id: str
    task_id: str
    attempt: int
    event: TriggerEvent
    action: TriggerAction
    origin: str = ""
    status: FiringStatus = FiringStatus.PENDING
    fired_at: int
    since: int
    look_at: int | None
    tries: int = 0
    answered: int | None = None  # the last HTTP status
    code: str = ""
    message: str = ""
    made_id: str = ""  # the task or the message
    settled_at: int | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it is still to be done."""
        return self.status is FiringStatus.PENDING

    @property
    def lane(self) -> str:
        """What it waits beside: webhooks by the server they go to, so that a slow one holds up no other."""
        return (self.origin or HERE) if self.is_pending else OVER

    def look(self) -> "list[FiringLook]":
        """Its entry among the looks, where it has one."""
        return [] if self.look_at is None else [FiringLook(lane=self.lane, at=self.look_at, id=self.id)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringLook:
    """When to look at a firing, by lane, first ones first."""

    lane: str
    at: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringOf:
    """The firings of a trigger, the latest first: `rank` is the instant below zero."""

    trigger_id: str
    rank: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggeredTask:
    """A task that a trigger filed; `depth` is how many triggers in a row led to it."""

    task_id: str
    depth: int
    trigger_id: str
    by_task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggeredRoot:
    """How many tasks triggers have filed below a root."""

    root_id: str
    made: int


TRIGGERS = Family("trigger_rule", Trigger, key=("scope", "id"))
TRIGGER_WORK = Family("trigger_work", TriggerWork, key=("trigger_id",))
TRIGGER_NAMES = Family("trigger_name", TriggerName, key=("name",))
TRIGGER_SECRETS = Family("trigger_secret", TriggerSecret, key=("trigger_id",))
FIRINGS = Family("trigger_firing", Firing, key=("id",))
FIRING_LOOKS = Family("trigger_look", FiringLook, key=("lane", "at", "id"))
FIRINGS_OF = Family("trigger_log", FiringOf, key=("trigger_id", "rank", "id"))
TRIGGERED_TASKS = Family("triggered_task", TriggeredTask, key=("task_id",))
TRIGGERED_ROOTS = Family("triggered_root", TriggeredRoot, key=("root_id",))


def put_firing(desk: Desk, firing: Firing, *, before: Firing) -> Firing:
    """Keep a firing as it is now; its entry among the looks moves along."""
    if before.look() != firing.look():
        for look in before.look():
            desk.remove(FIRING_LOOKS, look.lane, look.at, look.id)
        desk.add(FIRING_LOOKS, firing.look())
    desk.put(FIRINGS, firing)
    return firing


def settled(firing: Firing, status: FiringStatus, *, now: int, **fields: Any) -> Firing:
    """The firing with what became of it; it is removed in a month."""
    return replace(firing, status=status, settled_at=now, look_at=now + KEPT, **fields)


def remove_firing(desk: Desk, firing: Firing) -> None:
    """Take a firing away."""
    for look in firing.look():
        desk.remove(FIRING_LOOKS, look.lane, look.at, look.id)
    desk.remove(FIRINGS_OF, firing.trigger_id, -firing.fired_at, firing.id)
    desk.remove(FIRINGS, firing.id)


def trim(desk: Desk, trigger: Trigger) -> None:
    """Remove what is beyond the latest firings of a trigger, now and then; what is pending stays."""
    if trigger.settled % TRIM_EVERY:
        return
    kept = desk.scan(FIRINGS_OF, trigger.id, limit=_TRIMMED)
    for one in kept[KEPT_FIRINGS:]:
        firing = desk.get(FIRINGS, one.id)
        if firing is not None and not firing.is_pending:
            remove_firing(desk, firing)


def told(event: str, trigger: Trigger, *, actor: str, **data: Any) -> Draft:
    """An event about a standing trigger."""
    return Draft(
        type=event, actor=actor, subject_kind="trigger", subject_id=trigger.id, data={"name": trigger.name, **data}
    )


def told_of(event: str, firing: Firing, *, actor: str, **data: Any) -> Draft:
    """An event about a firing, among those of the task that ended."""
    return Draft(
        type=event,
        actor=actor,
        subject_kind="trigger",
        subject_id=firing.trigger_id,
        task_id=firing.task_id,
        data={"firing": firing.id, "action": firing.action.value, **data},
    )


def secret_removed(secret: TriggerSecret, actor: str) -> Draft:
    """The event of a secret that nothing opens any more, and is gone."""
    return Draft(
        type="trigger.secretRemoved", actor=actor, subject_kind="trigger", subject_id=secret.trigger_id, data={}
    )
