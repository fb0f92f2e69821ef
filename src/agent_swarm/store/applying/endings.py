"""Tasks that ended have triggers fire: what is to be done is noted here, in the transaction that ended them (rule T9).

Nothing is done here. An ending costs one look, however many tasks end together, and is never refused for what a trigger
would do.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.triggers import EndedTask, TriggerEvent, TriggerStatus, firing_id, fits
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.mail import CONVERSATIONS
from agent_swarm.store.families.triggers import (
    FIRING_LOOKS,
    FIRINGS,
    FIRINGS_OF,
    STANDING,
    TRIGGERS,
    Firing,
    FiringOf,
    Trigger,
    told_of,
)

if TYPE_CHECKING:
    from agent_swarm.store.applying.work import Work


def fire_triggers(work: "Work", ended: Mapping[str, TaskStatus]) -> None:
    """Note what the triggers of these tasks, and those that stand, are to do."""
    if not ended:
        return
    found: dict[str, list[Trigger]] = defaultdict(list)
    for trigger in work.rows.under(TRIGGERS, [STANDING, *sorted(ended)]):
        if trigger.status is TriggerStatus.ACTIVE:
            found[trigger.scope].append(trigger)
    if not found:
        return
    wanted = [
        _firing(work, trigger, task_id, ended[task_id])
        for task_id in sorted(ended)
        for trigger in _of_task(work, task_id, ended[task_id], found)
    ]
    known = {firing.id for firing in work.rows.under(FIRINGS, [firing.id for firing in wanted])} if wanted else set()
    firings = [firing for firing in wanted if firing.id not in known]
    work.add(FIRINGS, firings)
    work.add(FIRING_LOOKS, [look for firing in firings for look in firing.look()])
    work.add(FIRINGS_OF, [FiringOf(trigger_id=one.trigger_id, rank=-work.now, id=one.id) for one in firings])
    for firing in firings:
        told = told_of("trigger.fired", firing, actor=SYSTEM, on=firing.event.value)
        work.tell(work.must(firing.task_id), told)


def _of_task(work: "Work", task_id: str, status: TaskStatus, found: Mapping[str, list[Trigger]]) -> Iterable[Trigger]:
    """The triggers that fire for this task. Tasks in which agents answer messages fire none: they would go on for ever.

    A task's own come first, each by id.
    """
    own = [trigger for trigger in found.get(task_id, ()) if status.value in trigger.events]
    standing = [trigger for trigger in found.get(STANDING, ()) if status.value in trigger.events]
    if not own and not standing:
        return []
    if work.get(CONVERSATIONS, task_id) is not None:
        return []
    task = _ended_task(work, task_id, standing)
    return [*own, *(trigger for trigger in standing if fits(trigger.wanted, task))]


def _ended_task(work: "Work", task_id: str, standing: list[Trigger]) -> EndedTask:
    """What filters look at; what no filter asks for is not read."""
    entry = work.must(task_id)
    project_id = agent_id = None
    if any(trigger.project_id is not None for trigger in standing):
        project_id = work.rows.records([task_id])[task_id].spec.project_id
    if entry.state.attempt and any(trigger.agent_id is not None for trigger in standing):
        agent_id = work.rows.has_attempt(task_id, entry.state.attempt)
    return EndedTask(project_id=project_id, swarm_id=work.swarm_of(entry), labels=entry.labels, agent_id=agent_id)


def _firing(work: "Work", trigger: Trigger, task_id: str, status: TaskStatus) -> Firing:
    attempt = work.must(task_id).state.attempt
    return Firing(
        id=firing_id(trigger.id, task_id, attempt),
        scope=trigger.scope,
        trigger_id=trigger.id,
        task_id=task_id,
        attempt=attempt,
        event=TriggerEvent(status.value),
        action=trigger.action,
        origin=trigger.origin,
        fired_at=work.now,
        since=work.now,
        look_at=work.now,
    )
