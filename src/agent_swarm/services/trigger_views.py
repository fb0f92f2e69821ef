"""Triggers and their firings, as clients see them."""

from collections.abc import Mapping
from typing import Any

from agent_swarm.domain.time import to_wire
from agent_swarm.domain.triggers import TriggerAction, TriggerEvent
from agent_swarm.domain.webhooks import target_of
from agent_swarm.protocol import rest_triggers as rest
from agent_swarm.store.families.triggers import Firing, Trigger, TriggerWork


def shown(trigger: Trigger) -> rest.Trigger:
    """A trigger, as lists show it."""
    return rest.Trigger(**_fields(trigger))


def whole(trigger: Trigger, work: TriggerWork | None, *, with_path: bool) -> rest.TriggerDetail:
    """A trigger with what it does; unless `with_path`, of a webhook's address the server alone: paths may be secret."""
    does = _does(work)
    return rest.TriggerDetail(**_fields(trigger), do=does if with_path else without_path(does))


def without_path(does: Mapping[str, Any]) -> dict[str, Any]:
    """What a trigger does, of a webhook's address the server alone."""
    webhook = does.get(TriggerAction.WEBHOOK.value)
    if webhook is None:
        return dict(does)
    return {TriggerAction.WEBHOOK.value: {**webhook, "url": f"{target_of(webhook['url']).origin}/…"}}


def task_without_paths(task: Mapping[str, Any]) -> dict[str, Any]:
    """A task as it was sent, of its webhooks' addresses the servers alone."""
    triggers = task.get("triggers")
    if not triggers:
        return dict(task)
    return {**task, "triggers": [{**one, "do": without_path(one["do"])} for one in triggers]}


def made(trigger: Trigger, work: TriggerWork | None, secret: str | None) -> rest.NewTrigger:
    """A trigger that was made, with the secret that receivers of its deliveries are to have."""
    return rest.NewTrigger(**_fields(trigger), do=_does(work), signing_secret=secret)


def delivery(firing: Firing) -> rest.Delivery:
    """What became of a firing."""
    return rest.Delivery(
        id=firing.id,
        trigger_id=firing.trigger_id,
        task_id=firing.task_id,
        attempt=firing.attempt,
        event=firing.event,
        action=firing.action,
        status=firing.status,
        fired_at=to_wire(firing.fired_at),
        tries=firing.tries,
        next_try_at=_at(firing.look_at) if firing.is_pending else None,
        answered=firing.answered,
        code=firing.code or None,
        message=firing.message or None,
        made=firing.made_id or None,
        settled_at=_at(firing.settled_at),
    )


def _fields(trigger: Trigger) -> dict[str, Any]:
    return {
        "id": trigger.id,
        "name": trigger.name or None,
        "task_id": trigger.scope or None,
        "on": [TriggerEvent(event) for event in trigger.events],
        "action": trigger.action,
        "status": trigger.status,
        "pause_reason": trigger.pause_reason or None,
        "project_id": trigger.project_id,
        "swarm_id": trigger.swarm_id,
        "tag": trigger.label,
        "agent_id": trigger.agent_id,
        "settled": trigger.settled,
        "failures": trigger.failures,
        "last_failure": trigger.last_failure or None,
        "created_by": trigger.created_by,
        "created_at": to_wire(trigger.created_at),
    }


def _does(work: TriggerWork | None) -> dict[str, Any]:
    return {} if work is None else dict(work.does)


def _at(instant: int | None) -> str | None:
    return None if instant is None else to_wire(instant)
