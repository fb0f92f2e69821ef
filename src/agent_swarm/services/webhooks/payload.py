"""What a webhook says about the task that ended. No prompt and no secret is in it; long results are cut."""

from typing import Any

import orjson

from agent_swarm.domain.time import to_wire
from agent_swarm.store.families.triggers import Firing, Trigger
from agent_swarm.store.records import TaskRecord

TEXT_CHARS = 16_000
BYTES = 128 * 1024


def body_of(firing: Firing, trigger: Trigger, task: TaskRecord) -> bytes:
    """The body, JSON of at most 128 KiB."""
    said = _said(firing, trigger, task, with_data=True)
    body = orjson.dumps(said)
    return body if len(body) <= BYTES else orjson.dumps(_said(firing, trigger, task, with_data=False))


def _said(firing: Firing, trigger: Trigger, task: TaskRecord, *, with_data: bool) -> dict[str, Any]:
    spec = task.spec
    return {
        "type": f"task.{firing.event.value}",
        "timestamp": to_wire(firing.fired_at),
        "data": {
            "trigger": {"id": trigger.id, "name": trigger.name or None},
            "attempt": firing.attempt or None,
            "task": {
                "id": spec.id,
                "title": spec.title,
                "status": task.state.status.value,
                "tags": list(spec.labels),
                "priority": spec.priority,
                "projectId": spec.project_id,
                "swarmId": spec.swarm_id,
                "agentId": task.last_agent_id,
                "parentTaskId": spec.parent_id,
                "rootTaskId": spec.root_id,
                "createdBy": spec.created_by,
                "result": _outcome(task.result, "text", with_data=with_data),
                "failure": _outcome(task.failure, "message", with_data=with_data),
            },
        },
    }


def _outcome(kept: Any, text: str, *, with_data: bool) -> dict[str, Any] | None:
    if not kept:
        return None
    told = {name: value for name, value in kept.items() if with_data or name != "data"}
    said = str(told.get(text) or "")
    if len(said) > TEXT_CHARS:
        told |= {text: said[:TEXT_CHARS], "isCut": True}
    return told if with_data or not kept.get("data") else {**told, "isCut": True}
